"""A registry of images for the tests: Debian's `docker-registry`, unpacked and not installed: nothing starts it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from toolchain import apt
from toolchain.console import Console
from toolchain.layout import exclusive
from toolchain.machine import Machine, run
from toolchain.step import Way, first_that_works

PART = "registry"
PROGRAM = "docker-registry"
FIX = f"Put Debian's {PROGRAM}, or a program of that name from github.com/distribution/distribution, on PATH."


def unpacked(machine: Machine) -> Path:
    """Where the program lies once it is unpacked, for all checkouts."""
    return machine.layout.programs(PROGRAM, "debian") / PROGRAM


def ways(machine: Machine) -> Iterator[Way]:
    """How to come by the program."""
    found = machine.which(PROGRAM)
    yield Way("there", f"{PROGRAM} on PATH", "" if found else "not there", str(found))
    own = unpacked(machine)
    yield Way("there", f"the one unpacked earlier, {own}", "" if machine.exists(own) else "not there", str(own))
    yield Way("unpack", f"apt-get download {PROGRAM}", apt.obstacle_to_download(machine))


def ensure(machine: Machine, console: Console) -> Path:
    """Find the program or unpack Debian's.

    Raises:
        StepError: it cannot be had.
    """

    def there(way: Way) -> Path:
        console.found(PART, way.value)
        return Path(way.value)

    def unpack(_: Way) -> Path:
        with console.activity(PART, f"unpacking Debian's {PROGRAM}"):
            program = make(machine)
        console.made(PART, f"Debian's {PROGRAM}, {program}")
        return program

    with exclusive(unpacked(machine).parent):
        return first_that_works(f"the {PART}", ways(machine), {"there": there, "unpack": unpack}, FIX)[0]


def make(machine: Machine) -> Path:
    """Download Debian's package and take the program out of it.

    Raises:
        Unavailable: apt-get or dpkg fails.
    """
    target = unpacked(machine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = apt.download(machine, PROGRAM, folder)
        run(["dpkg", "-x", package, folder / "content"], environ=machine.environ, timeout=60)
        partial = target.with_suffix(".partial")
        shutil.copy2(folder / "content" / "usr" / "bin" / PROGRAM, partial)
        partial.replace(target)
    return target
