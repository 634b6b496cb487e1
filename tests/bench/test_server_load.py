"""The load generator: found, or installed where that can be done."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.server.load import find_wrk
from tests.toolchain.machines import ChosenMachine
from toolchain import apt
from toolchain.machine import Machine
from toolchain.step import Unavailable


def test_the_one_on_path_is_taken() -> None:
    assert find_wrk(ChosenMachine(programs={"wrk": "/opt/bin/wrk"})) == Path("/opt/bin/wrk")


def test_without_root_it_is_said_what_to_do() -> None:
    with pytest.raises(Unavailable, match="wrk is not on PATH, and it takes root; install it"):
        find_wrk(ChosenMachine(programs={"apt-get": "/usr/bin/apt-get"}))


def test_root_has_it_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {"apt-get": "/usr/bin/apt-get"}

    def install(machine: Machine, packages: Sequence[str], optional: Sequence[str] = ()) -> None:
        programs.update({name: f"/usr/bin/{name}" for name in packages})

    monkeypatch.setattr(apt, "install", install)
    assert find_wrk(ChosenMachine(programs=programs, root=True)) == Path("/usr/bin/wrk")
