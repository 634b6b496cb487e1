"""The command ``python -m scoring models``: registered models in a Docker daemon or a registry."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from components import daemon, model_store, names, saved_versions
from components.model_places import DaemonStore, RegistryStore
from components.model_store import Registered, Store
from components.problems import Problem
from components.registry import Registry
from components.registry_login import Login
from scoring.console import console

EXIT_CODES = """exit codes:
  0  done
  1  it could not be done: no such model, no daemon or registry, a refused login
  2  wrong arguments"""

REFERENCE = "name, name:version, name?tag=value, ?tag=value, or a whole reference; without a version, the newest"


def add(commands: Any) -> None:
    """Add the command to the others."""
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--registry", metavar="HOST[:PORT][/PATH]", help="a registry (default: the Docker daemon)")
    where.add_argument("--username", default="", metavar="USER", help="its user (default: the login of 'docker login')")
    where.add_argument("--password-stdin", action="store_true", help="read that user's password from standard input")
    where.add_argument("--docker-host", default="", metavar="URL", help="a Docker daemon (default: as docker finds it)")
    where.add_argument("--json", action="store_true", help="print JSON")

    def command(to: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = to.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            parents=[where],
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=lambda options, environ: guarded(run, options, environ))
        return made

    group = commands.add_parser("models", help="list, show, tag, delete and download registered models")
    verbs = group.add_subparsers(metavar="COMMAND", required=True)
    listed = command(verbs, "list", list_models, "list registered models, the newest first")
    listed.add_argument("name", nargs="?", default="", help="only those of this name, name?tag=value or ?tag=value")
    shown = command(verbs, "show", show, "show all that is known of a model")
    shown.add_argument("reference", help=REFERENCE)
    tagging = verbs.add_parser("tag", help="add tags to a model, or remove them")
    tags = tagging.add_subparsers(metavar="COMMAND", required=True)
    for verb, form, text in (
        ("add", "KEY=VALUE", "add tags to a model, or change them"),
        ("remove", "KEY", "remove tags from a model"),
    ):
        changed = command(tags, verb, change_tags, text)
        changed.add_argument("reference", help=REFERENCE)
        changed.add_argument("tags", nargs="+", metavar=form)
        changed.set_defaults(adding=verb == "add")
    deleted = command(verbs, "delete", delete, "delete a model")
    deleted.add_argument("reference", help=REFERENCE)
    deleted.add_argument("-y", "--yes", action="store_true", help="do not ask")
    downloaded = command(verbs, "download", download, "download a model, and compare it with its digest")
    downloaded.add_argument("reference", help=REFERENCE)
    downloaded.add_argument("-o", "--output", type=Path, help="path of the file or folder (default: the model's name)")
    recorded = command(
        verbs,
        "record",
        record,
        "record the versions of this Python and its libraries beside a model that was trained with them",
    )
    recorded.add_argument("path", type=Path, help="the model's file or folder")


def guarded(run: Any, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run a command; a problem is told on standard error."""
    try:
        run(options, environ)
    except Problem as problem:
        sys.stdout.flush()
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def opened(options: argparse.Namespace) -> Iterator[Store]:
    """The daemon or registry that the options name."""
    if not options.registry:
        yield DaemonStore(daemon.connect(options.docker_host))
        return
    if bool(options.username) != options.password_stdin:
        raise Problem("--username and --password-stdin belong together: give both, or neither and run 'docker login'.")
    login = Login(options.username, sys.stdin.readline().rstrip("\n")) if options.username else None
    with contextlib.closing(Registry(names.check_registry(options.registry), login)) as registry:
        yield RegistryStore(registry)


def list_models(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """List models."""
    wanted = names.parse_model_reference(options.name) if options.name else None
    with opened(options) as store:
        found = [model for model in store.all() if wanted is None or model_store.fits(model, wanted)]
    if options.json:
        print(json.dumps([model.described() for model in found], indent=2))
    elif found:
        console(environ).print(table(found), crop=False)
    else:
        print(f"There are no models{f' {options.name}' if options.name else ''} in {store.place}.", file=sys.stderr)


def table(found: Sequence[Registered]) -> Table:
    """One line a model."""
    made = Table("name", "version", "created", "tags", "framework", "reference", box=box.SIMPLE_HEAD, show_edge=False)
    made.add_column("size", justify="right")
    for model in found:
        said = model.described()
        framework = " ".join(part for part in (said.get("framework"), said.get("frameworkVersion")) if part)
        tags = " ".join(f"{key}={value}" for key, value in sorted(said["tags"].items()))
        cells = (
            said["name"],
            said["version"],
            said["created"][:19].replace("T", " "),
            tags,
            framework,
            model.reference,
        )
        made.add_row(*(Text(cell, overflow="fold") for cell in cells), Text(size(model.size), style="dim"))
    return made


def show(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Show a model."""
    with opened(options) as store:
        said = model_store.find(store, options.reference).described()
    if options.json:
        print(json.dumps(said, indent=2))
        return
    made = Table.grid(padding=(0, 3))
    for key, value in said.items():
        shown = size(value) if key == "size" else listing(value)
        made.add_row(Text(key, style="bold"), Text(shown, overflow="fold"))
    console(environ).print(made, crop=False)


def listing(value: object) -> str:
    """A value as people read it."""
    if isinstance(value, dict):
        return "\n".join(f"{key}={item}" for key, item in sorted(value.items())) or "none"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def change_tags(options: argparse.Namespace, environ: Mapping[str, str]) -> None:  # noqa: ARG001 - a command's shape
    """Add or remove tags."""
    add: dict[str, str] = {}
    for tag in options.tags if options.adding else ():
        key, equals, value = tag.partition("=")
        if not key or not equals:
            raise Problem(f"{tag!r} is no tag: give KEY=VALUE.")
        add[key] = value
    with opened(options) as store:
        model = model_store.find(store, options.reference)
        tags = model_store.retag(store, model, add, () if options.adding else options.tags)
    if options.json:
        print(json.dumps({"reference": model.reference, "tags": tags}))
    else:
        print(f"{model.reference} has the tags: {listing(tags).replace(chr(10), ' ')}")


def delete(options: argparse.Namespace, environ: Mapping[str, str]) -> None:  # noqa: ARG001 - a command's shape
    """Delete a model, after asking where somebody can answer."""
    with opened(options) as store:
        model = model_store.find(store, options.reference)
        if not options.yes:
            if not sys.stdin.isatty():
                raise Problem(f"{model.reference} is not deleted without being asked for twice: add --yes.")
            if input(f"Delete {model.reference} from {store.place}? [y/N] ").strip().lower() not in ("y", "yes"):
                raise Problem(f"{model.reference} is not deleted.")
        store.delete(model)
    print(json.dumps({"deleted": model.reference}) if options.json else f"Deleted {model.reference}.")


def download(options: argparse.Namespace, environ: Mapping[str, str]) -> None:  # noqa: ARG001 - a command's shape
    """Download a model."""
    with opened(options) as store:
        model = model_store.find(store, options.reference)
        target = options.output or Path(model.known.name)
        model_store.download(store, model, target)
    sha256 = model.known.sha256
    if options.json:
        print(json.dumps({"reference": model.reference, "path": str(target), "sha256": sha256}))
    else:
        print(f"{model.reference} is in {target}, as it was registered (sha256 {sha256}).")


def record(options: argparse.Namespace, environ: Mapping[str, str]) -> None:  # noqa: ARG001 - a command's shape
    """Write the versions that a model was saved with beside it."""
    if not options.path.exists():
        raise Problem(f"the model {str(options.path)!r} does not exist: give the path of one that was just saved.")
    versions = saved_versions.record(options.path)
    place = saved_versions.record_of(options.path)
    print(json.dumps({"path": str(place), **versions}) if options.json else f"Recorded in {place}: {listing(versions)}")


def size(count: int) -> str:
    """Bytes as people read them."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
