"""The front's end of one worker: requests out, replies in."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from .flow import Flow
from .frames import Kind, Reply, ReplyReader
from .job import Job
from .life import Life
from .logs import LOGGER
from .metrics import Failure
from .processes import WorkerProcess
from .progress import Held
from .sending import Sender
from .watch import Watch

if TYPE_CHECKING:
    from .pool import Pool

logger = logging.getLogger(LOGGER)

# A worker is sent as many requests ahead as it may answer in this time.
_WINDOW_NS = 2_000_000
MAX_WINDOW = 16
_LAST_WORDS_S = 0.05


class Link(asyncio.Protocol):
    """The front's end of a worker's socket. Jobs in flight are answered in order: the first is the one that runs."""

    transport: asyncio.Transport

    def __init__(self, pool: Pool, process: WorkerProcess) -> None:
        self.process = process
        self.in_flight: deque[Job] = deque()
        self.window = 0  # how many jobs it may have; where it takes batches, 1 stands for a batch
        self.ready = False
        self.announced = False  # was ready once
        self.batches = False
        self.stuck = False  # with one job: what was sent behind it is taken back
        self.since = 0.0  # when the last job was done, or the first one given to an idle worker
        self._first = 0  # of the newest batch, its number
        self._pool = pool
        self._reader = ReplyReader()
        self._flow = Flow(process.progress, pool.flow_limits)
        self._watch = Watch(self, pool.loop, pool.limit_ms / 1000)
        self._sender = Sender(process.progress.bodies)
        self._revoked = self._delivered = 0  # up to these numbers, what comes late is known already
        self._skipped: list[Job] = []
        self._trusted = True
        self._timed_out: Job | None = None  # answered already, yet in flight until the worker is gone
        self._average_ns = float(_WINDOW_NS)
        self._life = Life(process, pool.loop, self._ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._life.watch()

    # requests

    def take(self, jobs: list[Job]) -> None:
        """Have the worker get `jobs` with the next flush(); they are one batch where it takes batches."""
        if not self.in_flight:
            self.since = self._pool.loop.time()
            self._watch.begin()
        if self.batches:
            self._pool.metrics.batch_sizes.observe(len(jobs))
        more = len(jobs) - 1 if self.batches else 0
        oldest = self.in_flight[0].number if self.in_flight else self._sender.newest + 1
        for index, job in enumerate(jobs):
            self._sender.add(job, oldest, more=index < more)
        self.in_flight.extend(jobs)
        self._first = jobs[0].number
        if jobs[-1].alone:
            self.window = 0

    def flush(self) -> None:
        """Send what the worker is to get, in one write."""
        self._sender.flush(self.transport)

    def _set_window(self) -> None:
        """A few of a quick run() ahead, none of a slow one."""
        if not self.ready or self.stuck or (self.in_flight and self.in_flight[-1].alone):
            self.window = 0
        elif self.batches:
            self.window = 1
        else:
            self.window = max(1, min(MAX_WINDOW, int(_WINDOW_NS / self._average_ns)))

    @property
    def ahead(self) -> int:
        """How many jobs were sent ahead of their turn. A batch runs as one."""
        return 0 if self.batches or not self.in_flight else len(self.in_flight) - 1

    def revoke(self, started: int) -> None:
        """Take back the jobs behind the first, as far as they are not begun when the worker hears of it."""
        self.stuck = True
        self._set_window()
        first = self.in_flight[0].number
        self._revoked = self._sender.newest
        self.process.progress.revoke(self._sender.newest, kept=first if first > started else 0)

    def take_back(self, started: int) -> None:
        """Give to others what was revoked, at the look before this one, and not begun."""
        taken: list[Job] = []
        while len(self.in_flight) > 1 and self.in_flight[-1].number > started:
            taken.append(self.in_flight.pop())
        self._pool.again(taken[::-1])

    # replies

    def data_received(self, data: bytes) -> None:
        in_flight = self.in_flight
        before = len(in_flight)
        for reply in self._reader.feed(data):
            if (
                reply.kind == Kind.RESULT
                and in_flight
                and in_flight[0].number == reply.number
                and self._flow.job is None
            ):
                if reply.nanoseconds:
                    self._average_ns += (reply.nanoseconds - self._average_ns) * 0.2
                job = in_flight.popleft()
                job.begun = True
                job.receive(reply)
            elif not self._receive_other(reply):
                self._distrust(reply)
                break
        # It goes on where a reply came that was waited for, and where all that it had is answered by other ways.
        if len(in_flight) < before or not in_flight:
            self.since = self._pool.loop.time()
            self.stuck = False
        self._set_window()
        self._pool.front.adapt(self._average_ns)
        skipped, self._skipped = self._skipped, []
        self._pool.again(skipped)

    def _receive_other(self, reply: Reply) -> bool:
        """Take a reply that is no whole answer to the first job; False for one that must not be."""
        kind, number, job = reply.kind, reply.number, self._flow.job
        if kind == Kind.READY:
            self._set_ready(json.loads(reply.head))
            return True
        if not self.in_flight or number != self.in_flight[0].number:
            past = not self.in_flight or number < self.in_flight[0].number
            known = number <= self._delivered or (kind == Kind.SKIPPED and number <= self._revoked)
            return past and known and kind in (Kind.RESULT, Kind.SKIPPED)
        if kind == Kind.START and job is None:
            job = self.in_flight[0]
            job.begun = True
            self._flow.begin(job, self._pool.loop.time())
            job.receive(reply)
        elif kind == Kind.CHUNK and job is not None:
            job.receive(reply)
            self._flow.receive(len(reply.body))
        elif kind == Kind.END and job is not None:
            self.in_flight.popleft()
            self._flow.end()
            job.receive(reply)
        elif kind == Kind.SKIPPED and job is None:
            self._skipped.append(self.in_flight.popleft())
        else:
            return False
        return True

    def _distrust(self, reply: Reply) -> None:
        """Have the worker replaced: whose answer its next one is, is not known."""
        logger.error(
            "The worker with pid %s sent a reply of kind %d to request %d, which waits for none: it is replaced",
            self.process.pid,
            reply.kind,
            reply.number,
        )
        self._trusted = self.ready = False
        self._set_window()
        self.process.kill()
        self.transport.abort()

    def deliver_held(self, held: Held) -> None:
        """Take the replies that a worker holds back, which is stuck or dead. They may come once more."""
        for reply in ReplyReader().feed(held.data):
            if not self.in_flight or reply.number > self.in_flight[0].number:
                return
            if reply.number == self.in_flight[0].number and self._flow.job is None:
                self._delivered = reply.number
                job = self.in_flight.popleft()
                if reply.kind == Kind.SKIPPED:
                    self._pool.again([job])
                else:
                    job.begun = True
                    job.receive(reply)

    def _set_ready(self, description: dict[str, Any]) -> None:
        self.process.pid = description["pid"]
        self._life.watch()
        self.announced = True
        self.ready = not self._life.over
        self.batches = description["batches"]
        self._set_window()
        self._pool.link_ready(self, description)

    # streams

    def look_at_stream(self) -> None:
        job = self._flow.job
        if job is not None and not job.finished:
            self._flow.look(job, self._pool.loop.time(), self._pool.unread)
            if self._flow.too_slow:
                self._break_off(job, self._flow.too_slow)

    def _break_off(self, job: Job, reason: str) -> None:
        """End a stream for its caller, and have the worker end it."""
        logger.warning("A streamed answer is broken off: %s", reason)
        self.process.progress.cancel(job.number)
        self._pool.fail(job, Failure.STREAM_BROKEN)
        self.since = self._pool.loop.time()

    # time, and the worker's end

    def out_of_time(self) -> None:
        """A job has taken as long as it may."""
        limit = self._pool.limit_ms
        job = self._flow.job
        if job is not None and not job.finished and self._flow.waits:
            self._break_off(job, f"its caller has not taken it after {limit} ms (SCORING_TIMEOUT_MS)")
            return
        logger.error("Scoring timeout after %d ms: the worker with pid %s is replaced", limit, self.process.pid)
        self.ready = False
        self._set_window()
        running = self._running()
        if len(running) == 1:
            self._timed_out = running[0]
            running[0].begun = True
            self._pool.fail(running[0], Failure.TIMEOUT, f"Scoring timeout after {limit} ms")
        # faulthandler writes the worker's stacks on SIGABRT; SIGKILL follows, should it be beyond that.
        self.process.kill(signal.SIGABRT)
        self._pool.loop.call_later(1.0, self._force)

    def _force(self) -> None:
        if not self.transport.is_closing():
            self.process.kill()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._pool.link_lost(self)

    def close(self) -> None:
        self.ready = False
        self._set_window()
        self._watch.stop()
        self._life.stop()

    def _ended(self) -> None:
        """The process has ended: so does the link, once the worker's last words are read."""
        self.ready = False
        self._set_window()
        self._pool.loop.call_later(_LAST_WORDS_S, self.transport.abort)

    def leftovers(self) -> tuple[list[Job], list[Job]]:
        """Once the worker's process is no more: (jobs that it had begun, jobs to be given to another).

        What it has begun does not run again, even where its reply was lost. Only of a batch no job is known to be the
        cause: all are given to another, each alone; also those that were to have a try of their own.
        """
        progress = self.process.progress
        if self._trusted:
            self.deliver_held(progress.held())
        running = self._running()
        failed: list[Job] = []
        again: list[Job] = []
        for job in self.in_flight:
            if job is self._timed_out:
                continue
            if job.number > progress.started or (len(running) > 1 and job in running and not job.streaming):
                if self.batches and progress.started >= self._first:  # also those that were to have their own try
                    job.alone = True
                again.append(job)
            else:
                job.begun = True
                failed.append(job)
        self.in_flight.clear()
        return failed, again

    def _running(self) -> list[Job]:
        """The jobs that the worker has begun and not finished: one, or those of a batch."""
        started, finished = self.process.progress.started, self.process.progress.finished
        if not self.batches:
            finished = max(finished, started - 1)
        return [job for job in self.in_flight if finished < job.number <= started]
