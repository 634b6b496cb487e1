"""Streamed answers between a worker and their callers: how much the front holds, how long the worker waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from .progress import Progress

if TYPE_CHECKING:
    from .job import Job

_LEAST = 64 * 1024


class FlowLimits(NamedTuple):
    """What callers who read slowly may ask of the server."""

    buffer: int  # bytes of one stream that the front holds, lest the worker wait for the caller
    crowded: int  # bytes of all answers that callers have not taken, beyond which streams get the least buffer
    rate: int  # bytes/s that a caller must take while a worker waits for it
    patience_s: float  # how long a worker waits before that counts


class Flow:
    """The streams of one worker, one after the other.

    The worker may send as many bytes as the front allows, then it waits, as often as it takes. So the front never stops
    reading from a worker, and replies to others do not queue up behind a stream.
    """

    def __init__(self, progress: Progress, limits: FlowLimits) -> None:
        self.job: Job | None = None  # whose answer is being streamed
        self._progress = progress
        self._limits = limits
        self._buffer = limits.buffer
        self._received = 0  # bytes of all streams
        self._allowed = 0
        self._looked = 0.0
        self._taken = 0
        self._waited = 0.0
        self._meanwhile = 0
        self._allow(0)

    def begin(self, job: Job, now: float) -> None:
        self.job = job
        self._looked, self._taken = now, self._received
        self._waited, self._meanwhile = 0.0, 0

    def receive(self, size: int) -> None:
        """Count a chunk, which the job has by now."""
        self._received += size
        job = self.job
        if job is not None:
            if job.gone:
                self._progress.cancel(job.number)
            self._allow(job.unread)

    def end(self) -> None:
        self.job = None
        self._allow(0)

    def _allow(self, unread: int) -> None:
        self._allowed = self._received - unread + self._buffer
        self._progress.allow(self._allowed)

    @property
    def waits(self) -> bool:
        """Whether the worker waits for the caller."""
        return self.job is not None and self._received > self._allowed

    @property
    def too_slow(self) -> str:
        """What the caller took while the worker waited for it, if that was too little for too long; else nothing."""
        if self._waited < self._limits.patience_s or self._meanwhile >= self._limits.rate * self._waited:
            return ""
        return (
            f"its caller took {self._meanwhile} bytes in {self._waited:.0f} s while the worker waited. "
            f"SCORING_STREAM_RATE asks for {self._limits.rate} bytes/s"
        )

    def look(self, job: Job, now: float, unread_of_all: Callable[[], int]) -> None:
        """Take note of what the caller of `job`, the one that is streamed, has taken."""
        unread = job.unread
        taken = self._received - unread
        if self.waits:
            self._waited += now - self._looked
            self._meanwhile += taken - self._taken
        self._looked, self._taken = now, taken
        if job.gone:
            self._progress.cancel(job.number)
        crowded = unread > _LEAST and unread_of_all() > self._limits.crowded
        self._buffer = min(_LEAST, self._limits.buffer) if crowded else self._limits.buffer
        self._allow(unread)
