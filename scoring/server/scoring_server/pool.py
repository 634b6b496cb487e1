"""The workers, the queue before them, and what happens when one hangs or dies."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from . import results
from .frames import Flag, Kind, Reply
from .link import Job, Link
from .logs import LOGGER
from .metrics import Failure, Metrics
from .processes import Launcher, WorkerProcess
from .settings import Settings

logger = logging.getLogger(LOGGER)

_CLOSED = Reply(Kind.END, Flag.ABORTED, 0, 0, b"", b"")
_MAX_BATCH_BYTES = 16 * 1024 * 1024  # bodies of one batch, if it is more than one request
STOPPING = "The service is stopping."


class Pool:
    """Hands jobs to workers, replaces workers that are gone."""

    def __init__(
        self, settings: Settings, launcher: Launcher, processes: list[WorkerProcess], metrics: Metrics
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.metrics = metrics
        self.limit_ms = settings.limit_ms
        self.links: list[Link] = []
        self.queue: deque[Job] = deque()
        self.failed: asyncio.Future[int] = self.loop.create_future()  # the status to exit with
        self.first_ready = asyncio.Event()
        self.on_ready: Callable[[dict[str, Any]], None] = lambda _description: None
        self.batch_size = settings.batch_size
        self._batch_delay_s = settings.batch_delay_ms / 1000
        self._expected = 0.0  # how many come together, as seen lately
        self._gathering: asyncio.TimerHandle | None = None
        self._gathered = False  # the time for more is up
        self._max_queue = settings.max_queue
        self._launcher = launcher
        self._processes = processes
        self._scheduled = False
        self._stopping = False
        self._end_s = 1.0  # for a worker to end by itself once its link is closed
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

    @property
    def outstanding(self) -> int:
        """Requests that have no answer yet."""
        return len(self.queue) + self.in_flight

    @property
    def waiting(self) -> int:
        """Requests that no worker has begun, be they here or, sent ahead, at a worker."""
        return len(self.queue) + sum(link.ahead for link in self.links)

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers that can take requests."""
        return [link.process.pid for link in self.links if link.ready and link.process.pid is not None]

    def submit(self, job: Job) -> bool:
        """Queue `job`; False where too many wait, be it here or, sent ahead, at a worker."""
        if self._stopping:
            self.fail(job, Failure.STOPPING)
            return True
        idle = sum(not link.in_flight and link.ready for link in self.links)
        if self.waiting >= self._max_queue + idle:
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
            if queue[0].alone and link.in_flight:
                return
            share = link.room if len(self.links) == 1 else 1
            if link.batches:
                if not queue[0].alone and self._waits_for_more():
                    return
                share = self._batch_share(link)
            jobs: list[Job] = []
            size = 0
            while queue and len(jobs) < share and size < _MAX_BATCH_BYTES:
                if queue[0].alone and jobs:
                    break
                job = queue.popleft()
                if job.gone:
                    job.receive(_CLOSED, None)
                    continue
                jobs.append(job)
                size += len(job.body)
                if job.alone:
                    break
            if jobs:
                link.send(jobs)

    def _waits_for_more(self) -> bool:
        """Whether a batch should wait, for a bounded time, for as many requests as came together lately.

        A lone request never waits.
        """
        count = len(self.queue)
        if 1 < count < min(self._expected, self.batch_size) and self._batch_delay_s and not self._gathered:
            if self._gathering is None:
                self._gathering = self.loop.call_later(self._batch_delay_s, self._end_gathering)
            return True
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._gathered = False
        self._expected = max(count, self._expected * 0.75)
        return False

    def _end_gathering(self) -> None:
        self._gathering = None
        self._gathered = True
        self._hand_out()

    def _batch_share(self, link: Link) -> int:
        """How many of the queue make the batch for `link`: an equal part for each worker that is free."""
        free = sum(each.room > 0 for each in self.links)
        return min(link.room, -(-len(self.queue) // free))

    def link_ready(self, link: Link, description: dict[str, Any]) -> None:
        self._delay = 0.1
        logger.info("Worker with pid %s ready for serving traffic", link.process.pid)
        self.on_ready(description)
        self.first_ready.set()

    def link_lost(self, link: Link) -> None:
        """A worker is gone: fail what it was running, give the rest to others, start another."""
        self.links.remove(link)
        self._lost.set()
        link.ready = False
        failed, again = link.leftovers()
        if self._stopping:
            failed, again = failed + again, []
        for job in failed:
            self.fail(job, Failure.WORKER_LOST)
        self.queue.extendleft(reversed(again))
        self.schedule()
        task = self.loop.create_task(self._replace(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, link: Link) -> None:
        status = await link.process.wait(self._end_s)
        if self._stopping:
            return
        if status is None and not link.announced:
            status = await self._launcher.template_status()
        if link.announced:
            self.metrics.restarts += 1
            logger.error("The worker with pid %s has ended (status %s) and is replaced", link.process.pid, status)
        elif not self.ready:
            if not self.failed.done():
                self.failed.set_result(status or 1)
            return
        else:
            logger.error("A worker could not be started (status %s); next attempt in %.1f s", status, self._delay)
            delay, self._delay = self._delay, min(30.0, self._delay * 2)
            await asyncio.sleep(delay)
        while not self._stopping:
            try:
                await self._connect(self._launcher.start())
            except OSError as error:  # no room for its link's files, or for the process
                logger.error("A worker could not be started (%s); next attempt in %.1f s", error, self._delay)
                delay, self._delay = self._delay, min(30.0, self._delay * 2)
                await asyncio.sleep(delay)
            else:
                return

    def fail(self, job: Job, failure: str, message: str = results.RUN_FAILED) -> None:
        """Answer a job that no worker will finish."""
        job.failure = Failure.STOPPING if self._stopping else failure
        if job.streaming:
            reply = _CLOSED
        elif self._stopping:
            reply = results.error(503, STOPPING)
        else:
            reply = results.error(500, message, run_failed=True)
        job.receive(reply, None)

    async def stop(self, patience: float) -> None:
        """End the workers within `patience` seconds, by force if need be. What is queued or in flight fails."""
        self._stopping = True
        self._end_s = min(self._end_s, patience / 2)
        while self.queue:
            self.fail(self.queue.popleft(), Failure.STOPPING)
        self._launcher.close()
        for link in self.links:
            if link.in_flight or not link.ready:
                link.process.kill()
            link.transport.write_eof()  # an idle worker ends by itself
        timer = self.loop.call_later(patience / 2, self._kill_all)
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
