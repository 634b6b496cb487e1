"""The verbs of the toolchain: ``python3 -m toolchain VERB``."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from toolchain import bootstrap, setup, stack
from toolchain.console import Console, standard
from toolchain.layout import Layout
from toolchain.machine import Machine

PACKAGES_VARIABLE = "MODEL_WEBSERVICE_PACKAGES"
DEFAULT_STACK = "dev"


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run a verb; returns the exit code."""
    options = parser().parse_args(arguments)
    console = standard(environ)
    environ = dict(environ)
    packages = environ.pop(PACKAGES_VARIABLE, "")
    machine = Machine.from_environ(environ)
    if options.verb == "clean":
        clean(machine.layout, console)
        return 0
    tell_packages(packages, console)
    optional = () if options.verb == "down" else setup.ALL
    try:
        ready = setup.ensure(machine, console, optional, refresh=options.verb == "refresh")
    except setup.SetupError:
        return 1
    if options.verb == "up":
        return stack.up(machine.layout, ready, options.stack, console)
    if options.verb == "down":
        return stack.down(machine.layout, ready, options.stack, console)
    if options.verb == "preview":
        return stack.preview(machine.layout, ready, options.stack, console)
    console.note("ready", f"plain pulumi commands work after: source {relative(machine.layout.env)}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(
        prog="python3 -m toolchain",
        description="Find or make what the project needs on this machine: packages, Pulumi, its docker plugin, a "
        "Docker daemon, a base image, the sample model.",
        epilog="exit codes: 0 done; 1 a part is missing; 2 wrong arguments; else that of the pulumi command",
    )
    verbs = result.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser("setup", help="only that (the default)")
    verbs.add_parser("refresh", help="look again for what was out of reach: the vendor's plugin, Docker's base image")
    for verb, text in (
        ("up", "deploy a stack, send digits to its services"),
        ("preview", "show what up would change"),
        ("down", "destroy a stack"),
    ):
        verbs.add_parser(verb, help=text).add_argument("--stack", default=DEFAULT_STACK, help="default: %(default)s")
    verbs.add_parser("clean", help="remove what the toolchain made in this checkout")
    return result


def tell_packages(told: str, console: Console) -> None:
    """Print the line about the packages, which were seen to before this Python started."""
    word, _, text = told.partition(" ")
    if word == "made":
        console.made(bootstrap.PART, text)
    elif word:
        console.found(bootstrap.PART, text)


def relative(path: Path) -> str:
    """A path as it is typed here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def clean(layout: Layout, console: Console) -> None:
    """Remove the toolchain's and the image builder's folders; say what stays."""
    for folder in (layout.folder, layout.project / ".staging"):
        if folder.exists():
            shutil.rmtree(folder)
            console.note("removed", relative(folder))
    kept = [f"{relative(layout.state)} (Pulumi's state)"] if layout.state.exists() else []
    kept += [f"{layout.cache} (programs, for all checkouts)"] if layout.cache.exists() else []
    console.note("kept", ", ".join([*kept, "what is in the Docker daemon"]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
