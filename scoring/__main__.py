"""The command line: ``python -m scoring test``, ``models``, ``service`` and ``secrets``."""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from components.problems import Problem
from scoring import models_command, service_command, trial
from scoring.console import console
from scoring.endpoint import FIX, Endpoint
from scoring.mnist.data import DigitsError, held_out, load, parse_seed
from scoring.report import Sample, as_json, ask, problems, show
from scoring.stack import Stack, StackError
from scoring.stack_secrets import ensure
from scoring.webservice import Webservice

EXIT_CODES = """exit codes:
  0  the services answered alike (a digit that the model misreads is marked)
  1  a service failed, or the services differ
  2  nothing was sent: wrong arguments, no such stack, no services, no digits"""


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
        stack = Stack(options.stack, environ=environ)
        services = endpoints(stack)
    except (DigitsError, Problem, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    settings = stack.file
    readers = [service for service in services if options.digits or trial.reads_digits(settings, service.name)]
    answers = [ask(service, sample) for service in readers]
    trials = [trial.try_out(service) for service in services if service not in readers]
    if options.json:
        print(as_json(sample, answers, trials))
    else:
        printed = console(environ)
        if answers:
            show(printed, sample, answers)
        if trials:
            trial.show(printed, trials)
    found = problems(answers, trials)
    sys.stdout.flush()
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if found else 0


def _secrets(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    try:
        seen = ensure(Stack(options.stack, environ=environ), renew=options.renew)
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
        print("Deploy them with `make up` or `pulumi up`; then, for callers: python -m scoring service keys NAME")
    if seen.certificate_file:
        print(f"Callers trust the certificate by {seen.certificate_file}, for instance with curl --cacert.")
    return 0


def endpoints(stack: Stack) -> list[Endpoint]:
    """Return the addresses of a stack's services; raise `StackError` when there are none."""
    found = [service.endpoint for service in Webservice.list(stack) if service.described]
    if not found:
        raise StackError(f"stack {stack.name} has no services; {FIX}")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scoring", description="Try out deployed scoring services.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    test = commands.add_parser(
        "test",
        help="send the same random held-out digits to all services of a stack and compare their answers",
        description="Send the same random held-out MNIST digits to all services of a stack, draw the\n"
        "digits, and show in a table what each service reads in them. Services that run other\n"
        "scripts than the sample's get the sample in their own description, if it has one.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    test.set_defaults(run=_test)
    test.add_argument("-s", "--stack", default="", help="the stack's name (default: the selected stack)")
    test.add_argument("--count", type=int, default=5, metavar="N", help="number of digits (default: %(default)s)")
    test.add_argument("--seed", type=parse_seed, metavar="N", help="choose the same digits again (default: others)")
    test.add_argument("--json", action="store_true", help="print one JSON object instead of the table and the digits")
    test.add_argument(
        "--digits",
        type=Path,
        metavar="PATH",
        help="an .npz file with X uint8 [n, 784] and y [n] to choose from, sent to services of any script (default: "
        "the sample's held-out 1,000)",
    )
    models_command.add(commands)
    service_command.add(commands)
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
    making.add_argument("-s", "--stack", default="", help="the stack's name (default: the selected stack)")
    making.add_argument(
        "--renew", action="store_true", help="make anew what is set too: both keys, a certificate made by this command"
    )
    making.add_argument("--json", action="store_true", help="print one JSON object, without the keys")
    return parser


if __name__ == "__main__":
    sys.exit(main())
