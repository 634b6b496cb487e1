"""One line for each part of the toolchain, and a sign of life while something takes long. Standard library only."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

WIDTH_OF_PART = 14
EVERY_ON_A_TERMINAL = 0.2
EVERY_ELSEWHERE = 30.0
PLAIN, DIM, GREEN, YELLOW, RED = "0", "2", "32", "33", "31"
Say = Callable[[str], None]


@dataclass
class Activity:
    """Something that takes long: when it began, in seconds of the monotonic clock, and what it is at."""

    began: float
    doing: str

    def text(self, part: str, now: float) -> str:
        """`part: doing, 1m05s`."""
        return f"{part}: {self.doing}, {elapsed(now - self.began)}"


def elapsed(seconds: float) -> str:
    """A duration as people write it: `9s`, `1m05s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def colours_wanted(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour: on a terminal that knows how, unless NO_COLOR (no-color.org) is set to anything."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class Console:
    """Prints from several threads. A line about each thing that takes long is redrawn on a terminal, else repeated.

    Args:
        stream: where to print.
        environ: read for NO_COLOR and TERM.
        every: seconds between two signs of life; the default depends on whether the stream is a terminal.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str], every: float | None = None) -> None:
        self._stream = stream
        self._colours = colours_wanted(stream, environ)
        self._live = stream.isatty() and environ.get("TERM") != "dumb"
        self._every = every or (EVERY_ON_A_TERMINAL if self._live else EVERY_ELSEWHERE)
        self._activities: dict[str, Activity] = {}
        self._lock = threading.RLock()

    def found(self, part: str, text: str) -> None:
        """Say what was there."""
        self._print(part, "found: ", text, GREEN)

    def made(self, part: str, text: str) -> None:
        """Say what was not there and is now."""
        self._print(part, "made: ", text, YELLOW)

    def note(self, part: str, text: str) -> None:
        """Say something about a part that neither finds nor makes it."""
        self._print(part, "", text, PLAIN)

    def error(self, text: str) -> None:
        """Say what went wrong, on as many lines as it takes."""
        with self._lock:
            self._clear()
            self._write(self._coloured(f"error: {text}\n", RED))

    @contextlib.contextmanager
    def activity(self, part: str, doing: str) -> Iterator[Say]:
        """Show signs of life while the block runs; the value given to the block changes what is shown."""
        activity = Activity(time.monotonic(), doing)

        def say(text: str) -> None:
            activity.doing = text

        ended = threading.Event()
        with self._lock:
            self._activities[part] = activity
            if not self._live:
                self._write(f"{part}: {doing} ...\n")
        ticker = threading.Thread(target=self._tick, args=(part, activity, ended), daemon=True)
        ticker.start()
        try:
            yield say
        finally:
            ended.set()
            ticker.join()
            with self._lock:
                self._activities.pop(part, None)
                self._clear()

    def _tick(self, part: str, activity: Activity, ended: threading.Event) -> None:
        while not ended.wait(self._every):
            with self._lock:
                now = time.monotonic()
                if self._live:
                    texts = [other.text(name, now) for name, other in self._activities.items()]
                    self._write("\r\x1b[K" + self._coloured(self._cut(" | ".join(texts)), DIM))
                else:
                    self._write(activity.text(part, now) + "\n")

    def _print(self, part: str, word: str, text: str, colour: str) -> None:
        with self._lock:
            self._clear()
            self._write(f"{part:<{WIDTH_OF_PART}} {self._coloured(word, colour)}{text}\n")

    def _clear(self) -> None:
        if self._live:
            self._write("\r\x1b[K")

    def _cut(self, text: str) -> str:
        return text[: shutil.get_terminal_size().columns - 1]

    def _coloured(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours and text else text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def standard(environ: Mapping[str, str]) -> Console:
    """The console on standard output."""
    return Console(sys.stdout, environ)
