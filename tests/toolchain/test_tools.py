"""The programs that the tests run: found, or installed out of Debian's packages."""

import io
import os
import subprocess
from collections.abc import Sequence

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain import apt, cli, daemon, tools
from toolchain.console import Console
from toolchain.layout import PROJECT
from toolchain.step import StepError, Unavailable

ALL = {program: f"/usr/bin/{program}" for program in tools.PACKAGES}
WITHOUT_TWO = {program: path for program, path in ALL.items() if program not in ("ip", "mmdebstrap")}
APT = {"apt-get": "/usr/bin/apt-get"}


def said(machine: ChosenMachine) -> str:
    stream = io.StringIO()
    tools.ensure(machine, Console(stream, {}))
    return stream.getvalue()


def test_what_is_there_is_found() -> None:
    assert said(ChosenMachine(programs=ALL, root=True)) == f"test tools     found: {', '.join(tools.PACKAGES)}\n"


def test_another_user_than_root_is_told_what_will_fail() -> None:
    assert said(ChosenMachine(programs=ALL)).endswith(
        "test tools     tests that start a Docker daemon of their own fail, as that takes root\n"
    )


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What apt is asked to install; it brings what is missing."""
    seen: list[Sequence[str]] = []

    def install(machine: ChosenMachine, packages: Sequence[str], optional: Sequence[str] = ()) -> None:
        seen.append(packages)
        machine.programs.update(ALL)  # type: ignore[attr-defined] # a dict

    monkeypatch.setattr(apt, "install", install)
    return seen


def test_what_is_missing_is_installed_and_nothing_else(installed: list[Sequence[str]]) -> None:
    machine = ChosenMachine(programs={**WITHOUT_TWO, **APT}, root=True)
    assert said(machine).splitlines()[-1] == "test tools     made: ip, mmdebstrap"
    assert installed == [["iproute2", "mmdebstrap"]]
    assert said(machine).startswith("test tools     found: ")
    assert len(installed) == 1


def test_a_daemon_comes_with_all_that_it_needs(installed: list[Sequence[str]]) -> None:
    said(ChosenMachine(programs={**APT}, root=True))
    assert set(daemon.PACKAGES) < set(installed[-1])


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (ChosenMachine(programs={**WITHOUT_TWO, **APT}), "it takes root"),
        (ChosenMachine(programs=WITHOUT_TWO, root=True), "this machine has no apt-get"),
    ],
)
def test_what_cannot_be_installed_is_an_error_that_names_it(machine: ChosenMachine, why: str) -> None:
    with pytest.raises(StepError) as error:
        said(machine)
    assert "on PATH: there is no ip and no mmdebstrap" in str(error.value)
    assert f"tried apt-get install iproute2 mmdebstrap: {why}" in str(error.value)
    assert "Install them, out of Debian's iproute2 mmdebstrap, and have them on PATH." in str(error.value)


def test_packages_that_do_not_bring_them_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "install", lambda machine, packages: None)
    with pytest.raises(StepError, match="there is no ip and no mmdebstrap even so"):
        said(ChosenMachine(programs={**WITHOUT_TWO, **APT}, root=True))


def test_a_failing_apt_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(machine: object, packages: object) -> None:
        raise Unavailable("apt-get failed: no space")

    monkeypatch.setattr(apt, "install", fail)
    with pytest.raises(StepError, match="apt-get install iproute2 mmdebstrap: apt-get failed: no space"):
        said(ChosenMachine(programs={**WITHOUT_TWO, **APT}, root=True))


def test_the_tests_get_their_programs_before_they_run() -> None:
    planned = subprocess.run(["make", "-n", "test"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert 0 < planned.index("-m toolchain tools") < planned.index("-m pytest")


def test_the_verb_finds_those_of_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tools"], os.environ) == 0
    assert "test tools     found: " in capsys.readouterr().out
