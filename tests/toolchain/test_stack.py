"""The pulumi commands that the verbs run, seen by a pulumi that writes them down."""

import io
import json
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from toolchain import stack
from toolchain.cleaning import clean
from toolchain.console import Console
from toolchain.layout import PROJECT, Layout
from toolchain.setup import Setup
from toolchain.state import file_address

RECORDER = """#!/bin/sh
echo "$(basename "$0") $*" >> "$RECORD"
case "$*" in $FAILING) echo "error: $REASON" >&2; exit 7 ;; esac
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path, tmp_path / "cache")
    layout.python.parent.mkdir(parents=True)
    for program in (tmp_path / "pulumi", layout.python):
        program.write_text(RECORDER)
        program.chmod(0o755)
    return layout


def setup_for(layout: Layout, failing: str = "nothing", reason: str = "") -> Setup:
    record = str(layout.project / "record")
    environ = {"PATH": "/usr/bin:/bin", "RECORD": record, "FAILING": failing, "REASON": reason}
    return Setup(layout.project / "pulumi", environ, own_passphrase=True)


def recorded(layout: Layout) -> list[str]:
    return (layout.project / "record").read_text().splitlines()


def console() -> Console:
    return Console(io.StringIO(), {})


def test_up_selects_deploys_and_tries_the_services(layout: Layout) -> None:
    assert stack.up(layout, setup_for(layout), "dev", console()) == 0
    assert recorded(layout) == [
        "pulumi stack select --create dev",
        "pulumi up --stack dev --yes",
        "python -m scoring test --stack dev",
    ]


def test_secrets_are_made_for_a_stack_that_is_there(layout: Layout) -> None:
    assert stack.secrets(layout, setup_for(layout), "staging", console()) == 0
    assert recorded(layout) == [
        "pulumi stack select --create staging",
        "python -m scoring secrets --stack staging",
    ]


@pytest.mark.parametrize(("failing", "last"), [("stack*", "pulumi stack"), ("up*", "pulumi up"), ("-m*", "python -m")])
def test_the_first_failure_ends_it_with_its_exit_code(failing: str, last: str, layout: Layout) -> None:
    assert stack.up(layout, setup_for(layout, failing), "dev", console()) == 7
    assert recorded(layout)[-1].startswith(last)


def test_the_lock_of_a_killed_pulumi_is_given_back(layout: Layout) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    folder = layout.state / "locks/organization" / stack.NAMESPACE / "dev"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({"pid": ended.pid, "hostname": socket.gethostname()}))
    setup = setup_for(layout)
    setup = replace(setup, environ={**setup.environ, "PULUMI_BACKEND_URL": layout.project.as_uri()})
    stream = io.StringIO()
    assert stack.down(layout, setup, "dev", Console(stream, {})) == 0
    assert recorded(layout) == [
        "pulumi cancel --yes --stack dev",
        "pulumi stack select dev --non-interactive",
        "pulumi destroy --stack dev --yes",
    ]
    assert f"a pulumi that was killed (pid {ended.pid})" in stream.getvalue()


def test_attributes_that_a_killed_pulumi_cut_short_are_removed(layout: Layout) -> None:
    attributes = layout.state / "stacks" / stack.NAMESPACE / "dev.json.attrs"
    attributes.parent.mkdir(parents=True)
    attributes.touch()
    setup = setup_for(layout)
    setup = replace(setup, environ={**setup.environ, "PULUMI_BACKEND_URL": file_address(layout.project)})
    stream = io.StringIO()
    assert stack.preview(layout, setup, "dev", Console(stream, {})) == 0
    assert not attributes.exists()
    assert f"removed {attributes}, which a killed pulumi left half-written" in stream.getvalue()


def test_preview_and_down(layout: Layout) -> None:
    assert stack.preview(layout, setup_for(layout), "prod", console()) == 0
    assert stack.down(layout, setup_for(layout), "dev", console()) == 0
    assert recorded(layout) == [
        "pulumi stack select --create prod",
        "pulumi preview --stack prod",
        "pulumi stack select dev --non-interactive",
        "pulumi destroy --stack dev --yes",
    ]


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        ("no stack named 'dev' found", 0, "stack          there is no stack dev, hence nothing to take down\n"),
        ("incorrect passphrase", 7, "error: incorrect passphrase\n"),
    ],
)
def test_taking_down_what_is_not_there_is_no_failure(reason: str, code: int, said: str, layout: Layout) -> None:
    stream = io.StringIO()
    assert stack.down(layout, setup_for(layout, "stack*", reason), "dev", Console(stream, {})) == code
    assert stream.getvalue() == said
    assert len(recorded(layout)) == 1


@pytest.mark.parametrize(
    ("name", "terminal", "asked"),
    [("dev", True, False), ("prod", True, True), ("dev", False, False), ("prod", False, False)],
)
def test_pulumi_asks_on_a_terminal_save_for_dev(name: str, terminal: bool, asked: bool) -> None:
    assert stack.confirmation(name, terminal) == (() if asked else ("--yes",))


def test_the_projects_name() -> None:
    assert f"name: {stack.NAMESPACE}\n" in (PROJECT / "Pulumi.yaml").read_text()


def test_cleaning_keeps_the_state(layout: Layout) -> None:
    layout.state.mkdir()
    layout.cache.mkdir()
    (layout.project / ".staging" / "x").mkdir(parents=True)
    stream = io.StringIO()
    clean(layout, Console(stream, {}))
    assert not layout.folder.exists()
    assert not (layout.project / ".staging").exists()
    assert layout.state.exists()
    assert f"kept           {layout.state} (Pulumi's state), {layout.cache} (programs" in stream.getvalue()
