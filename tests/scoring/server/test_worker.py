"""The worker's side of its link: what it sends when, and what it leaves."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from scoring_server import worker
from scoring_server.bodies import INLINE
from scoring_server.frames import REQUEST, Kind, Reply, ReplyReader
from scoring_server.progress import Progress
from scoring_server.script import Script
from scoring_server.settings import Settings
from scoring_server.tracing import Ids
from scoring_server.worker import Worker


class Front:
    """A worker in a thread, and the front's end of its link."""

    def __init__(self, link: socket.socket, progress: Progress) -> None:
        self.link = link
        self.progress = progress
        self._reader = ReplyReader()
        self._replies: list[Reply] = []
        self._sent = 0

    def send(self, *bodies: bytes, meta: bytes = b"") -> None:
        """Send requests in one write, numbered from 1 on."""
        frames = []
        for body in bodies:
            self._sent += 1
            frames.append(REQUEST.pack(0, self._sent, len(meta), len(body), INLINE) + meta + body)
        self.link.sendall(b"".join(frames))

    def receive(self, count: int) -> list[tuple[int, int, bytes]]:
        """The next replies: kind, number and body."""
        while len(self._replies) < count:
            self._replies += self._reader.feed(self.link.recv(65536))
        found, self._replies = self._replies[:count], self._replies[count:]
        return [(reply.kind, reply.number, reply.body) for reply in found]

    def receive_all(self) -> list[tuple[int, int, bytes]]:
        """The replies until the worker ends, as no more requests come."""
        self.link.shutdown(socket.SHUT_WR)
        while data := self.link.recv(65536):
            self._replies += self._reader.feed(data)
        return self.receive(len(self._replies))


@contextmanager
def working(run: Callable[[str], Any]) -> Iterator[Front]:
    module = ModuleType("entry_module")
    module.__dict__.update(init=lambda: None, run=run)
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    progress = Progress.create()
    shared = Progress(os.dup(progress.fd))
    worker = Worker(theirs, shared, Script(module), Settings())

    def serve() -> None:
        with theirs:
            worker.serve({})

    thread = threading.Thread(target=serve)
    front = Front(ours, progress)
    with ours:
        thread.start()
        assert front.receive(1)[0][:2] == (Kind.READY, 0)
        try:
            yield front
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            shared.close()
            progress.close()
    assert not thread.is_alive()


@pytest.mark.parametrize("size", [400, 5], ids=["longer", "as long"])
def test_no_reply_is_out_of_reach_while_the_next_request_takes_long(size: int) -> None:
    """One that may take long sends those before it on their way; one that does so unforeseen leaves them in sight."""
    begun, release = threading.Event(), threading.Event()

    def run(data: str) -> int:
        if data.startswith("long"):
            begun.set()
            assert release.wait(30)
        return len(data)

    with working(run) as front:
        front.send(b"first", b"long".ljust(size), b"last.")
        try:
            assert begun.wait(20)
            held = ReplyReader().feed(front.progress.held().data) if size == 5 else []
            found = [(reply.kind, reply.number, reply.body) for reply in held]
            assert (found or front.receive(1)) == [(Kind.RESULT, 1, b"5")]
            assert (front.progress.started, front.progress.finished) == (2, 1)
        finally:
            release.set()
        found = front.receive_all()
        assert found[-2:] == [(Kind.RESULT, 2, b"%d" % size), (Kind.RESULT, 3, b"5")]
        assert front.progress.held().data == b""


def test_what_is_taken_back_is_skipped() -> None:
    begun, release = threading.Event(), threading.Event()
    ran: list[str] = []

    def run(data: str) -> str:
        ran.append(data)
        if data == "1":
            begun.set()
            assert release.wait(30)
        return data

    with working(run) as front:
        front.send(b"1", b"2", b"3")
        assert begun.wait(20)
        front.progress.revoke(3, kept=0)
        front.send(b"4")
        assert front.progress.started == 1
        release.set()
        assert front.receive(4) == [
            (Kind.RESULT, 1, b'"1"'),
            (Kind.SKIPPED, 2, b""),
            (Kind.SKIPPED, 3, b""),
            (Kind.RESULT, 4, b'"4"'),
        ]
        assert ran == ["1", "4"]
        front.progress.revoke(6, kept=5)
        front.send(b"5", b"6")
        assert front.receive(2) == [(Kind.RESULT, 5, b'"5"'), (Kind.SKIPPED, 6, b"")]
        assert (front.progress.started, front.progress.finished) == (5, 5)


def test_a_reply_too_large_to_be_held_is_sent() -> None:
    with working(lambda data: data * 10_000) as front:
        front.send(b"1234567", b"2", b"3")
        assert [(kind, number, len(body)) for kind, number, body in front.receive(3)] == [
            (Kind.RESULT, 1, 70_002),
            (Kind.RESULT, 2, 10_002),
            (Kind.RESULT, 3, 10_002),
        ]


@pytest.mark.parametrize("status", [70_000, 65_536, 1000, 199, 101, 100, 99, 0, -1])
def test_a_status_that_is_no_final_answer(status: int, caplog: pytest.LogCaptureFixture) -> None:
    from scoring_server.aml import AMLResponse

    with working(lambda data: AMLResponse("x", status)) as front:
        front.send(b"1")
        ((kind, number, body),) = front.receive(1)
    assert (kind, number) == (Kind.RESULT, 1)
    assert body == b'{"message": "An unexpected internal error occurred. Check the logs for more info."}'
    assert f"a response with the status {status}. Allowed are 200 to 999" in caplog.text


def test_a_default_time_out_of_sockets_is_not_the_links() -> None:
    """A template makes its workers' links when the script may have set one already."""
    socket.setdefaulttimeout(0.05)
    try:
        with working(lambda data: data) as front:
            time.sleep(0.1)
            front.send(b"1")
            assert front.receive(1) == [(Kind.RESULT, 1, b'"1"')]
    finally:
        socket.setdefaulttimeout(None)


@pytest.mark.parametrize("meta", [b"", Ids("a" * 36, "").pack()])
def test_replies_to_small_requests_wait_for_each_other_whatever_their_ids(
    meta: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_QUICK_NS", "_HOLD_NS"):
        monkeypatch.setattr(worker, name, 10**10)  # however slow this machine is
    with working(lambda text: text) as front:
        front.send(*[b"1"] * 8, meta=meta)
        assert [number for _, number, _ in front.receive_all()] == list(range(1, 9))
        assert front.progress.held().flushes > 0
