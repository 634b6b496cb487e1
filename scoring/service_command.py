"""The command `python -m scoring service`: the services of a stack, listed, called, watched and changed."""

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from components import access_keys, readiness
from components.problems import Problem
from scoring import key_rotation, service_settings
from scoring.console import console
from scoring.endpoint import ServiceError
from scoring.stack import Stack
from scoring.webservice import Webservice

EXIT_CODES = """exit codes:
  0  done
  1  it could not be done, or the service failed: the message says why
  2  wrong arguments"""
INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C has ended."""

COLUMNS = {"service": "name", "style": "style", "state": "state", "image": "image", "scoring URI": "scoringUri"}
"""Of the table of services."""

WHOLE = ("name", "scoringUri")
STATE_COLOURS = {readiness.HEALTHY: "green", readiness.TRANSITIONING: "yellow"}


@dataclass(frozen=True)
class Call:
    """One call of the command."""

    options: argparse.Namespace
    environ: Mapping[str, str]

    @property
    def stack(self) -> Stack:
        """The stack that the arguments name."""
        return Stack(self.options.stack, environ=self.environ)

    @property
    def service(self) -> Webservice:
        """The service that the arguments name."""
        return Webservice(self.options.service, self.stack)

    @property
    def display(self) -> dict[str, Any]:
        """Where Pulumi's display goes: to standard error, as only results belong on standard output."""
        colours = sys.stderr.isatty() and not self.environ.get("NO_COLOR")
        return {"on_output": progress, "color": "always" if colours else "never"}

    def tell(self, result: Any, text: str | Table | Text) -> None:
        """Print a result: as JSON where that is asked for, else the text."""
        if self.options.json:
            print(json.dumps(result, indent=2, ensure_ascii=False))
        else:
            console(self.environ).print(text, crop=False, soft_wrap=not isinstance(text, Table))


Run = Callable[[Call], None]


def add(commands: Any) -> None:
    """Add the command to the others."""
    group = commands.add_parser("service", help="list, show, call, watch, update and delete deployed services")
    verbs = group.add_subparsers(metavar="COMMAND", required=True)
    add_verb(verbs, "list", list_services, "list the services, with state and address", service=False)
    add_verb(verbs, "show", show, "show all that is known of a service")
    run = add_verb(verbs, "run", score, "send a request and print the answer")
    run.add_argument("file", nargs="?", default="-", metavar="FILE", help="its body, JSON (default: standard input)")
    logs = add_verb(verbs, "logs", show_logs, "print the log of a service, of one that has ended too")
    logs.add_argument(
        "-n", "--lines", type=positive, default=5000, metavar="N", help="the last N lines (default: %(default)s)"
    )
    add_verb(verbs, "keys", show_keys, "print the two keys of a service")
    regen = add_verb(
        verbs,
        "regen-key",
        regenerate_key,
        "make one of the two keys anew; the other one stays valid",
        "The new key is deployed, and nothing else. No service is started again: callers change over\n"
        "to the other key before, and to the new one after. A service that is named has a key of its\n"
        "own from then on.",
        service=False,
    )
    regen.add_argument("service", nargs="?", default="", metavar="SERVICE", help="(default: all that share the key)")
    regen.add_argument("key", choices=access_keys.NAMES, help="the key to make anew")
    update = add_verb(
        verbs,
        "update",
        update_service,
        "change settings of a service and deploy them",
        "tags.team=vision adds to the other tags, tags.team= takes that one away, and tags= all that\n"
        "the service has of its own. When the deployment fails, the settings are what they were. As\n"
        "`pulumi up`, it deploys what else has changed, too. Settings:\n"
        + textwrap.fill(", ".join(sorted(service_settings.names())), 90),
    )
    update.add_argument("settings", nargs="+", type=assignment, metavar="KEY=VALUE", help="such as cpu_cores=0.5")
    wait = add_verb(verbs, "wait", wait_for, "wait until a service is ready, and show its log until then")
    wait.add_argument("--timeout", type=positive, default=300, metavar="SECONDS", help="(default: %(default)s)")
    delete = add_verb(verbs, "delete", delete_service, "take a service out of the stack's settings, and remove it")
    delete.add_argument("-y", "--yes", action="store_true", help="do not ask")


def add_verb(
    verbs: Any, verb: str, run: Run, text: str, more: str = "", *, service: bool = True
) -> argparse.ArgumentParser:
    """Add one command of the group."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        verb,
        help=text,
        description="\n".join([f"{text[0].upper()}{text[1:]}.", *([more] if more else [])]),
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if service:
        parser.add_argument("service", metavar="SERVICE", help="the service's name")
    parser.add_argument("-s", "--stack", default="", help="the stack's name (default: the selected stack)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=lambda options, environ: guarded(run, Call(options, environ)))
    return parser


def guarded(run: Run, call: Call) -> int:
    """Run a command; a problem is told on standard error."""
    try:
        run(call)
    except (Problem, ServiceError) as problem:
        sys.stdout.flush()
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def list_services(call: Call) -> None:
    """Print a table of the stack's services."""
    stack = call.stack
    described = [service.serialize() for service in Webservice.list(stack)]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for title, key in COLUMNS.items():
        # Past the terminal's edge rather than without the end of a name or URI.
        whole = max((len(str(one.get(key, ""))) for one in described), default=0) if key in WHOLE else None
        table.add_column(title, min_width=whole, overflow="fold")
    for one in described:
        cells = {key: Text(str(one.get(key, ""))) for key in COLUMNS.values()}
        table.add_row(*{**cells, "state": state_text(one["state"])}.values())
    call.tell(described, table if described else f"Stack {stack.name} has no services.")


def show(call: Call) -> None:
    """Print what is known of a service."""
    known = call.service.serialize()
    table = Table.grid(padding=(0, 3))
    for key, value in known.items():
        text = state_text(value) if key == "state" else Text(listing(value), overflow="fold")
        table.add_row(Text(key, style="bold"), text)
    call.tell(known, table)


def score(call: Call) -> None:
    """Send a body and print what comes back, JSON in any case."""
    name = call.options.file
    try:
        body = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Problem(f"{name} cannot be read: {error.strerror}.") from error
    print(json.dumps(call.service.run(body), ensure_ascii=False))


def show_logs(call: Call) -> None:
    """Print a service's last log lines."""
    text = call.service.get_logs(call.options.lines)
    print(json.dumps(text.splitlines()) if call.options.json else text)


def show_keys(call: Call) -> None:
    """Print both keys."""
    keys = dict(zip(access_keys.NAMES, call.service.get_keys(), strict=True))
    call.tell(keys, "\n".join(f"{name:11}{key}" for name, key in keys.items()))


def regenerate_key(call: Call) -> None:
    """Make a key anew."""
    asked = call.options
    made = key_rotation.regenerate(asked.key, service=asked.service, stack=call.stack, **call.display)
    call.tell(
        {"key": made.name, "services": list(made.services), "setting": made.setting},
        f"The {made.name} key of {', '.join(made.services)} is new; the old one is refused within seconds.\n"
        f"Show it: python -m scoring service keys {made.services[0]}",
    )


def update_service(call: Call) -> None:
    """Change settings."""
    settings = merged(call.options.settings)
    service_settings.checked(settings)
    service = call.service
    service.update(merge=True, **call.display, **settings)
    call.tell(service.serialize(), Text(f"{service.name} is updated.", style="green"))


def wait_for(call: Call) -> None:
    """Wait until a service is ready."""
    service = call.service
    service.wait_for_deployment(show_output=True, timeout=call.options.timeout, on_output=progress)
    call.tell(service.serialize(), Text(f"{service.name} is ready: {service.endpoint.scoring_uri}", style="green"))


def delete_service(call: Call) -> None:
    """Remove a service, after asking where somebody can answer."""
    service = call.service
    if not call.options.yes:
        if not sys.stdin.isatty():
            raise Problem(f"{service.name} is not deleted without being asked for twice: add --yes.")
        progress(f"Delete {service.name} from stack {service.stack.name}? [y/N] ")
        if input().strip().lower() not in ("y", "yes"):
            raise Problem(f"{service.name} is not deleted.")
    service.delete(**call.display)
    call.tell({"deleted": service.name}, f"{service.name} is deleted.")


def assignment(text: str) -> tuple[list[str], Any]:
    """Read `key=value` or `key.name=value`: JSON where the value is, else a text, and nothing where it is empty."""
    path, equals, value = text.partition("=")
    if not (path and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    name, dot, part = path.partition(".")
    if dot:
        return [name, part], value or None
    try:
        return [name], json.loads(value) if value else None
    except ValueError:
        return [name], value


def merged(assignments: list[tuple[list[str], Any]]) -> dict[str, Any]:
    """Return settings by name; those with a part become mappings.

    Raises:
        Problem: a setting is given both as a whole and by its parts.
    """
    whole = {path[0]: value for path, value in assignments if len(path) == 1}
    parts: dict[str, Any] = {}
    for path, value in assignments:
        if len(path) > 1:
            parts.setdefault(path[0], {})[path[1]] = value
    if both := sorted(whole.keys() & parts.keys()):
        raise Problem(f"{both[0]} is given as a whole and by its parts: give either.")
    return whole | parts


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


def state_text(state: str) -> Text:
    """Return a state in its colour."""
    return Text(state, style=STATE_COLOURS.get(state, "red"))


def listing(value: Any) -> str:
    """Return a value as people read it, a line for each item of a list."""
    if isinstance(value, dict):
        return "  ".join(f"{key}={listing(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "\n".join(map(listing, value))
    return value if isinstance(value, str) else json.dumps(value)


def progress(line: str) -> None:
    """Print a line of what is going on, without the dots that Pulumi gives for time passing."""
    if not line.startswith("@ "):
        print(line, file=sys.stderr, flush=True)
