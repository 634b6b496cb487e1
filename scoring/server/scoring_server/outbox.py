"""A worker's replies on their way to the front, in order."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from .frames import Kind, LinkLost, Reply
from .progress import Progress

_PAUSE_S = 0.005


class Outbox:
    """Sends encoded replies, and before them those that are held. Raises LinkLost where the front is gone."""

    def __init__(self, link: socket.socket, progress: Progress) -> None:
        self._link = link
        self._progress = progress
        self._streamed = 0  # bytes of all streams

    def send(self, data: bytes = b"") -> None:
        """Send what is held, then `data`."""
        try:
            if self._progress.held_bytes:
                self._link.sendall(b"".join((self._progress.holding, data)))
                self._progress.flushed()
            elif data:
                self._link.sendall(data)
        except OSError as failure:
            raise LinkLost from failure

    def stream(self, number: int, chunks: Iterator[bytes]) -> None:
        """Send the chunks of a streamed answer, until its caller has gone. What the iterator raises is passed on.

        While the front holds as much as it may for a slow caller, this waits.
        """
        for chunk in chunks:
            while self._streamed > self._progress.allowed and not self._progress.is_cancelled(number):
                time.sleep(_PAUSE_S)
            if self._progress.is_cancelled(number):
                return
            self.send(Reply(Kind.CHUNK, 0, 0, 0, b"", chunk).encode(number))
            self._streamed += len(chunk)
