"""The workers, the queue before them, and what happens when one hangs or dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from . import results, scheduling
from .exchange import RETRY
from .exits import INIT_FAILED
from .flow import FlowLimits
from .frames import Flag, Kind, Reply
from .gathering import Gathering
from .job import Job
from .link import MAX_WINDOW, Link
from .logs import LOGGER
from .metrics import Failure, Metrics
from .processes import Launcher, WorkerProcess
from .settings import Settings

logger = logging.getLogger(LOGGER)

_CLOSED = Reply(Kind.END, Flag.ABORTED, 0, 0, b"", b"")
_MAX_BATCH_BYTES = 16 * 1024 * 1024  # bodies of one batch, if it is more than one request
_LOOK_S = 0.05
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
        self.unread: Callable[[], int] = lambda: 0  # bytes of answers that callers have not taken
        self.flow_limits = FlowLimits(
            settings.stream_buffer_bytes,
            settings.max_buffered_bytes // 2,
            settings.stream_rate,
            settings.read_timeout_s,
        )
        self._batch_size = settings.batch_size
        self._gathering = Gathering(self.loop, settings.batch_size, settings.batch_delay_ms / 1000, self._hand_out)
        self._max_queue = settings.max_queue
        # Up to here there is room whatever was sent ahead.
        self._safe_queue = settings.max_queue - settings.worker_count * MAX_WINDOW
        self._queue_timeout_ms = settings.queue_timeout_ms
        self._expiry: asyncio.TimerHandle | None = None
        self._launcher = launcher
        self._processes = processes
        self.front = scheduling.Front(settings.worker_count)
        self._scheduled = False
        self._stopping = False
        self._stopped = asyncio.Event()
        self._looked = 0.0  # for those who have left
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
        if len(self.queue) >= self._safe_queue:
            idle = sum(not link.in_flight and link.ready for link in self.links)
            if self.waiting >= self._max_queue + idle:
                self._leave_who_left()
                if self.waiting >= self._max_queue + idle:
                    return False
        if self._queue_timeout_ms:
            job.expires = self.loop.time() + self._queue_timeout_ms / 1000
            self._watch_expiry(job.expires)
        self.queue.append(job)
        self.schedule()
        return True

    def _leave_who_left(self) -> None:
        """Take those out of the queue whose callers have gone: they keep nobody else from a place."""
        now = self.loop.time()
        if now - self._looked < _LOOK_S:  # a long queue takes time to look through
            return
        self._looked = now
        waiting = list(self.queue)
        self.queue.clear()
        self.queue.extend(job for job in waiting if not job.gone)
        for job in waiting:
            if job.gone:
                job.receive(_CLOSED)

    def again(self, jobs: list[Job]) -> None:
        """Put `jobs`, which no worker has begun, before all that came later; and hand out what can be."""
        if jobs:
            self.queue.extendleft(reversed(jobs))
            if self._queue_timeout_ms:
                self._watch_expiry(jobs[0].expires)
        if self.queue:
            self.schedule()

    def _watch_expiry(self, due: float) -> None:
        if self._expiry is not None and self._expiry.when() > due:
            self._expiry.cancel()
            self._expiry = None
        if self._expiry is None:
            self._expiry = self.loop.call_at(due, self._expire)

    def _expire(self) -> None:
        """Refuse what has waited for too long."""
        self._expiry = None
        now = self.loop.time()
        while self.queue and (self.queue[0].expires <= now or self.queue[0].gone):
            job = self.queue.popleft()
            message = f"The server is busy: no worker was free within {self._queue_timeout_ms} ms. Try again later."
            job.failure = Failure.QUEUE_TIMEOUT
            job.receive(_CLOSED if job.gone else results.error(503, message, head=RETRY))
        if self.queue:
            self._watch_expiry(self.queue[0].expires)

    def schedule(self) -> None:
        """Hand out jobs when this turn of the event loop ends, so that what it read goes out together."""
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._hand_out)

    def _hand_out(self) -> None:
        self._scheduled = False
        queue = self.queue
        given: list[Link] = []
        while queue:
            link = self._freest()
            if link is None or (queue[0].alone and link.in_flight):
                break
            # One job at a time, unless there is but one worker.
            share = link.window - len(link.in_flight) if len(self.links) == 1 else 1
            if link.batches:
                if not queue[0].alone and self._gathering.waits(len(queue)):
                    break
                share = self._batch_share()
            jobs = self._next_jobs(share)
            if jobs:
                link.take(jobs)
                if link not in given:
                    given.append(link)
        for link in given:
            link.flush()

    def _freest(self) -> Link | None:
        """Of the workers that have room, the one with the fewest jobs."""
        found, fewest = None, MAX_WINDOW
        for link in self.links:
            count = len(link.in_flight)
            if count < link.window and count < fewest:
                found, fewest = link, count
                if not count:
                    break
        return found

    def _next_jobs(self, share: int) -> list[Job]:
        """The next jobs of the queue that may go together, `share` at most."""
        queue = self.queue
        jobs: list[Job] = []
        size = 0
        while queue and len(jobs) < share and size < _MAX_BATCH_BYTES:
            if queue[0].alone and jobs:
                break
            job = queue.popleft()
            if job.gone:
                job.receive(_CLOSED)
                continue
            jobs.append(job)
            size += len(job.body)
            if job.alone:
                break
        return jobs

    def _batch_share(self) -> int:
        """How many of the queue make a batch: an equal part for each worker that is free."""
        free = sum(len(each.in_flight) < each.window for each in self.links)
        return min(self._batch_size, -(-len(self.queue) // free))

    def link_ready(self, link: Link, description: dict[str, Any]) -> None:
        self._delay = 0.1
        logger.info("Worker with pid %s ready for serving traffic", link.process.pid)
        self._launcher.note_ready(link.process)
        self.on_ready(description)
        self.first_ready.set()

    def link_lost(self, link: Link) -> None:
        """A worker is gone: replace it."""
        link.close()
        task = self.loop.create_task(self._replace(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _share_out(self, link: Link) -> None:
        """Fail what a worker that is no more was running, give the rest to others."""
        failed, again = link.leftovers()
        if self._stopping:
            failed, again = failed + again, []
        for job in failed:
            self.fail(job, Failure.WORKER_LOST)
        self.again(again)

    async def _replace(self, link: Link) -> None:
        # A script can close its link and live on: what it has begun is known for sure when it does no more.
        status = await link.process.end(patience=0.0 if link.in_flight else self._end_s)
        self._share_out(link)
        link.process.progress.close()
        self.links.remove(link)
        self._lost.set()
        if self._stopping:
            return
        if status is None and not link.announced:
            status = await self._launcher.template_status()
        how = link.process.told(status)
        if link.announced:
            self.metrics.restarts += 1
            logger.error("The worker with pid %s has ended%s and is replaced", link.process.pid, how)
        elif self._launcher.was_refused(link.process):
            pass  # the template has said why
        elif not self.ready and not self._launcher.was_orphaned(link.process):
            if not self.failed.done():
                if status != INIT_FAILED:  # then the worker has said why
                    logger.error("The worker has ended before it was ready%s", how)
                self.failed.set_result(status or 1)
            return
        else:
            logger.error("A worker could not be started%s; next attempt in %.1f s", how, self._delay)
            await self._back_off()
        while not self._stopping:
            try:
                await self._connect(self._launcher.start())
            except OSError as error:  # no room for its link's files, or for the process
                logger.error("A worker could not be started (%s); next attempt in %.1f s", error, self._delay)
                await self._back_off()
            else:
                return

    async def _back_off(self) -> None:
        """Wait before the next attempt to start a worker, for longer each time; not when it is time to stop."""
        delay, self._delay = self._delay, min(30.0, self._delay * 2)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), delay)

    def fail(self, job: Job, failure: str, message: str = results.RUN_FAILED) -> None:
        """Answer a job that no worker will finish."""
        job.failure = Failure.STOPPING if self._stopping else failure
        if job.streaming:
            reply = _CLOSED
        elif self._stopping:
            reply = results.error(503, STOPPING, head=RETRY)
        else:
            reply = results.error(500, message, run_failed=True)
        job.receive(reply)

    async def stop(self, patience: float) -> None:
        """End the workers within `patience` seconds, by force if need be. What is queued or in flight fails."""
        self._stopping = True
        self._stopped.set()
        self._end_s = min(self._end_s, patience / 2)
        while self.queue:
            self.fail(self.queue.popleft(), Failure.STOPPING)
        self._launcher.close()
        for link in self.links:
            if link.in_flight or not link.ready:
                link.process.kill()
            if not link.transport.is_closing():
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
