"""Lines for people at a terminal, for logs, and without colours."""

import io
import re
import threading

import pytest

from toolchain.console import Console, elapsed


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.9, "59s"), (60, "1m00s"), (245.2, "4m05s")])
def test_durations(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_only_on_a_terminal_that_wants_them(
    stream: io.StringIO, environ: dict[str, str], coloured: bool
) -> None:
    console = Console(stream, environ)
    console.found("engine", "Pulumi")
    console.made("daemon", "Docker")
    console.error("no")
    assert ("\x1b[3" in stream.getvalue()) == coloured
    plain = re.sub(r"\x1b\[\d*[mK]|\r", "", stream.getvalue())
    assert plain == "engine         found: Pulumi\ndaemon         made: Docker\nerror: no\n"


def test_a_log_gets_a_line_when_it_begins_and_one_now_and_then() -> None:
    stream = Said("compiling, 0s\n")
    console = Console(stream, {}, every=0.01)
    with console.activity("engine", "downloading") as say:
        say("compiling")
        assert stream.heard.wait(10)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "engine: downloading ..."
    assert set(lines[1:]) <= {"engine: downloading, 0s", "engine: compiling, 0s"}
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_one_line_that_is_redrawn_and_goes() -> None:
    stream = TerminalSaid("model: training, 0s")
    console = Console(stream, {"NO_COLOR": "1"}, every=0.01)
    with console.activity("engine", "compiling"), console.activity("model", "training"):
        assert stream.heard.wait(10)
    assert "engine: compiling, 0s | model: training, 0s" in stream.getvalue()
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


class Said(io.StringIO):
    """A stream that tells when a text was written."""

    def __init__(self, awaited: str) -> None:
        super().__init__()
        self.awaited = awaited
        self.heard = threading.Event()

    def write(self, text: str) -> int:
        if self.awaited in text:
            self.heard.set()
        return super().write(text)


class TerminalSaid(Said):
    """The same, on a terminal."""

    def isatty(self) -> bool:
        return True
