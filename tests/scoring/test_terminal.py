"""Colours of the commands: on a terminal, not in a pipe or file, and not where NO_COLOR asks for none."""

import contextlib
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from components import models
from components.model_store import Registered
from scoring import models_command
from scoring.__main__ import main
from scoring.stack import PROJECT
from tests.scoring.conftest import Pulumi

ESCAPE = "\x1b["
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3|4|9|10)[0-7](?:;\d+)*m")
"""A terminal's code that sets a colour; bold and dim are none."""
RED, GREEN = f"{ESCAPE}31m", f"{ESCAPE}32m"

URI = "http://127.0.0.1:5001/score"
MODEL = Registered(
    "models/digits:1", {models.NAME: "digits", models.VERSION: "1"}, "2026-01-01T00:00:00", 1, "sha256:0"
)


@dataclass
class Terminal:
    """A pseudo-terminal that programs write to."""

    slave: int
    read: Callable[[], str]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal whose other end is read all the time, so that nobody waits for room in it."""
    master, slave = pty.openpty()
    seen: list[bytes] = []

    def collect() -> None:
        with contextlib.suppress(OSError):  # what reading gives when the last writer has closed it
            while data := os.read(master, 4096):
                seen.append(data)

    reader = threading.Thread(target=collect)
    reader.start()
    end = contextlib.ExitStack()
    end.callback(os.close, master)
    end.callback(reader.join)
    end.callback(os.close, slave)

    def read() -> str:
        end.close()
        return b"".join(seen).decode()

    yield Terminal(slave, read)
    end.close()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but the tests say which terminal it is."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def stack(pulumi: Pulumi) -> Pulumi:
    """A stack with a service that asks for keys and has no container."""
    services = {"a": {"scoringUri": URI, "style": "image", "image": "i:1"}}
    pulumi.exports({"services": services, "keys": {"a": {"primary": "k1", "secondary": "k2"}}})
    return pulumi


@contextlib.contextmanager
def on(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, *streams: str) -> Iterator[None]:
    """Let streams of this process be the terminal; others stay what pytest makes of them."""
    with contextlib.ExitStack() as files, monkeypatch.context() as patch:
        for name in streams:
            patch.setattr(sys, name, files.enter_context(os.fdopen(os.dup(terminal.slave), "w")))
        yield


def variables(pulumi: Pulumi) -> dict[str, str]:
    return {**os.environ, **pulumi.environ}


@pytest.mark.parametrize("verb", [["list"], ["show", "a"]], ids=lambda verb: verb[0])
def test_services_have_colours_on_a_terminal(
    stack: Pulumi, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    with on(terminal, monkeypatch, "stdout"):
        assert main(["service", *verb], variables(stack)) == 0
    shown = terminal.read()
    assert f"{RED}Failed" in shown
    assert URI in shown


@pytest.mark.parametrize("verb", [["list"], ["show", "a"]], ids=lambda verb: verb[0])
def test_services_have_no_colours_where_none_are_wanted(
    stack: Pulumi, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with on(terminal, monkeypatch, "stdout"):
        assert main(["service", *verb], variables(stack)) == 0
    shown = terminal.read()
    assert "Failed" in shown
    assert not COLOUR.search(shown)


def test_a_program_of_its_own_sees_its_terminal_and_its_pipe(stack: Pulumi, terminal: Terminal) -> None:
    words = [sys.executable, "-m", "scoring", "service", "list"]
    # Standard error is the terminal as it is in a shell's pipeline.
    done = subprocess.run(
        words, cwd=PROJECT, env=variables(stack), stdout=subprocess.PIPE, stderr=terminal.slave, text=True, check=True
    )
    assert "Failed" in done.stdout
    assert ESCAPE not in done.stdout
    subprocess.run(words, cwd=PROJECT, env=variables(stack), stdout=terminal.slave, check=True)
    assert f"{RED}Failed" in terminal.read()


@pytest.fixture
def one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that holds one model."""

    class Store:
        place = "the tests' store"

        def all(self) -> list[Registered]:
            return [MODEL]

    monkeypatch.setattr(models_command, "opened", lambda options: contextlib.nullcontext(Store()))


@pytest.mark.usefixtures("one_model")
@pytest.mark.parametrize(("verb", "styled"), [(["list"], f"{ESCAPE}2m"), (["show", "digits"], f"{ESCAPE}1m")])
def test_models_are_styled_on_a_terminal_alone(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: list[str],
    styled: str,
) -> None:
    with on(terminal, monkeypatch, "stdout"):
        assert main(["models", *verb], os.environ) == 0
    shown = terminal.read()
    assert "digits" in shown
    assert styled in shown
    assert main(["models", *verb], os.environ) == 0
    piped = capsys.readouterr().out
    assert "digits" in piped
    assert ESCAPE not in piped


@pytest.mark.parametrize(
    ("streams", "no_color", "colours"),
    [
        (("stdout", "stderr"), "", "always"),
        (("stderr",), "", "always"),
        (("stdout",), "", "never"),
        ((), "", "never"),
        (("stdout", "stderr"), "1", "never"),
    ],
)
def test_pulumis_display_has_colours_where_standard_error_is_a_terminal(
    stack: Pulumi,
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    streams: tuple[str, ...],
    no_color: str,
    colours: str,
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    with on(terminal, monkeypatch, *streams):
        assert main(["service", "regen-key", "primary", "--stack", "dev"], variables(stack)) == 0
    shown = terminal.read()
    (deployed,) = (call for call in stack.calls if call.startswith("up "))
    assert f"--color {colours}" in deployed.replace("=", " ")
    assert ("deployed" in shown) == ("stderr" in streams)


def test_a_good_end_is_green(stack: Pulumi, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.webservice.Webservice.wait_for_deployment", lambda service, **options: None)
    with on(terminal, monkeypatch, "stdout"):
        assert main(["service", "wait", "a"], variables(stack)) == 0
    assert f"{GREEN}a is ready: {URI}" in terminal.read()
