"""The command line of ``python3 -m toolchain``. Standard library only."""

from __future__ import annotations

import argparse

DEFAULT_STACK = "dev"


def parser() -> argparse.ArgumentParser:
    """The verbs and their options; no verb is `setup`."""
    result = argparse.ArgumentParser(
        prog="python3 -m toolchain",
        description="Find or make what the project needs on this machine: packages, Pulumi, its docker plugin, a "
        "Docker daemon, a base image, the sample model.",
        epilog="exit codes: 0 done; 1 a part is missing; 2 wrong arguments; else that of the command that failed",
    )
    verbs = result.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser("setup", help="only that (the default)")
    verbs.add_parser("refresh", help="look again for what was out of reach: the vendor's plugin, Docker's base image")
    for verb, text in (
        ("up", "deploy a stack, try its services"),
        ("preview", "show what up would change"),
        ("down", "destroy a stack"),
        ("secrets", "make the keys and the certificate that a stack lacks"),
    ):
        verbs.add_parser(verb, help=text).add_argument("--stack", default=DEFAULT_STACK, help="default: %(default)s")
    verbs.add_parser("tools", help="the programs that the tests run, and nothing else")
    verbs.add_parser("browser", help="the browser that the tests drive, and nothing else")
    verbs.add_parser("registry", help="the registry of images that the tests start, and nothing else")
    verbs.add_parser("clean", help="remove what the toolchain made in this checkout")
    return result
