"""Chromium and its driver, for the tests of the service's page: the user's, or Debian's packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolchain import apt
from toolchain.console import Console
from toolchain.machine import Machine, version_in
from toolchain.step import Unavailable, Way, first_that_works

PART = "browser"
PACKAGES = ("chromium", "chromium-driver")
BROWSERS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
DRIVER = "chromedriver"
FIX = "Install Chromium or Chrome and the chromedriver of the same version, and have both on PATH."


@dataclass(frozen=True)
class Browser:
    """A browser that can be driven.

    Attributes:
        command: the browser.
        driver: its WebDriver.
        version: of both, the first number.
    """

    command: Path
    driver: Path
    version: int


def find(machine: Machine) -> Browser:
    """The browser on PATH.

    Raises:
        Unavailable: there is none, there is no driver, or their versions differ.
    """
    driver = machine.which(DRIVER)
    if driver is None:
        raise Unavailable(f"there is no {DRIVER}")
    wanted = _major(machine, driver)
    seen = []
    for command in filter(None, map(machine.which, BROWSERS)):
        try:
            version = _major(machine, command)
        except Unavailable as error:
            # Ubuntu has a command that only tells to install another package.
            seen.append(str(error))
            continue
        if version == wanted:
            return Browser(command, driver, version)
        seen.append(f"{command} is {version}, its driver {wanted}")
    raise Unavailable("; ".join(seen) or f"there is none of {', '.join(BROWSERS)}")


def ways(machine: Machine) -> Iterator[Way]:
    """How to come by a browser: it is there, or is installed."""
    yield Way("path", "the browser on PATH")
    yield Way("apt", f"installing {' and '.join(PACKAGES)}", apt.obstacle(machine))


def ensure(machine: Machine, console: Console) -> Browser:
    """Find the browser, or install it.

    Raises:
        StepError: neither works.
    """

    def install(_: Way) -> Browser:
        with console.activity(PART, f"installing {PACKAGES[0]}"):
            apt.install(machine, PACKAGES)
        return find(machine)

    actions = {"path": lambda _: find(machine), "apt": install}
    browser, attempts = first_that_works(PART, ways(machine), actions, FIX)
    tell = console.made if attempts else console.found
    tell(PART, f"Chromium {browser.version}, {browser.command}")
    return browser


def _major(machine: Machine, command: Path) -> int:
    version = version_in(machine.output([command, "--version"]))
    if not version:
        raise Unavailable(f"{command} does not say its version")
    return version[0]
