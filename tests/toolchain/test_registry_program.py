"""The tests' registry: on PATH, unpacked earlier, or Debian's."""

import io
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain import apt, registry_program
from toolchain.console import Console
from toolchain.layout import Layout
from toolchain.machine import Machine
from toolchain.step import StepError

UNPACKED = registry_program.unpacked(ChosenMachine())
APT = {"apt-get": "/usr/bin/apt-get", "dpkg": "/usr/bin/dpkg"}


@pytest.mark.parametrize(
    ("programs", "files", "root", "first"),
    [
        ({"docker-registry": "/usr/bin/docker-registry"}, frozenset(), False, "/usr/bin/docker-registry"),
        ({}, frozenset({str(UNPACKED)}), False, str(UNPACKED)),
        (APT, frozenset(), True, ""),
    ],
)
def test_the_first_way_that_is_open(programs: dict[str, str], files: frozenset[str], root: bool, first: str) -> None:
    machine = ChosenMachine(programs=programs, files=files, root=root)
    assert next(way.value for way in registry_program.ways(machine) if not way.obstacle) == first


def test_without_apt_the_error_says_what_to_do(tmp_path: Path) -> None:
    machine = ChosenMachine(layout=Layout(tmp_path, tmp_path))
    with pytest.raises(StepError, match=r"the registry is missing[^!]*this machine has no apt-get\n  Put Debian's"):
        registry_program.ensure(machine, Console(io.StringIO(), {}))


@pytest.mark.parametrize(
    ("lists", "root", "obstacle"), [(True, False, ""), (False, True, ""), (False, False, "no lists of packages")]
)
def test_root_is_needed_for_the_lists_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lists: bool, root: bool, obstacle: str
) -> None:
    monkeypatch.setattr(apt, "LISTS", tmp_path)
    if lists:
        (tmp_path / "x_Packages.lz4").touch()
    assert obstacle in apt.obstacle_to_download(ChosenMachine(programs=APT, root=root))


def test_debians_is_unpacked_once_and_runs(tmp_path: Path) -> None:
    real = Machine.from_environ({"PATH": "/usr/bin:/bin"})
    machine = replace(real, layout=Layout(tmp_path, tmp_path / "cache"))
    said = io.StringIO()
    assert (why := apt.obstacle_to_download(machine)) == "", why
    made = registry_program.make(prepared(machine))
    assert "docker-registry" in subprocess.run([made, "--version"], check=True, capture_output=True, text=True).stdout
    assert registry_program.ensure(machine, Console(said, {})) in (made, real.which("docker-registry"))
    assert "found" in said.getvalue()


def prepared(machine: Machine) -> Machine:
    """Return the machine with the folder that `ensure` would lock."""
    registry_program.unpacked(machine).parent.mkdir(parents=True)
    return machine
