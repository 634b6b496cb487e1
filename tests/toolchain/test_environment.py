"""The file to source says the same as the environment of the commands, in any shell, any number of times."""

import os
import subprocess
from pathlib import Path

import pytest

from toolchain.environment import Setting, resolved, text_of, write
from toolchain.layout import Layout
from toolchain.machine import OWN_NAMES, users_environ

SETTINGS = (
    Setting("TEST_PLAIN", 'it\'s a "value" with $signs and `ticks`'),
    Setting("TEST_FILE", "/a file", ("TEST_LOGIN",), ("TEST_PASSPHRASE",)),
    Setting("TEST_LOGIN", "file:///here", ("TEST_LOGIN",)),
)


@pytest.fixture(params=["checkout", "a check out", "it's a check-out", "größe & co"])
def layout(request: pytest.FixtureRequest, tmp_path: Path) -> Layout:
    project = tmp_path / request.param
    (project / ".toolchain").mkdir(parents=True)
    return Layout(project, tmp_path / "cache")


def sourced(shell: str, layout: Layout, times: int, environ: dict[str, str]) -> dict[str, str]:
    script = "set -eu\n" + '. "$1"\n' * times + "env -0"
    done = subprocess.run([shell, "-c", script, "sh", layout.env], env=environ, capture_output=True, check=True)
    found = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
    return {name: value for name, value in found.items() if name not in ("_", "SHLVL", "PWD", "OLDPWD")}


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    "users",
    [
        {},
        {"TEST_LOGIN": "https://mine"},
        {"TEST_LOGIN": ""},
        {"TEST_PASSPHRASE": ""},
        {"TEST_PLAIN": "overridden"},
    ],
)
def test_shells_agree_with_python(shell: str, times: int, users: dict[str, str], layout: Layout) -> None:
    environ = {"PATH": os.environ["PATH"], **users}
    write(layout, SETTINGS)
    assert sourced(shell, layout, times, environ) == resolved(environ, layout, SETTINGS)


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        ({}, {"TEST_FILE": "/a file", "TEST_LOGIN": "file:///here"}),
        ({"TEST_LOGIN": "https://mine"}, {"TEST_LOGIN": "https://mine"}),
        ({"TEST_LOGIN": ""}, {"TEST_FILE": "/a file", "TEST_LOGIN": "file:///here"}),
        ({"TEST_PASSPHRASE": ""}, {"TEST_PASSPHRASE": "", "TEST_LOGIN": "file:///here"}),
    ],
)
def test_the_users_own_settings_win(users: dict[str, str], expected: dict[str, str], layout: Layout) -> None:
    found = resolved(users, layout, SETTINGS[1:])
    assert {name: value for name, value in found.items() if name.startswith("TEST_")} == expected


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_setting_that_is_no_longer_needed_goes_when_sourced_again(shell: str, layout: Layout) -> None:
    environ = {"PATH": os.environ["PATH"], "TEST_LOGIN": "https://mine"}
    write(layout, SETTINGS)
    before = sourced(shell, layout, 1, environ)
    assert before["TEST_PLAIN"]
    write(layout, ())
    after = sourced(shell, layout, 1, before)
    assert {name for name in after if name.startswith("TEST_")} == {"TEST_LOGIN"}


def test_the_toolchain_tells_the_users_settings_from_its_own(layout: Layout) -> None:
    environ = {"PATH": "/usr/bin:/bin", "TEST_PASSPHRASE": "mine", "HOME": "/home/user"}
    write(layout, SETTINGS)
    found = resolved(environ, layout, SETTINGS)
    assert found[OWN_NAMES] == "TEST_PLAIN TEST_LOGIN"
    assert users_environ(found, layout) == environ


def test_the_environments_python_is_the_first_on_path_then_the_made_programs(layout: Layout) -> None:
    path = resolved({"PATH": "/usr/bin"}, layout, ())["PATH"].split(os.pathsep)
    assert path == [str(layout.venv / "bin"), str(layout.bin), "/usr/bin"]


def test_an_unchanged_file_is_left_alone(layout: Layout) -> None:
    write(layout, SETTINGS)
    os.utime(layout.env, (1, 1))
    write(layout, SETTINGS)
    assert layout.env.stat().st_mtime == 1
    write(layout, SETTINGS[:1])
    assert layout.env.read_text() == text_of(layout, SETTINGS[:1])
