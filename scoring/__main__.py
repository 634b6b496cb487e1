"""The command line: ``python -m scoring test``, ``models``, ``secrets`` and ``regen-key``."""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from components.access_keys import NAMES
from scoring import models_command
from scoring.client import StackError, services_of_stack
from scoring.key_rotation import regenerate
from scoring.mnist.data import DigitsError, held_out, load, parse_seed
from scoring.report import Sample, as_json, ask, problems, show
from scoring.stack_secrets import ensure

EXIT_CODES = """exit codes:
  0  the services answered alike (a digit that the model misreads is marked)
  1  a service failed, or the services differ
  2  nothing was sent: wrong arguments, no such stack, no services, no digits"""
# Where no terminal says how wide it is, a line a service is wanted, by readers and by grep.
WIDTH_WITHOUT_TERMINAL = 200


def main(arguments: list[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run a command; returns the exit code.

    Raises:
        SystemExit: wrong arguments (2), or help was asked for (0).
    """
    options = _parser().parse_args(arguments)
    code: int = options.run(options, environ)
    return code


def _test(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        pixels, labels = load(options.digits) if options.digits else held_out()
        seed = secrets.randbelow(2**32) if options.seed is None else options.seed
        sample = Sample.draw(pixels, labels, options.count, seed)
        services = services_of_stack(options.stack, environ=environ)
    except (DigitsError, StackError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    answers = [ask(service, sample) for service in services]
    if options.json:
        print(as_json(sample, answers))
    else:
        show(_console(environ), sample, answers)
    found = problems(answers)
    sys.stdout.flush()
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if found else 0


def _secrets(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        seen = ensure(options.stack, renew=options.renew, environ=environ)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        certificate = {"certificateFile": seen.certificate_file, "expires": seen.expires}
        print(json.dumps({"made": list(seen.made), "kept": list(seen.kept), **certificate}))
        return 0
    for setting in seen.made:
        told = f", self-signed, until {seen.expires}" if setting == "sslCertPemFile" else ""
        print(f"{setting:<15} made{told}")
    for setting in seen.kept:
        print(f"{setting:<15} kept")
    if not (seen.made or seen.kept):
        print("No service asks for keys or TLS: nothing to make.")
    elif seen.made:
        print("Deploy them with `make up` or `pulumi up`; then, for callers: pulumi stack output keys --show-secrets")
    if seen.certificate_file:
        print(f"Callers trust the certificate by {seen.certificate_file}, for instance with curl --cacert.")
    return 0


def _regen_key(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        made = regenerate(options.key, service=options.service, stack=options.stack, environ=environ)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"key": made.name, "services": list(made.services), "setting": made.setting}))
    else:
        print(f"The {made.name} key of {', '.join(made.services)} is new, and the old one is refused.")
        print("Show it: pulumi stack output keys --show-secrets")
    return 0


def _console(environ: Mapping[str, str]) -> Console:
    # rich honours NO_COLOR and COLUMNS, and writes plain text where standard output is no terminal.
    console = Console(highlight=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in environ:
        console.width = WIDTH_WITHOUT_TERMINAL
    return console


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scoring", description="Try out deployed scoring services.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    test = commands.add_parser(
        "test",
        help="send the same random held-out digits to all services of a stack and compare their answers",
        description="Send the same random held-out MNIST digits to all services of a stack, draw the\n"
        "digits, and show in a table what each service reads in them.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    test.set_defaults(run=_test)
    test.add_argument("-s", "--stack", help="the stack's name (default: the selected stack)")
    test.add_argument("--count", type=int, default=5, metavar="N", help="number of digits (default: %(default)s)")
    test.add_argument("--seed", type=parse_seed, metavar="N", help="choose the same digits again (default: others)")
    test.add_argument("--json", action="store_true", help="print one JSON object instead of the table and the digits")
    test.add_argument(
        "--digits",
        type=Path,
        metavar="PATH",
        help="an .npz file with X uint8 [n, 784] and y [n] to choose from (default: the sample's held-out 1,000)",
    )
    models_command.add(commands)
    making = commands.add_parser(
        "secrets",
        help="make and set the keys and the certificate that a stack lacks",
        description="Make and set what the services of a stack need and do not have: two keys, as secrets of the\n"
        "stack, and a self-signed certificate for its sslCname, in .secrets/. What is set stays as it is.\n"
        "Nothing is shown.",
        epilog="exit codes:\n  0  nothing is missing now\n  1  something is: the message says what to do",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    making.set_defaults(run=_secrets)
    making.add_argument("-s", "--stack", help="the stack's name (default: the selected stack)")
    making.add_argument(
        "--renew", action="store_true", help="make anew what is set too: both keys, a certificate made by this command"
    )
    making.add_argument("--json", action="store_true", help="print one JSON object, without the keys")
    regen = commands.add_parser(
        "regen-key",
        help="make one of the two keys anew; the other one stays valid",
        description="Make one of the two keys of a stack's services anew and deploy it, and nothing else.\n"
        "The other key stays valid, and no service is started again: callers change over to the\n"
        "other key before, and to the new one after.",
        epilog="exit codes:\n  0  the new key is in use\n  1  it is not: the message says what to do",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    regen.set_defaults(run=_regen_key)
    regen.add_argument("key", choices=NAMES, help="the key to make anew")
    regen.add_argument("-s", "--stack", help="the stack's name (default: the selected stack)")
    regen.add_argument(
        "--service", default="", metavar="NAME", help="a service to give a key of its own (default: the shared key)"
    )
    regen.add_argument("--json", action="store_true", help="print one JSON object, without the key")
    return parser


if __name__ == "__main__":
    sys.exit(main())
