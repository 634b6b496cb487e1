"""The programs that the tests run besides those of the project, for instance to start a Docker daemon of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toolchain import apt, daemon
from toolchain.console import Console
from toolchain.machine import Machine
from toolchain.step import Unavailable, Way, first_that_works

PART = "test tools"
PACKAGES = {
    "dockerd": daemon.PACKAGES,
    "git": ("git",),
    "ip": ("iproute2",),
    "mmdebstrap": ("mmdebstrap",),
    "mount": ("mount",),
    "openssl": ("openssl",),
    "setpriv": ("util-linux",),
    "unshare": ("util-linux",),
}
"""Debian's packages, by the program that the tests run out of them."""


def missing(machine: Machine) -> list[str]:
    """The programs that are not there."""
    return [program for program in PACKAGES if machine.which(program) is None]


def packages_of(programs: Sequence[str]) -> list[str]:
    """The packages that bring these programs, each once."""
    return list(dict.fromkeys(package for program in programs for package in PACKAGES[program]))


def ways(machine: Machine) -> Iterator[Way]:
    """How to come by them: they are there, or are installed."""
    lacking = missing(machine)
    there = f"there is no {' and no '.join(lacking)}" if lacking else ""
    yield Way("path", f"{', '.join(PACKAGES)} on PATH", there)
    yield Way("apt", f"apt-get install {' '.join(packages_of(lacking))}", apt.obstacle(machine))


def ensure(machine: Machine, console: Console) -> None:
    """Find the programs, or install those that are missing; say what else the tests want of this machine.

    Raises:
        StepError: neither works.
    """
    lacking = missing(machine)

    def install(_: Way) -> None:
        with console.activity(PART, f"installing {', '.join(lacking)}"):
            apt.install(machine, packages_of(lacking))
        if still := missing(machine):
            raise Unavailable(f"there is no {' and no '.join(still)} even so")

    fix = f"Install them, out of Debian's {' '.join(packages_of(lacking))}, and have them on PATH."
    _, attempts = first_that_works(f"the {PART}", ways(machine), {"path": lambda _: None, "apt": install}, fix)
    tell = console.made if attempts else console.found
    tell(PART, ", ".join(lacking if attempts else PACKAGES))
    if not machine.is_root():
        console.note(PART, "tests that start a Docker daemon of their own fail, as that takes root")
