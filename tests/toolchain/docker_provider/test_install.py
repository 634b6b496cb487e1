import os
from pathlib import Path

import pytest

from toolchain.docker_provider.install import install_command, launcher, lay_out


def test_lays_out_an_executable(tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    folder = lay_out(tmp_path / "plugin", python)
    (executable,) = folder.iterdir()
    assert executable.name == "pulumi-resource-docker"
    assert os.access(executable, os.X_OK)
    assert executable.read_text().splitlines()[0] == f"#!{python}"
    assert repr(str(Path(__file__).resolve().parents[3])) in executable.read_text()


def test_laying_out_again_changes_nothing(tmp_path):
    first = (lay_out(tmp_path, Path("/p")) / "pulumi-resource-docker").read_text()
    assert (lay_out(tmp_path, Path("/p")) / "pulumi-resource-docker").read_text() == first


@pytest.mark.parametrize("python", [Path("/a folder/python"), Path("/" + "long/" * 30 + "python")])
def test_a_path_too_odd_for_a_first_line_goes_through_the_shell(python):
    text = launcher(python, Path("/root"))
    assert text.startswith("#!/bin/sh\n")
    assert f"'{python}'" in text
    compile(text, "launcher", "exec")


def test_the_command_installs_the_version_that_the_sdk_asks_for():
    assert install_command("pulumi", Path("/d")) == (
        "pulumi", "plugin", "install", "resource", "docker", "5.2.0", "--file", "/d", "--reinstall",
    )  # fmt: skip
