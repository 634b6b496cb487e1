"""The workers, the queue before them, and what happens when one hangs or dies."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

from . import results
from .frames import REQUEST, Flag, Kind, Reply, ReplyReader
from .logs import LOGGER
from .processes import Launcher, WorkerProcess
from .settings import Settings

logger = logging.getLogger(LOGGER)

_CLOSED = Reply(Kind.END, Flag.ABORTED, 0, 0, b"", b"")
STOPPING = "The service is stopping."
_WINDOW_NS = 2_000_000
_MAX_WINDOW = 16
_MAX_ATTEMPTS = 2


class Job(Protocol):
    """A request on its way through a worker. `attempts` counts the workers that it was given to."""

    meta: bytes
    body: bytes
    attempts: int
    gone: bool  # the caller has left
    streaming: bool  # START was received

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
        self._answered = 0
        self._average_ns = float(_WINDOW_NS)
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses

    @property
    def room(self) -> int:
        """How many more jobs the worker may be sent: a few of a quick run() ahead, none of a slow one."""
        if not self.ready:
            return 0
        window = max(1, min(_MAX_WINDOW, int(_WINDOW_NS / self._average_ns)))
        return window - len(self.in_flight)

    def send(self, jobs: list[Job]) -> None:
        """Give the worker `jobs`, in one write."""
        if not self.in_flight:
            self._since = self._pool.loop.time()
            if self._timer is None:
                self._watch()
        self.in_flight.extend(jobs)
        parts: list[bytes] = []
        for job in jobs:
            job.attempts += 1
            parts += (REQUEST.pack(len(job.meta), len(job.body)), job.meta, job.body)
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
        self.ready = self.announced = True
        self._pool.link_ready(self, description)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._pool.link_lost(self)

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
        job = self.in_flight.popleft()
        self._answered += 1
        self._pool.fail(job, f"Scoring timeout after {limit} ms")
        self.ready = False
        # faulthandler writes the worker's stacks on SIGABRT; SIGKILL follows, should it be beyond that.
        self.process.kill(signal.SIGABRT)
        self._pool.loop.call_later(1.0, self._force)

    def _force(self) -> None:
        if not self.transport.is_closing():
            self.process.kill()

    def leftovers(self) -> tuple[list[Job], list[Job]]:
        """After the worker's death, (jobs that it was running or has broken off, jobs to be given to another)."""
        started, finished, _ = self.process.progress.read()
        failed: list[Job] = []
        again: list[Job] = []
        for number, job in enumerate(self.in_flight, self._answered + 1):
            was_running = number == started and finished < started
            (failed if was_running or job.streaming or job.attempts >= _MAX_ATTEMPTS else again).append(job)
        return failed, again


class Pool:
    """Hands jobs to workers, replaces workers that are gone."""

    def __init__(self, settings: Settings, launcher: Launcher, processes: list[WorkerProcess]) -> None:
        self.loop = asyncio.get_running_loop()
        self.limit_ms = settings.limit_ms
        self.links: list[Link] = []
        self.queue: deque[Job] = deque()
        self.failed: asyncio.Future[int] = self.loop.create_future()  # the status to exit with
        self.on_ready: Callable[[dict[str, Any]], None] = lambda _description: None
        self._max_queue = settings.max_queue
        self._launcher = launcher
        self._processes = processes
        self._scheduled = False
        self._stopping = False
        self._delay = 0.1
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take the links of the processes given."""
        for process in self._processes:
            await self._connect(process)

    async def _connect(self, process: WorkerProcess) -> None:
        _, link = await self.loop.create_unix_connection(lambda: Link(self, process), sock=process.link)
        self.links.append(link)

    @property
    def ready(self) -> bool:
        """Whether a worker can take requests."""
        return any(link.ready for link in self.links)

    @property
    def in_flight(self) -> int:
        """Requests that workers have."""
        return sum(len(link.in_flight) for link in self.links)

    def submit(self, job: Job) -> bool:
        """Queue `job`; False where too many wait, be it here or, sent ahead, at a worker."""
        idle = sum(not link.in_flight and link.ready for link in self.links)
        ahead = sum(len(link.in_flight) - 1 for link in self.links if link.in_flight)
        if len(self.queue) + ahead >= self._max_queue + idle:
            return False
        self.queue.append(job)
        self.schedule()
        return True

    def schedule(self) -> None:
        """Hand out jobs when this turn of the event loop ends, so that what it read goes out together."""
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._hand_out)

    def _hand_out(self) -> None:
        self._scheduled = False
        queue = self.queue
        while queue:
            # The least busy worker first, one job at a time unless it is the only one.
            link = min(self.links, key=lambda link: (-(link.room > 0), len(link.in_flight)), default=None)
            if link is None or link.room <= 0:
                return
            share = link.room if len(self.links) == 1 else 1
            jobs: list[Job] = []
            while queue and len(jobs) < share:
                job = queue.popleft()
                if job.gone:
                    job.receive(_CLOSED, None)
                else:
                    jobs.append(job)
            if jobs:
                link.send(jobs)

    def link_ready(self, link: Link, description: dict[str, Any]) -> None:
        self._delay = 0.1
        logger.info("Worker with pid %s ready for serving traffic", link.process.pid)
        self.on_ready(description)

    def link_lost(self, link: Link) -> None:
        """A worker is gone: fail what it was running, give the rest to others, start another."""
        self.links.remove(link)
        self._lost.set()
        link.ready = False
        failed, again = link.leftovers()
        if self._stopping:
            failed, again = failed + again, []
        for job in failed:
            self.fail(job)
        self.queue.extendleft(reversed(again))
        self.schedule()
        task = self.loop.create_task(self._replace(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, link: Link) -> None:
        status = await link.process.wait()
        if self._stopping:
            return
        if status is None and not link.announced:
            status = await self._launcher.template_status()
        if link.announced:
            logger.error("The worker with pid %s has ended (status %s) and is replaced", link.process.pid, status)
        elif not self.ready:
            if not self.failed.done():
                self.failed.set_result(status or 1)
            return
        else:
            logger.error("A worker could not be started (status %s); next attempt in %.1f s", status, self._delay)
            delay, self._delay = self._delay, min(30.0, self._delay * 2)
            await asyncio.sleep(delay)
        if not self._stopping:
            await self._connect(self._launcher.start())

    def fail(self, job: Job, message: str = results.RUN_FAILED) -> None:
        """Answer a job that no worker will finish."""
        if job.streaming:
            reply = _CLOSED
        elif self._stopping:
            reply = results.error(503, STOPPING)
        else:
            reply = results.error(500, message, run_failed=True)
        job.receive(reply, None)

    async def stop(self, patience: float) -> None:
        """End the workers, by force after `patience` seconds. What is queued or in flight fails."""
        self._stopping = True
        while self.queue:
            self.fail(self.queue.popleft())
        self._launcher.close()
        for link in self.links:
            if link.in_flight or not link.ready:
                link.process.kill()
            link.transport.write_eof()  # an idle worker ends by itself
        timer = self.loop.call_later(patience, self._kill_all)
        while self.links:
            self._lost.clear()
            await self._lost.wait()
        timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _kill_all(self) -> None:
        for link in list(self.links):
            link.process.kill()
            link.transport.abort()
