"""The verbs of the toolchain, once the packages are there."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from components.problems import Problem
from components.stack_file import StackFile
from toolchain import bootstrap, browser, registry_program, setup, stack, tools
from toolchain.arguments import parser
from toolchain.cleaning import relative
from toolchain.console import Console, standard
from toolchain.layout import exclusive
from toolchain.machine import Machine

WRONG_ARGUMENTS = 2
OF_TESTS: Mapping[str, Callable[[Machine, Console], object]] = {
    "tools": tools.ensure,
    "browser": browser.ensure,
    "registry": registry_program.ensure,
}


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run a verb; returns the exit code."""
    options = parser().parse_args(arguments)
    console = standard(environ)
    tell_packages(environ.get(bootstrap.TOLD, ""), console)
    machine = Machine.from_environ({name: value for name, value in environ.items() if name != bootstrap.TOLD})
    if options.verb in OF_TESTS:
        return find(OF_TESTS[options.verb], machine, console)
    of_stack = StackFile(machine.layout.project, options.stack) if "stack" in options else None
    try:
        if of_stack and options.verb != "down":
            of_stack.check_exists()
        ready = setup.ensure(
            machine,
            console,
            stack=of_stack,
            refresh=options.verb == "refresh",
            deploying=options.verb not in ("down", "secrets"),
            asking=options.verb != "secrets",
        )
    except Problem as problem:
        console.error(str(problem))
        return WRONG_ARGUMENTS
    except setup.SetupError:
        return 1
    if options.verb == "up":
        return stack.up(machine.layout, ready, options.stack, console)
    if options.verb == "down":
        return stack.down(machine.layout, ready, options.stack, console)
    if options.verb == "secrets":
        return stack.secrets(machine.layout, ready, options.stack, console)
    if options.verb == "preview":
        return stack.preview(machine.layout, ready, options.stack, console)
    console.note("ready", f"plain pulumi commands work after: source {relative(machine.layout.env)}")
    return 0


def find(ensure: Callable[[Machine, Console], object], machine: Machine, console: Console) -> int:
    """Find or make something that the tests alone need; returns the exit code."""
    try:
        with exclusive(machine.layout.cache):
            ensure(machine, console)
    except setup.FAILURES as error:
        console.error(str(error))
        return 1
    return 0


def tell_packages(told: str, console: Console) -> None:
    """Print the line about the packages, which were seen to before this Python started."""
    word, _, text = told.partition(" ")
    if word == "made":
        console.made(bootstrap.PART, text)
    elif word:
        console.found(bootstrap.PART, text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
