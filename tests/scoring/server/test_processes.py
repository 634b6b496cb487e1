"""Starting workers: what a start that fails leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import subprocess
from typing import Any

import pytest
from scoring_server import forked
from scoring_server.processes import Launcher, WorkerProcess
from scoring_server.progress import Progress
from scoring_server.settings import Settings


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_that_fails_leaves_no_open_file(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    def exhausted(*_: Any, **__: Any) -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "posix_spawn", exhausted)
    launcher = Launcher(Settings(worker_count=workers))
    before = open_files()
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            launcher.start()
    assert open_files() == before


def test_a_first_start_that_fails_leaves_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def second_fails(*_: Any) -> int:
        if started:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(subprocess.Popen(["sleep", "60"]))
        return started[0].pid

    monkeypatch.setattr(forked, "possible", lambda: True)
    monkeypatch.setattr(forked, "fork", second_fails)
    with pytest.raises(BlockingIOError):
        Launcher(Settings(worker_count=2, worker_preload=False)).start_first(2)
    assert started[0].wait(10) == -signal.SIGKILL


def test_an_end_is_seen_where_there_is_no_room_for_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def exhausted(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio, "to_thread", exhausted)
    child = os.posix_spawn("/bin/sleep", ["sleep", "600"], os.environ)
    mine, theirs = socket.socketpair()
    with mine, theirs, contextlib.closing(Progress.create()) as progress:
        process = WorkerProcess(mine, progress, child, is_child=True)
        assert asyncio.run(process.end(0.0)) == 128 + signal.SIGKILL
        assert process.killed
