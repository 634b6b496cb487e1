"""The front's output: whoever reads it slowly, or not at all, costs lines of the log and never requests."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO

from .logs import LOGGER

logger = logging.getLogger(LOGGER)

MAX_PENDING = 1024 * 1024  # bytes that wait for the reader; more are dropped
_CLOSE_S = 0.5


class LogStream(io.TextIOBase):
    """A stream in the place of `stream`, which a thread writes to. What is dropped is counted, and told afterwards."""

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        self._stream = stream
        self._number = stream.fileno()
        self._chunks: queue.SimpleQueue[bytes] = queue.SimpleQueue()  # an empty one ends the thread
        self._offered = self._taken = 0  # bytes; writers count the one, the thread the other
        self._dropped = 0  # lines
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._started = self._ended = False
        self._lock = threading.RLock()  # a finalizer may log while this thread has it

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Have `text` written, soon; drop it while too much waits."""
        if self._ended:
            return self._stream.write(text)
        data = text.encode(self.encoding, self.errors or "strict")
        lost = 0
        with self._lock:
            pending = self._offered - self._taken
            if pending and pending + len(data) > MAX_PENDING:
                self._dropped += text.count("\n")
            elif data:
                if pending < MAX_PENDING // 2:
                    lost, self._dropped = self._dropped, 0
                self._offered += len(data)
                self._chunks.put(data)
                if not self._started:
                    self._started = True
                    self._thread.start()
        if lost:  # logged without the lock, as the handler has one of its own
            logger.warning("%d lines of the log are lost: for too long it was not read, or could not be written", lost)
        return len(text)

    def end(self, patience: float = _CLOSE_S) -> None:
        """Write what is pending, unless nobody reads it; from now on write at once."""
        if self._started:
            self._chunks.put(b"")
            self._thread.join(patience)
        self._ended = True

    def _write_all(self) -> None:
        torn = False
        while data := self._chunks.get():
            whole = b"\n" + data if torn else data  # no line is to be part of another
            rest = self._write(memoryview(whole))
            if len(rest) < len(whole):
                torn = bool(rest) and not whole.endswith(b"\n", 0, len(whole) - len(rest))
            if rest:
                with self._lock:
                    self._dropped += rest.count(b"\n")
            self._taken += len(data)

    def _write(self, view: memoryview) -> bytes:
        """Write it; gives what could not be, as whoever reads the log has gone, or the disk is full."""
        while view:
            try:
                view = view[os.write(self._number, view) :]
            except BlockingIOError:
                select.select([], [self._number], [])
            except OSError:
                break
        return bytes(view)


@contextlib.contextmanager
def patient_output() -> Iterator[None]:
    """Within this, ``sys.stdout`` and ``sys.stderr`` make nobody wait, unless they are in memory."""
    plain = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    streams = {}
    for name, stream in plain.items():
        with contextlib.suppress(io.UnsupportedOperation):
            streams[name] = LogStream(stream)
            setattr(sys, name, streams[name])
    try:
        yield
    finally:
        for name, stream in streams.items():
            stream.end()
            setattr(sys, name, plain[name])
