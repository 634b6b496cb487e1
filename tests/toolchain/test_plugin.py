"""Which docker plugin is taken, and where the stand-in goes."""

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain import plugin
from toolchain.console import Console
from toolchain.docker_provider import VERSION
from toolchain.docker_provider.install import EXECUTABLE
from toolchain.engine import Engine
from toolchain.environment import resolved
from toolchain.layout import PROJECT, Layout
from toolchain.machine import Machine
from toolchain.plugin import Plugin, installed, settings, ways
from toolchain.state import Login

USERS = f"{installed(Path('/home/user/.pulumi'))}/{EXECUTABLE}"
OTHER = f"{installed(Path('/other'))}/{EXECUTABLE}"
OURS = f"{installed(Path('/project/.toolchain/pulumi'))}/{EXECUTABLE}"
PARTIAL = f"{installed(Path('/home/user/.pulumi'))}.partial"
OVERRIDE = {"HOME": "/home/user", "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES": ".*=https://company"}


@pytest.mark.parametrize(
    ("machine", "taken"),
    [
        (ChosenMachine(programs={EXECUTABLE: "/usr/bin/x"}, files=frozenset({USERS, OURS})), "path"),
        (ChosenMachine(files=frozenset({USERS, OURS}), online=True), "home"),
        (ChosenMachine(files=frozenset({USERS, PARTIAL})), "stand-in"),
        (ChosenMachine({"HOME": "/home/user", "PULUMI_HOME": "/other"}, files=frozenset({OTHER})), "home"),
        (ChosenMachine({"HOME": "/home/user", "PULUMI_HOME": "/other"}, files=frozenset({USERS})), "stand-in"),
        (ChosenMachine(files=frozenset({OURS}), online=True), "chosen"),
        (ChosenMachine(online=True), "vendor"),
        (ChosenMachine(OVERRIDE), "vendor"),
        (ChosenMachine(), "stand-in"),
    ],
)
def test_the_vendors_wins_where_it_can_be_had(machine: Machine, taken: str) -> None:
    assert next(way.name for way in ways(machine) if not way.obstacle) == taken


@pytest.mark.parametrize(
    ("users", "found", "login", "expected"),
    [
        ({}, Plugin(Path("/home/user/.pulumi"), stand_in=False), None, {}),
        ({}, Plugin(None, stand_in=False), Login("x", "y", Path("/cred")), {}),
        ({}, Plugin(Path("/x"), stand_in=True), None, {"PULUMI_HOME": "/project/.toolchain/pulumi"}),
        (
            {"PULUMI_HOME": "/other"},
            Plugin(Path("/x"), stand_in=True),
            Login("x", "y", Path("/cred")),
            {"PULUMI_HOME": "/project/.toolchain/pulumi", "PULUMI_CREDENTIALS_PATH": "/cred"},
        ),
        (
            {"PULUMI_CREDENTIALS_PATH": "/mine"},
            Plugin(Path("/x"), stand_in=True),
            Login("x", "y", Path("/mine")),
            {"PULUMI_HOME": "/project/.toolchain/pulumi", "PULUMI_CREDENTIALS_PATH": "/mine"},
        ),
    ],
)
def test_pulumi_is_pointed_at_the_stand_in_alone(
    users: dict[str, str], found: Plugin, login: Login | None, expected: dict[str, str]
) -> None:
    machine = ChosenMachine(users)
    environ = resolved(users, machine.layout, settings(machine, found, login))
    assert {name: value for name, value in environ.items() if name.startswith("PULUMI_")} == expected


@pytest.mark.e2e
def test_the_stand_in_is_installed_for_the_project_and_never_for_the_user(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".pulumi").mkdir(parents=True)
    folder = Layout(tmp_path / "a check out", tmp_path / "cache")
    folder.folder.mkdir(parents=True)
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "PULUMI_HOME": str(home / ".pulumi")}
    machine = Unconnected(environ, folder)
    command = shutil.which("pulumi")
    assert command
    engine = Engine(Path(command), "3.250.0", own=False)
    said = io.StringIO()
    first = plugin.ensure(machine, engine, Console(said, {}))
    again = plugin.ensure(machine, engine, Console(said, {}))
    assert first == again == Plugin(folder.pulumi_home, stand_in=True)
    stand_in = f"docker {VERSION}, the project's stand-in"
    assert said.getvalue().splitlines()[1:] == [
        f"plugin         made: {stand_in}, as the vendor's is out of reach, {installed(folder.pulumi_home)}",
        f"plugin         found: {stand_in}, {installed(folder.pulumi_home)}",
    ]
    assert list((home / ".pulumi").rglob("*")) == []
    listed = subprocess.run(
        [command, "plugin", "ls", "--json"],
        env=resolved(environ, folder, settings(machine, again, None)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert VERSION in listed.stdout
    plugin.forget_choice(machine)
    assert not plugin.is_whole(machine, folder.pulumi_home)


class Unconnected(Machine):
    """This machine, with the vendor's server out of reach."""

    def reachable(self, url: str) -> str:
        return f"{url} cannot be reached"


def test_the_stand_in_is_of_the_version_that_the_sdk_asks_for() -> None:
    assert f"\npulumi-docker=={VERSION} " in (PROJECT / "requirements.lock").read_text()
