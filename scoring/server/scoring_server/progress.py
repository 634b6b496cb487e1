"""The memory that a worker and the front share: how far the worker is, and what each lets the other know at any time.

A worker that hangs, or is dead, cannot be asked. So it notes what it begins and ends before it does so, and keeps
replies that it holds back where the front can find them. Of each number one side alone is the writer, in one store.
What one side has stored the other sees long before a look of the front's watch follows on the one before.
"""

from __future__ import annotations

import mmap
import os
from typing import NamedTuple

from . import bodies

_STARTED, _FINISHED, _CANCELLED, _REVOKED, _KEPT, _ALLOWED, _FLUSHES, _HELD = range(8)
_CELL = 8
_HELD_AT = 8 * _CELL
_BODIES_AT = 64 * 1024


class Held(NamedTuple):
    """Replies that a worker holds back. They are whole as long as `flushes` stays what it was."""

    flushes: int
    data: bytes


class Progress:
    """Numbers of requests, unless said otherwise.

    ``started`` and ``finished`` are the newest that the worker has begun and ended; ``cancelled`` is the newest whose
    caller has gone. ``revoke`` takes back what the worker has not begun.
    """

    SIZE = _BODIES_AT + bodies.SIZE

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, self.SIZE)
        # Stores of whole machine words: struct's standard formats write byte by byte, and could be read half-way.
        self._cells = memoryview(self._memory)[:_HELD_AT].cast("Q")
        self._space = memoryview(self._memory)[_HELD_AT:_BODIES_AT]
        self.bodies = memoryview(self._memory)[_BODIES_AT:]  # see `bodies.Bodies`
        self._begun = 0
        self.held_bytes = 0  # of replies, by the worker

    @classmethod
    def create(cls) -> Progress:
        fd = os.memfd_create("progress")
        os.ftruncate(fd, cls.SIZE)
        return cls(fd)

    def close(self) -> None:
        self._cells.release()
        self._space.release()
        self.bodies.release()
        self._memory.close()
        os.close(self.fd)

    # the worker's side

    def claim(self, number: int) -> bool:
        """Begin a request, unless it has been taken back.

        The front revokes first and looks at ``started`` later, the worker notes the start first and looks at what is
        revoked then: so never both have it. The front may see a start that was none; the worker tells it afterwards.
        """
        cells = self._cells
        cells[_STARTED] = number
        if number <= cells[_REVOKED] and number != cells[_KEPT]:
            cells[_STARTED] = self._begun
            return False
        self._begun = number
        return True

    def start(self, number: int) -> None:
        """Begin a request of a batch: those cannot be taken back."""
        self._cells[_STARTED] = self._begun = number

    def finish(self, number: int) -> None:
        self._cells[_FINISHED] = number

    def is_cancelled(self, number: int) -> bool:
        return self._cells[_CANCELLED] >= number

    @property
    def allowed(self) -> int:
        """How many bytes of streams the worker may have sent, all together, before it sends more."""
        return self._cells[_ALLOWED]

    def hold(self, data: bytes) -> bool:
        """Keep a reply where the front finds it, should it not be sent soon; False where there is no room for it."""
        end = self.held_bytes + len(data)
        if end > len(self._space):
            return False
        self._space[self.held_bytes : end] = data
        self.held_bytes = self._cells[_HELD] = end
        return True

    @property
    def holding(self) -> memoryview:
        """The replies that are held."""
        return self._space[: self.held_bytes]

    def flushed(self) -> None:
        """The replies that were held have been sent."""
        self._cells[_FLUSHES] += 1
        self.held_bytes = self._cells[_HELD] = 0

    # the front's side

    @property
    def started(self) -> int:
        return self._cells[_STARTED]

    @property
    def finished(self) -> int:
        return self._cells[_FINISHED]

    def cancel(self, number: int) -> None:
        self._cells[_CANCELLED] = number

    def revoke(self, newest: int, kept: int) -> None:
        """Have the worker begin no request up to `newest`, except `kept`."""
        self._cells[_KEPT] = kept
        self._cells[_REVOKED] = newest

    def allow(self, size: int) -> None:
        self._cells[_ALLOWED] = max(0, size)

    def held(self) -> Held:
        """What the worker holds back at this moment. It may be about to send it: compare with a later one."""
        flushes = self._cells[_FLUSHES]
        return Held(flushes, bytes(self._space[: self._cells[_HELD]]))
