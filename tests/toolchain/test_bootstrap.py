"""What is read from the lock and from pip, and when the virtual environment is made anew."""

import io
import json
import platform
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.toolchain.machines import ChosenMachine
from toolchain import bootstrap
from toolchain.__main__ import too_old
from toolchain.bootstrap import (
    LOCK,
    STAMP,
    parse_pip_configuration,
    public,
    read_stamp,
    requirement,
    requirement_names,
    settings,
    uv_settings,
)
from toolchain.console import Console
from toolchain.layout import PROJECT, Layout

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = """\
uv==0.9.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via model-webservice (pyproject.toml)
uvloop==0.22.0 ; sys_platform != 'win32' \\
    --hash=sha256:cc
numpy==2.2.0 ; python_full_version < '3.11' \\
    --hash=sha256:dd
numpy==2.4.0 ; python_full_version >= '3.11' \\
    --hash=sha256:ee
"""


def test_one_package_is_taken_out_of_a_lock() -> None:
    assert requirement(TEXT, "uv") == "uv==0.9.1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb"
    assert requirement_names(TEXT) == ["numpy", "uv", "uvloop"]
    with pytest.raises(ValueError, match=r"has no pip; regenerate it: make lock"):
        requirement(TEXT, "pip")


@pytest.mark.parametrize("name", [LOCK, "toolchain/go.lock"])
def test_the_locks_pin_with_hashes_and_name_no_host(name: str) -> None:
    text = (PROJECT / name).read_text()
    assert not re.search(r"https?:|index-url|find-links|[a-z]+\.(org|com|io|net|local)\b", text)
    pins = re.findall(r"^[A-Za-z0-9._-]+==.*\n(?:    --hash=sha256:[0-9a-f]{64}.*\n)+", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\S", text, re.MULTILINE))


def declared() -> list[Requirement]:
    content = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    return [Requirement(text) for text in (*content["project"]["dependencies"], *content["dependency-groups"]["dev"])]


@pytest.mark.parametrize("wanted", declared(), ids=str)
def test_the_lock_has_what_the_project_declares(wanted: Requirement) -> None:
    name = wanted.name.lower().replace("_", "-")
    pins = re.findall(rf"^{re.escape(name)}==(\S+)", (PROJECT / LOCK).read_text(), re.MULTILINE)
    assert pins, "run: make lock"
    assert all(wanted.specifier.contains(Version(pin), prereleases=True) for pin in pins)


def test_pips_settings_are_ranked_as_pip_ranks_them() -> None:
    text = (
        "global.cert='/company.pem'\nglobal.index-url='https://global'\n:env:.index-url='https://env'\n"
        "install.extra-index-url='https://a https://b'\nlist.format='columns'\n:env:.find-links='/opt/wheels'\n"
    )
    assert parse_pip_configuration(text) == {
        "cert": "/company.pem",
        "index-url": "https://env",
        "extra-index-url": "https://a https://b",
        "find-links": "/opt/wheels",
    }


@pytest.mark.parametrize(
    ("pip", "environ", "expected"),
    [
        ({}, {}, {}),
        ({"index-url": "https://company"}, {}, {"UV_DEFAULT_INDEX": "https://company"}),
        ({"index-url": "https://company"}, {"UV_INDEX_URL": "https://mine"}, {}),
        ({"index-url": "https://company"}, {"UV_DEFAULT_INDEX": "https://mine"}, {}),
        ({"extra-index-url": "\nhttps://a\nhttps://b"}, {}, {"UV_INDEX": "https://a https://b"}),
        ({"cert": "/company.pem"}, {}, {"SSL_CERT_FILE": "/company.pem"}),
        ({"cert": "/company.pem"}, {"SSL_CERT_FILE": "/mine.pem"}, {}),
    ],
)
def test_uv_uses_the_index_that_pip_uses(
    pip: dict[str, str], environ: dict[str, str], expected: dict[str, str]
) -> None:
    assert uv_settings(pip, environ) == expected


def test_an_index_with_a_password_is_not_written_down(tmp_path: Path) -> None:
    told = {"UV_DEFAULT_INDEX": "https://me:word@company/simple", "SSL_CERT_FILE": "/company.pem"}
    assert public(told) == {"SSL_CERT_FILE": "/company.pem"}
    layout = Layout(tmp_path, tmp_path)
    layout.venv.mkdir(parents=True)
    (layout.venv / STAMP).write_text(json.dumps({"settings": public(told)}))
    assert [(setting.name, setting.value) for setting in settings(layout)] == [("SSL_CERT_FILE", "/company.pem")]


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_an_unreadable_stamp_says_nothing(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / STAMP).write_text(content)
    assert read_stamp(tmp_path / STAMP) == {}


@pytest.mark.parametrize(
    ("changed", "done"),
    [({}, False), ({"lock": "other"}, True), ({"python": "3.9.0 /usr"}, True), ({"venv": "/x"}, True)],
)
def test_the_environment_is_brought_up_to_date_when_lock_python_or_place_change(
    changed: dict[str, str], done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = ChosenMachine(layout=Layout(tmp_path, tmp_path))
    layout = machine.layout
    (tmp_path / LOCK).write_text(TEXT)
    layout.python.parent.mkdir(parents=True)
    layout.python.write_text("")
    installed: list[str] = []
    monkeypatch.setattr(bootstrap, "fits", lambda layout, wanted: True)
    monkeypatch.setattr(bootstrap, "pip_configuration", lambda layout, environ: {})
    monkeypatch.setattr(bootstrap, "install_uv", lambda layout, lock, environ: installed.append("uv"))
    monkeypatch.setattr(bootstrap, "install_packages", lambda layout, environ: installed.append("packages"))
    console = Console(io.StringIO(), {})
    text, made = bootstrap.ensure(machine, console)
    assert made
    assert text == f"3 locked, Python {platform.python_version()}, {layout.venv}"
    stamp = json.loads((layout.venv / STAMP).read_text())
    (layout.venv / STAMP).write_text(json.dumps({**stamp, **changed}))
    installed.clear()
    assert bootstrap.ensure(machine, console) == (text, done)
    assert installed == (["uv", "packages"] if done else [])


@pytest.mark.parametrize(
    ("version", "there", "expected"),
    [
        ((3, 10, 0), [], ""),
        ((3, 14, 2), [], ""),
        ((3, 9, 18), ["python3.12", "python3.10"], "error: this is Python 3.9.18, .* make PYTHON=python3.12 up"),
        ((3, 6, 15), [], "error: this is Python 3.6.15, and the project needs 3.10 or newer. Install one"),
    ],
)
def test_an_old_python_is_told_what_to_do(version: tuple[int, int, int], there: list[str], expected: str) -> None:
    explanation = too_old(version, lambda name: name if name in there else None)
    assert re.match(expected, explanation) if expected else explanation == ""


def test_only_a_working_environment_of_the_same_python_fits(tmp_path: Path) -> None:
    layout = Layout(tmp_path, tmp_path)
    assert not bootstrap.fits(layout, bootstrap.this_python())
    layout.folder.mkdir()
    layout.venv.symlink_to(sys.prefix)
    assert bootstrap.fits(layout, bootstrap.this_python())
    assert not bootstrap.fits(layout, "2.7.18 /nowhere")


@pytest.mark.parametrize(("given", "compiled"), [({}, False), ({bootstrap.NO_BYTECODE: "1"}, True)])
def test_all_is_compiled_where_python_keeps_nothing_compiled(
    given: dict[str, str], compiled: bool, tmp_path: Path
) -> None:
    layout = Layout(tmp_path, tmp_path / "cache")
    uv = layout.venv / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text('#!/bin/sh\necho "$*" > "$RECORD"\n')
    uv.chmod(0o755)
    record = tmp_path / "record"
    bootstrap.install_packages(layout, {"PATH": "/usr/bin:/bin", "RECORD": str(record), **given})
    assert ("--compile-bytecode" in record.read_text()) == compiled
