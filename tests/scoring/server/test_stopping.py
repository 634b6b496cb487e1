"""SIGTERM: what was asked is answered, nothing is left."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from .certificates import tls_environ, trusting
from .process import Server, app_root, later, read_all, read_answer, running, wait_for_queue, write_script
from .wire import HEAD, answers, post, sleep


def test_sigterm_finishes_what_was_asked(tmp_path: Path) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server, ThreadPoolExecutor(3) as pool:
        running_one = later(server, {"do": "sleep", "seconds": 1})
        queued = pool.submit(server.score, {"do": "sleep", "seconds": 0.1})
        wait_for_queue(server, 1)
        idle = server.connect()
        with idle:
            server.process.send_signal(signal.SIGTERM)
            assert server.log.wait_for("Stopping:")
            idle.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n7")
            late = read_all(idle)
        assert late.startswith(b"HTTP/1.1 200")
        assert late.endswith(b"7")
        assert b"Connection: close" in late
        answer = running_one.result(30)
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert queued.result(30).status == 200
        assert server.process.wait(10) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_worker_that_is_being_restarted_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(
        "import os, pathlib\ndef init():\n    if pathlib.Path('fail').exists(): os._exit(1)\n"
        "def run(data): return os.getpid()\n"
    )
    environ = {"WORKER_COUNT": "2", "WORKER_PRELOAD": "false"}
    with running(tmp_path, "score.py", environ, workers=2) as server:
        (tmp_path / "fail").touch()
        os.kill(server.score(1).json(), signal.SIGKILL)
        assert server.log.wait_for("next attempt in 3.2 s")
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        assert time.monotonic() - started < 2.5


REQUEST = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"


def call_anew(server: Server, outcomes: list[str]) -> None:
    """New connections all the time, until none is let in."""
    while True:
        try:
            connection = server.connect()
        except ConnectionRefusedError:
            return
        with connection:
            connection.sendall(REQUEST + b"Connection: close\r\n\r\n7")
            outcomes.append("ok" if read_all(connection).endswith(b"7") else "lost")


def call_on(server: Server, outcomes: list[str]) -> None:
    """One connection for many requests; a new one where the server says that it closes the old one."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            connection.connect()
        except ConnectionRefusedError:
            return
        with contextlib.closing(connection):
            closing = False
            while not closing:
                connection.request("POST", "/score", "7")
                response = connection.getresponse()
                outcomes.append("ok" if response.read() == b"7" else "lost")
                closing = response.getheader("connection") == "close"


@pytest.mark.parametrize("call", [call_anew, call_on])
def test_no_request_is_lost_when_stopping_under_load(tmp_path: Path, call: Callable[[Server, list[str]], None]) -> None:
    """Each is answered, or refused before its connection is made."""
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server, ThreadPoolExecutor(4) as pool:
        outcomes: list[str] = []
        callers = [pool.submit(call, server, outcomes) for _ in range(4)]
        assert server.log.wait_for("POST /score 200", 100)
        assert server.stop() == 0
        for caller in callers:
            caller.result(30)
        assert set(outcomes) == {"ok"}
        assert len(outcomes) >= 100


def test_requests_that_wait_for_a_new_worker_are_finished(tmp_path: Path) -> None:
    script = """
import os, pathlib, time
def init():
    folder = pathlib.Path(__file__).parent
    while (folder / "started").exists() and not (folder / "gate").exists():
        time.sleep(0.01)
    (folder / "started").touch()
def run(data):
    if data == "die":
        os._exit(1)
    return data
"""
    root = write_script(tmp_path, script)
    with running(root, "score.py") as server, ThreadPoolExecutor(1) as pool:
        assert server.request("POST", "/score", "die").status == 500
        waiting = pool.submit(server.request, "POST", "/score", "x")
        wait_for_queue(server, 1)
        server.process.send_signal(signal.SIGTERM)
        assert server.log.wait_for("Stopping:")
        (root / "gate").touch()
        assert waiting.result(30).json() == "x"
        assert server.process.wait(10) == 0


def test_a_lame_duck_serves_but_is_not_healthy(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"SCORING_LAME_DUCK": "60"}) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", "/score", "1")
        assert read_answer(connection.getresponse()).header("connection") is None
        server.process.send_signal(signal.SIGTERM)
        assert server.log.wait_for("Stopping in 60 s")
        health = server.request("GET", "/")
        assert (health.status, health.message) == (503, "The service is not ready.")
        connection.request("POST", "/score", "2")
        answer = read_answer(connection.getresponse())
        assert (answer.json(), answer.header("connection")) == (2, "close")
        connection.close()
        assert server.score([3]).json() == [3], "new connections are taken"
        assert server.stop() == 0, "a second signal ends the wait"


def test_a_lame_duck_stops_by_itself(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"SCORING_LAME_DUCK": "0.3"}) as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0


HANGS_AT_EXIT = """
import atexit, time
def init():
    atexit.register(time.sleep, 60)
def run(data):
    print("run with", len(data), "characters")
    if data == '"sleep"':
        time.sleep(60)
    return data
"""


def test_a_lame_duck_closes_behind_the_last_of_several_requests(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"SCORING_LAME_DUCK": "60"}) as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.log.wait_for("Stopping in 60 s")
        received = answers(server.raw(post("7") + b"GET /swagger.json HTTP/1.1\r\n\r\n" * 3 + post("8")))
        assert [answer.status for answer in received] == [200] * 5
        assert [answer.header("connection") for answer in received] == [None] * 4 + ["close"]
        assert server.stop() == 0


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("drain", [3.0])
def test_the_drain_ends_in_time(tmp_path: Path, drain: float, tls: bool) -> None:
    """Whatever holds it up: a request that hangs, callers who keep their connections, a worker that does not end."""
    root = write_script(tmp_path, HANGS_AT_EXIT)
    environ = {"SCORING_DRAIN": str(drain), "SCORING_REQUEST_LOG_RATE": "1", "WORKER_COUNT": "2"}
    environ |= {"SCORING_REQUEST_LOG_PATH": str(tmp_path / "log"), **(tls_environ(root) if tls else {})}
    with running(root, "score.py", environ, workers=2) as server, ExitStack() as stack:

        def connect() -> socket.socket:
            plain = stack.enter_context(server.connect())
            context = trusting(root) if tls else None
            return context.wrap_socket(plain, server_hostname="localhost") if context else plain

        hanging, half, idle = stack.enter_context(connect()), stack.enter_context(connect()), connect()
        stack.enter_context(idle)
        stack.enter_context(server.connect())  # with TLS, one that does not even shake hands
        hanging.sendall(post('"sleep"'))
        half.sendall(HEAD + b"Content-Length: 9\r\n\r\n7")
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert idle.recv(65536)
        assert server.log.wait_for("run with")
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        spent = time.monotonic() - started
        assert drain / 2 < spent <= drain + 1, "with the time to start and end a process"
        (answer,) = answers(read_all(hanging))
        assert (answer.status, answer.message) == (503, "The service is stopping.")
    assert "SCORING_DRAIN allows" in server.log.text


def test_what_waits_behind_a_request_that_hangs_is_told(tmp_path: Path) -> None:
    environ = {"SCORING_DRAIN": "1.5"}
    with (
        running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ) as server,
        server.connect() as connection,
    ):
        connection.sendall(post(sleep(60)) + post("7") * 3)
        assert server.log.wait_for("run with")
        server.process.send_signal(signal.SIGTERM)
        received = answers(read_all(connection))
        assert [(answer.status, answer.message) for answer in received] == [(503, "The service is stopping.")] * 4
        assert [answer.header("connection") for answer in received] == [None] * 3 + ["close"]
        assert server.process.wait(10) == 0


def test_without_a_drain_the_end_comes_at_once(tmp_path: Path) -> None:
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", {"SCORING_DRAIN": "0"}) as server:
        hanging = later(server, {"do": "sleep", "seconds": 60})
        assert server.stop(timeout=3) == 0
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert hanging.result(30).status == 503


def test_no_process_is_left(tmp_path: Path) -> None:
    environ = {"WORKER_COUNT": "2"}
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ, workers=2) as server:
        pids = [int(found) for found in re.findall(r"Worker with pid (\d+) ready", server.log.text)]
        assert len(pids) == 2
        server.process.kill()
        server.process.wait(10)
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline, "workers outlive their front"
            time.sleep(0.02)
