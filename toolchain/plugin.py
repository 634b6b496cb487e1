"""The docker plugin of Pulumi: the vendor's, or the project's stand-in where that cannot be had."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolchain import vendor
from toolchain.console import Console
from toolchain.docker_provider import PACKAGE, VERSION
from toolchain.docker_provider.install import EXECUTABLE, install_command, lay_out
from toolchain.engine import Engine
from toolchain.environment import Setting
from toolchain.machine import Machine, run
from toolchain.state import Login, home_of
from toolchain.step import Unavailable, Way, first_that_works

PART = "plugin"
NAME = f"{PACKAGE} {VERSION}"
INSTALL_SECONDS = 600.0


@dataclass(frozen=True)
class Plugin:
    """The docker plugin.

    Attributes:
        home: the PULUMI_HOME that it is installed in; None for one on PATH.
        stand_in: whether it is the project's.
    """

    home: Path | None
    stand_in: bool


def installed(home: Path) -> Path:
    """Where Pulumi installs the plugin."""
    return home / "plugins" / f"resource-{PACKAGE}-v{VERSION}"


def ways(machine: Machine) -> Iterator[Way]:
    """How to come by the plugin: installed, the stand-in that was chosen earlier, the vendor's server, the stand-in."""
    on_path = machine.which(EXECUTABLE)
    yield Way("path", f"{EXECUTABLE} on PATH", "" if on_path else "not there", str(on_path or ""))
    home = home_of(machine.environ)
    yield Way("home", str(installed(home)), "" if is_whole(machine, home) else "not installed")
    ours = machine.layout.pulumi_home
    yield Way("chosen", str(installed(ours)), "" if is_whole(machine, ours) else "not installed")
    url = vendor.plugin(machine, PACKAGE, VERSION)
    # Pulumi can be told to download from elsewhere, so that this server does not matter.
    elsewhere = machine.environ.get("PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES")
    yield Way("vendor", f"pulumi plugin install resource {NAME}", "" if elsewhere else machine.reachable(url))
    yield Way("stand-in", "the project's stand-in")


def is_whole(machine: Machine, home: Path) -> bool:
    """Whether the plugin is installed, and not only begun: Pulumi marks that with a file beside the folder."""
    folder = installed(home)
    return machine.exists(folder / EXECUTABLE) and not machine.exists(folder.with_name(f"{folder.name}.partial"))


def ensure(machine: Machine, engine: Engine, console: Console) -> Plugin:
    """Find the plugin or install it: the vendor's into the user's PULUMI_HOME, the stand-in into one of the project's.

    Raises:
        StepError: neither can be installed.
    """
    home, ours = home_of(machine.environ), machine.layout.pulumi_home

    def by_vendor(_: Way) -> Plugin:
        with console.activity(PART, "downloading"):
            machine.output([engine.command, "plugin", "install", "resource", PACKAGE, VERSION], INSTALL_SECONDS)
        console.made(PART, f"{NAME}, the vendor's, {installed(home)}")
        return Plugin(home, stand_in=False)

    def by_stand_in(_: Way) -> Plugin:
        with console.activity(PART, "installing the stand-in"):
            install_stand_in(machine, engine)
        console.made(PART, f"{NAME}, the project's stand-in, as the vendor's is out of reach, {installed(ours)}")
        return Plugin(ours, stand_in=True)

    def by_path(way: Way) -> Plugin:
        console.found(PART, f"{NAME}, {way.value}")
        return Plugin(None, stand_in=False)

    def by_home(_: Way) -> Plugin:
        console.found(PART, f"{NAME}, {installed(home)}")
        return Plugin(home, stand_in=False)

    def by_earlier_choice(_: Way) -> Plugin:
        if stamp(machine) != read_stamp(ours):
            install_stand_in(machine, engine)
        console.found(PART, f"{NAME}, the project's stand-in, {installed(ours)}")
        return Plugin(ours, stand_in=True)

    actions = {"path": by_path, "home": by_home, "chosen": by_earlier_choice, "vendor": by_vendor}
    plugin, _ = first_that_works(
        "the docker plugin",
        ways(machine),
        {**actions, "stand-in": by_stand_in},
        f"Install it yourself: pulumi plugin install resource {NAME}",
    )
    return plugin


def install_stand_in(machine: Machine, engine: Engine) -> None:
    """Install the stand-in into the project's PULUMI_HOME, whatever the user's is.

    Raises:
        Unavailable: Pulumi refuses it.
    """
    home = machine.layout.pulumi_home
    source = lay_out(machine.layout.folder / "docker-plugin", machine.layout.python)
    environ = {**machine.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    run(install_command(str(engine.command), source), environ=environ, timeout=INSTALL_SECONDS)
    if not is_whole(machine, home):
        raise Unavailable(f"Pulumi did not install it into {installed(home)}")
    stamp_file(home).write_text(stamp(machine))


def stamp(machine: Machine) -> str:
    """What an installed stand-in depends on: it runs the checkout's code in the checkout's Python."""
    return f"{machine.layout.python}\n"


def stamp_file(home: Path) -> Path:
    """Where it is written down."""
    return home / "stand-in"


def read_stamp(home: Path) -> str:
    """What is written down, empty if nothing is."""
    try:
        return stamp_file(home).read_text()
    except OSError:
        return ""


def forget_choice(machine: Machine) -> None:
    """Remove the stand-in, so that the vendor's plugin is looked for again."""
    shutil.rmtree(installed(machine.layout.pulumi_home), ignore_errors=True)


def settings(machine: Machine, plugin: Plugin, login: Login | None) -> tuple[Setting, ...]:
    """What Pulumi has to be told to find the stand-in, and the user's login beside it; nothing for the vendor's."""
    if not plugin.stand_in:
        return ()
    home = Setting("PULUMI_HOME", str(machine.layout.pulumi_home))
    if not login:
        return (home,)
    return home, Setting("PULUMI_CREDENTIALS_PATH", str(login.credentials), ("PULUMI_CREDENTIALS_PATH",))
