"""The front's end of one worker: requests out, replies in, and the watch on the time that run() takes."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

from .frames import REQUEST, Kind, Reply, ReplyReader
from .logs import LOGGER
from .metrics import Failure
from .processes import WorkerProcess

if TYPE_CHECKING:
    from .pool import Pool

logger = logging.getLogger(LOGGER)

# A worker is sent as many requests ahead as it may answer in this time.
_WINDOW_NS = 2_000_000
_MAX_WINDOW = 16
_MAX_ATTEMPTS = 2
_LAST_WORDS_S = 0.05


class Job(Protocol):
    """A request on its way through a worker. `attempts` counts the workers that it was given to."""

    meta: bytes
    body: bytes
    attempts: int
    gone: bool  # the caller has left
    streaming: bool  # START was received
    alone: bool  # not to be batched, nor to be sent behind others: it was in a batch that a worker did not survive
    failure: str | None  # why it failed, where that is known before the reply

    def receive(self, reply: Reply, link: Link | None) -> None:
        """Take one reply; `link` can be paused while the caller is slow."""


class Link(asyncio.Protocol):
    """The front's end of a worker's socket. Jobs in flight are answered in order: the first is the one that runs."""

    transport: asyncio.Transport

    def __init__(self, pool: Pool, process: WorkerProcess) -> None:
        self.process = process
        self.in_flight: deque[Job] = deque()
        self.ready = False
        self.announced = False  # was ready once
        self._pool = pool
        self._reader = ReplyReader()
        self.batches = False
        self._timed_out: Job | None = None  # answered already, yet in flight until the worker is gone
        self._answered = 0
        self._average_ns = float(_WINDOW_NS)
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._life: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._watch_life()

    @property
    def room(self) -> int:
        """How many more jobs the worker may be sent: a few of a quick run() ahead, none of a slow one."""
        if not self.ready or (self.in_flight and self.in_flight[-1].alone):
            return 0
        if self.batches:
            return 0 if self.in_flight else self._pool.batch_size
        window = max(1, min(_MAX_WINDOW, int(_WINDOW_NS / self._average_ns)))
        return window - len(self.in_flight)

    @property
    def ahead(self) -> int:
        """How many jobs were sent ahead of their turn. A batch runs as one."""
        return 0 if self.batches or not self.in_flight else len(self.in_flight) - 1

    def send(self, jobs: list[Job]) -> None:
        """Give the worker `jobs`, in one write; they are one batch where it takes batches."""
        if not self.in_flight:
            self._since = self._pool.loop.time()
            if self._timer is None:
                self._watch()
        self.in_flight.extend(jobs)
        if self.batches:
            self._pool.metrics.batch_sizes.observe(len(jobs))
        parts: list[bytes] = []
        more = len(jobs) - 1 if self.batches else 0
        for number, job in enumerate(jobs):
            job.attempts += 1
            parts += (REQUEST.pack(number < more, len(job.meta), len(job.body)), job.meta, job.body)
        self.transport.write(b"".join(parts))

    def data_received(self, data: bytes) -> None:
        for reply in self._reader.feed(data):
            if reply.kind == Kind.READY:
                self._set_ready(json.loads(reply.head))
                continue
            job = self.in_flight[0]
            if reply.kind in (Kind.RESULT, Kind.END):
                self.in_flight.popleft()
                self._answered += 1
                self._since = self._pool.loop.time()
                if reply.nanoseconds:
                    self._average_ns += (reply.nanoseconds - self._average_ns) * 0.2
            elif job.gone:
                self.process.progress.cancel(self._answered + 1)
            job.receive(reply, self)
        self._pool.schedule()

    def _set_ready(self, description: dict[str, Any]) -> None:
        self.process.pid = description["pid"]
        self._watch_life()
        self.ready = self.announced = True
        self.batches = description["batches"]
        self._pool.link_ready(self, description)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._unwatch_life()
        self._pool.link_lost(self)

    def _watch_life(self) -> None:
        self._unwatch_life()
        try:
            self._life = self.process.open_life()
        except ProcessLookupError:
            self._ended()
        if self._life is not None:
            self._pool.loop.add_reader(self._life, self._ended)

    def _unwatch_life(self) -> None:
        if self._life is not None:
            self._pool.loop.remove_reader(self._life)
            os.close(self._life)
            self._life = None

    def _ended(self) -> None:
        """The process has ended: so does the link, once the worker's last words are read."""
        self._unwatch_life()
        self._pool.loop.call_later(_LAST_WORDS_S, self.transport.abort)

    def _watch(self) -> None:
        self._timer = self._pool.loop.call_at(self._since + self._pool.limit_ms / 1000, self._check_time)

    def _check_time(self) -> None:
        self._timer = None
        if not self.in_flight:
            return
        if self._pool.loop.time() < self._since + self._pool.limit_ms / 1000:
            self._watch()
            return
        limit = self._pool.limit_ms
        logger.error("Scoring timeout after %d ms: the worker with pid %s is replaced", limit, self.process.pid)
        self.ready = False
        running = self._running() or [self.in_flight[0]]
        if len(running) == 1:
            self._timed_out = running[0]
            self._pool.fail(running[0], Failure.TIMEOUT, f"Scoring timeout after {limit} ms")
        # faulthandler writes the worker's stacks on SIGABRT; SIGKILL follows, should it be beyond that.
        self.process.kill(signal.SIGABRT)
        self._pool.loop.call_later(1.0, self._force)

    def _force(self) -> None:
        if not self.transport.is_closing():
            self.process.kill()

    def leftovers(self) -> tuple[list[Job], list[Job]]:
        """After the worker's death, (jobs that it was running or has broken off, jobs to be given to another).

        Of a batch no job is known to be the cause: all are given to another, each alone.
        """
        running = self._running()
        failed: list[Job] = []
        again: list[Job] = []
        for job in self.in_flight:
            if job is self._timed_out:
                continue
            if job in running and len(running) > 1 and not job.streaming:
                job.alone = True
                again.append(job)
            else:
                ended = job in running or job.streaming or job.attempts >= _MAX_ATTEMPTS
                (failed if ended else again).append(job)
        return failed, again

    def _running(self) -> list[Job]:
        """The jobs that the worker has begun and not finished: one, or those of a batch."""
        started, finished, _ = self.process.progress.read()
        numbered = enumerate(self.in_flight, self._answered + 1)
        return [job for number, job in numbered if finished < number <= started]
