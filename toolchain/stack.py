"""Pulumi's commands on a stack of the project, and the trial of its services."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from components.stack_file import NAMESPACE
from toolchain import locks, state
from toolchain.console import Console
from toolchain.layout import Layout
from toolchain.setup import Setup

NO_SUCH_STACK = "no stack named"
FREELY_CHANGED = "dev"


def up(layout: Layout, setup: Setup, stack: str, console: Console) -> int:
    """Deploy, then try the services; returns the exit code of the first command that fails, or 0."""
    code = select(layout, setup, stack, console)
    if code == 0:
        code = call(layout, setup, "up", "--stack", stack, *confirmation(stack, sys.stdin.isatty()))
    if code == 0:
        code = wait_for([str(layout.python), "-m", "scoring", "test", "--stack", stack], layout, setup)
    return code


def preview(layout: Layout, setup: Setup, stack: str, console: Console) -> int:
    """Show what a deployment would change; returns Pulumi's exit code."""
    return select(layout, setup, stack, console) or call(layout, setup, "preview", "--stack", stack)


def secrets(layout: Layout, setup: Setup, stack: str, console: Console) -> int:
    """Make the keys and the certificate that the stack lacks; returns the first exit code that is not 0."""
    command = [str(layout.python), "-m", "scoring", "secrets", "--stack", stack]
    return select(layout, setup, stack, console) or wait_for(command, layout, setup)


def down(layout: Layout, setup: Setup, stack: str, console: Console) -> int:
    """Destroy; returns Pulumi's exit code, and 0 where there is no such stack."""
    release(layout, setup, stack, console)
    found = subprocess.run(
        [setup.pulumi, "stack", "select", stack, "--non-interactive"],
        env=setup.environ,
        cwd=layout.project,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode and NO_SUCH_STACK in found.stderr:
        console.note("stack", f"there is no stack {stack}, hence nothing to take down")
        return 0
    if found.returncode:
        console.error(found.stderr.strip().removeprefix("error: "))
        return found.returncode
    return call(layout, setup, "destroy", "--stack", stack, *confirmation(stack, sys.stdin.isatty()))


def select(layout: Layout, setup: Setup, stack: str, console: Console) -> int:
    """Select the stack, so that plain commands work on it, or create it."""
    release(layout, setup, stack, console)
    if setup.own_passphrase and state.forget_salt(layout, stack, NAMESPACE):
        console.note("stack", f"dropped the salt of another passphrase from stacks/Pulumi.{stack}.yaml")
    return call(layout, setup, "stack", "select", "--create", stack)


def release(layout: Layout, setup: Setup, stack: str, console: Console) -> None:
    """Mend what a pulumi that was killed left behind, and give back its lock: the next one would refuse to go on."""
    for path in locks.cut_short(setup.environ, NAMESPACE, stack):
        path.unlink(missing_ok=True)
        console.note("stack", f"removed {path}, which a killed pulumi left half-written; the state itself is whole")
    gone = locks.left_behind(setup.environ, NAMESPACE, stack)
    if gone:
        console.note("stack", f"gave back its lock, held by a pulumi that was killed (pid {', '.join(map(str, gone))})")
        call(layout, setup, "cancel", "--yes", "--stack", stack)


def confirmation(stack: str, terminal: bool) -> Sequence[str]:
    """Whether Pulumi asks before it changes something: not for dev, and not where there is nobody to ask."""
    return ("--yes",) if stack == FREELY_CHANGED or not terminal else ()


def call(layout: Layout, setup: Setup, *words: str) -> int:
    """Run a pulumi command on the terminal as it is; returns its exit code."""
    return wait_for([str(setup.pulumi), *words], layout, setup)


def wait_for(command: Sequence[str | Path], layout: Layout, setup: Setup) -> int:
    """Run a command with the toolchain's environment; returns its exit code.

    An interrupt reaches the command as well, which ends in its own way: Pulumi finishes the step that it is at.
    """
    sys.stdout.flush()
    process = subprocess.Popen(command, env=setup.environ, cwd=layout.project)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue
