"""What a container's limits on memory and CPU do to the server in it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from scoring_server.threads import VARIABLES

from .cases.apps import App
from .kinds import ContainerProcess, built_image, end, launch_container, wait_until_ready
from .process import Server, later, wait_for_queue

pytestmark = pytest.mark.e2e

MEBIBYTE = 1 << 20
SCRIPT = """
import json, os, pathlib, time
def init(): pass
def run(data):
    if data.startswith("x"):
        return len(data)
    request = json.loads(data)
    print("run with", request)
    while "until" in request and not pathlib.Path("/tmp", request["until"]).exists():
        time.sleep(0.01)
    held = []
    while request.get("hog"):
        held.append(b"x" * (1 << 20))
    return dict(os.environ)
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, base_image: str) -> Iterator[str]:
    app = App("limits.py", texts={"limits.py": SCRIPT})
    with built_image(tmp_path_factory.mktemp("limits"), base_image, {"limits": app}, []) as tag:
        yield tag


@contextmanager
def container(image: str, workers: int, **limits: Any) -> Iterator[Server]:
    app = App("limits.py", environ={"WORKER_COUNT": str(workers)}, workers=workers)
    server = launch_container(image, app, "limits", tmpfs={"/tmp": ""}, **limits)
    try:
        wait_until_ready(server, workers)
        yield server
    finally:
        end(server)


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, 1), (None, len(os.sched_getaffinity(0)))])
def test_a_quota_of_cpu_limits_the_threads(image: str, cpus: float | None, threads: int) -> None:
    with container(image, 1, **({"nano_cpus": int(cpus * 1e9)} if cpus else {})) as server:
        environ = server.score({}).json()
        assert {name: environ[name] for name in VARIABLES} == dict.fromkeys(VARIABLES, str(threads))


def finish(sender: socket.socket, rest: bytes) -> bytes:
    """Send the rest of a request; gives how the answer begins, nothing where the connection was reset."""
    with suppress(BrokenPipeError, ConnectionResetError):
        sender.sendall(rest)
    with suppress(ConnectionResetError):
        return sender.recv(12)
    return b""


def test_bodies_do_not_use_up_the_memory(image: str) -> None:
    """Though their senders, with 240 of the 200 MiB that there are, take all the time that they want."""
    limits = {"mem_limit": 200 * MEBIBYTE, "memswap_limit": 200 * MEBIBYTE, "restart_policy": {"Name": "always"}}
    half = b"x" * (20 * MEBIBYTE)
    head = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2 * len(half))
    with container(image, 1, **limits) as server, ExitStack() as stack:
        assert isinstance(server.process, ContainerProcess)
        own = server.process.container
        started = own.attrs["State"]["StartedAt"]
        senders = [stack.enter_context(server.connect()) for _ in range(12)]
        for sender in senders:
            with suppress(BrokenPipeError, ConnectionResetError):
                sender.sendall(head + half)
        assert server.request("GET", "/").status == 200
        begins = [finish(sender, half) for sender in senders]
        assert set(begins) <= {b"HTTP/1.1 200", b"HTTP/1.1 503", b""}
        assert 0 < begins.count(b"HTTP/1.1 200") < len(senders)
        assert server.request("GET", "/").status == 200
        own.reload()
        assert (own.attrs["RestartCount"], own.attrs["State"]["StartedAt"]) == (0, started)
        assert server.log.count("is replaced") == 0


def test_who_uses_up_the_memory_is_gone_and_the_others_are_served(image: str) -> None:
    """Even though the front, full of bodies that wait, uses more of it."""
    limits = {"mem_limit": 300 * MEBIBYTE, "memswap_limit": 300 * MEBIBYTE, "restart_policy": {"Name": "always"}}
    body = "x" * (22 * MEBIBYTE)
    with container(image, 2, **limits) as server, ThreadPoolExecutor(5) as pool:
        assert isinstance(server.process, ContainerProcess)
        own = server.process.container
        started = own.attrs["State"]["StartedAt"]
        hog = later(server, {"until": "go", "hog": True})
        busy = later(server, {"until": "end"})
        waiting = [pool.submit(server.request, "POST", "/score", body, timeout=60.0) for _ in range(5)]
        wait_for_queue(server, 5)
        assert own.exec_run(["touch", "/tmp/go"]).exit_code == 0
        assert hog.result(60).status == 500
        assert [each.result(60).json() for each in waiting] == [len(body)] * 5
        assert server.request("GET", "/").status == 200
        assert own.exec_run(["touch", "/tmp/end"]).exit_code == 0
        assert busy.result(60).status == 200
        assert server.log.wait_for("is replaced")
        assert server.log.count("is replaced") == 1, server.log.text
        own.reload()
        assert (own.attrs["RestartCount"], own.attrs["State"]["StartedAt"]) == (0, started)
