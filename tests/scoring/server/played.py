"""A pool of workers that a test plays: it takes the requests that the front sends, and sends the replies."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvloop
from scoring_server.bodies import INLINE
from scoring_server.frames import REQUEST, Flag, Kind, Reply
from scoring_server.metrics import Metrics
from scoring_server.pool import Pool
from scoring_server.processes import WorkerProcess
from scoring_server.progress import Progress
from scoring_server.settings import Settings

QUICK_NS = 1000


class Request:
    """A job that keeps what it gets."""

    meta = b""
    alone = streaming = begun = gone = False
    number = unread = 0
    expires = 0.0
    failure: str | None = None

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.replies: list[Reply] = []
        self.done = asyncio.Event()

    @property
    def finished(self) -> bool:
        return self.done.is_set()

    def receive(self, reply: Reply) -> None:
        if self.finished:
            return
        self.replies.append(reply)
        self.streaming |= reply.kind == Kind.START
        if reply.kind in (Kind.RESULT, Kind.END):
            self.done.set()

    async def answer(self) -> Reply:
        await asyncio.wait_for(self.done.wait(), 10)
        return self.replies[-1]

    async def assert_echoed(self) -> None:
        assert (await self.answer()).body == self.body
        assert len(self.replies) == 1


class Played:
    """A worker's end of a link, and a process that can be killed in its stead."""

    def __init__(self) -> None:
        ours, self.link = socket.socketpair()
        self.link.setblocking(False)
        progress = Progress.create()
        self.progress = Progress(os.dup(progress.fd))
        self.pid = os.posix_spawn("/bin/sleep", ["sleep", "600"], {}, setsid=True)
        self.process = WorkerProcess(ours, progress, self.pid, is_child=True)
        self._data = b""
        self.places: list[int] = []  # where the bodies of requests were looked for

    def send(self, *replies: Reply) -> None:
        self.link.sendall(b"".join(reply.encode(reply.number) for reply in replies))

    def ready(self, *, batches: bool = False) -> None:
        head = {"pid": self.pid, "style": "plain", "needs_meta": False, "batches": batches, "swagger": {}}
        self.send(Reply(Kind.READY, 0, 0, 0, json.dumps(head).encode(), b""))

    async def requests(self, count: int) -> list[tuple[int, bytes]]:
        """The numbers and bodies of the next requests that come."""
        found = []
        while len(found) < count:
            if len(self._data) >= REQUEST.size:
                _, number, _, size, place = REQUEST.unpack_from(self._data)
                self.places.append(place)
                end = REQUEST.size + (size if place == INLINE else 0)
                if len(self._data) >= end:
                    shared = bytes(self.progress.bodies[place : place + size])
                    found.append((number, self._data[REQUEST.size : end] if place == INLINE else shared))
                    self._data = self._data[end:]
                    continue
            data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.link, 65536), 10)
            assert data, "the front has closed the link"
            self._data += data
        return found

    def close(self) -> None:
        self.link.close()
        self.progress.close()


class Launcher:
    """Starts played workers."""

    def __init__(self) -> None:
        self.started: list[Played] = []
        self.changed = asyncio.Event()

    def start(self) -> WorkerProcess:
        self.started.append(Played())
        self.changed.set()
        return self.started[-1].process

    async def get(self, index: int) -> Played:
        while len(self.started) <= index:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 10)
        return self.started[index]

    async def template_status(self) -> int | None:
        return None

    def was_refused(self, process: WorkerProcess) -> bool:
        return False

    def was_orphaned(self, process: WorkerProcess) -> bool:
        return False

    def note_ready(self, process: WorkerProcess) -> None: ...

    def close(self) -> None: ...


def result(number: int, body: bytes = b"") -> Reply:
    return Reply(Kind.RESULT, Flag.TIMED, 200, QUICK_NS, b"", body, number)


def reply(kind: int, number: int, body: bytes = b"") -> Reply:
    return Reply(kind, 0, 200, 0, b"", body, number)


class Front:
    """A pool, and what plays its workers."""

    def __init__(self, workers: int, **settings: Any) -> None:
        self.launcher = Launcher()
        processes = [self.launcher.start() for _ in range(workers)]
        launcher: Any = self.launcher
        self.pool = Pool(Settings(worker_count=workers, **settings), launcher, processes, Metrics())

    async def start(self) -> list[Played]:
        """The workers, ready and known to be quick."""
        await self.pool.start()
        for played, link in zip(self.launcher.started, self.pool.links, strict=True):
            played.ready()
            while not link.window:
                await asyncio.sleep(0)
            while link.window < 16:
                link._average_ns = QUICK_NS
                link._set_window()
        return list(self.launcher.started)

    def submit(self, *bodies: bytes) -> list[Request]:
        requests = [Request(body) for body in bodies]
        for request in requests:
            assert self.pool.submit(request)
        return requests


def played(workers: int, **settings: Any) -> Callable[[Callable[[Front], Awaitable[None]]], Callable[[], None]]:
    """Run a test with a pool of as many workers, which ends afterwards."""

    def decorate(test: Callable[[Front], Awaitable[None]]) -> Callable[[], None]:
        async def main() -> None:
            front = Front(workers, **settings)
            try:
                await test(front)
            finally:
                await front.pool.stop(0)
                for each in front.launcher.started:
                    each.close()

        def run() -> None:
            main_: Coroutine[Any, Any, None] = main()
            uvloop.run(main_)

        run.__name__ = test.__name__
        return run

    return decorate
