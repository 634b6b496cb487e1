"""Requests on their way to a worker: numbered, and those of one turn of the event loop sent together."""

from __future__ import annotations

import asyncio

from .bodies import INLINE, Bodies
from .frames import REQUEST
from .job import Job

_COPIED = 12 * 1024  # bytes a request: smaller ones are sent as one piece, larger ones are not copied


class Sender:
    """Sends jobs to one worker, whose memory for bodies is `bodies`."""

    def __init__(self, bodies: memoryview) -> None:
        self.newest = 0  # the number of the newest job
        self._bodies = Bodies(bodies)
        self._frames: list[bytes] = []
        self._size = 0  # of the bodies among them

    def add(self, job: Job, oldest: int, *, more: bool) -> None:
        """Number `job`, to be sent with the next flush().

        Args:
            job: the request.
            oldest: the number of the oldest one that has no answer; its own where all have.
            more: the next one belongs to the same batch.
        """
        self.newest = job.number = number = self.newest + 1
        meta, body = job.meta, job.body
        place = self._bodies.put(number, body, oldest)
        self._frames.append(REQUEST.pack(more, number, len(meta), len(body), place))
        if meta:
            self._frames.append(meta)
        if place == INLINE:
            self._frames.append(body)
            self._size += len(body)

    def flush(self, transport: asyncio.Transport) -> None:
        """Send what was added, in one write."""
        frames, self._frames = self._frames, []
        size, self._size = self._size, 0
        if 2 * size > _COPIED * len(frames):
            transport.writelines(frames)
        else:
            transport.write(b"".join(frames))
