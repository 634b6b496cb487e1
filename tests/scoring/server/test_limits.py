"""Limits: each gets the answer that is due beyond it, and the next request is served."""

from __future__ import annotations

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from scoring_server.results import INTERNAL_ERROR

from tests.ports import free_port

from .process import Server, Together, app_root, later, read_all, running, wait_for_queue
from .wire import END, HEAD, LAST, LAST_CHUNKED, assert_serves, post, status


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + END, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 900_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(101)) + b"\r\n", 431),
    ],
    ids=["long URL", "long header", "endless header", "many headers"],
)
def test_limits_of_the_head(plain: Server, data: bytes, expected: int) -> None:
    assert status(plain.raw(data)) == expected
    assert_serves(plain)


def test_a_body_at_the_limit_is_served(small: Server) -> None:
    assert small.request("POST", "/score", "x" * 1000).json() == "x" * 1000


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,
        HEAD + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
        LAST_CHUNKED + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 50000000\r\n\r\n" + b"x" * 3_000_000,
    ],
    ids=["by length", "before it is sent", "by chunks", "while it is sent"],
)
def test_a_larger_body_gets_413(small: Server, data: bytes) -> None:
    answer = small.raw(data)
    assert status(answer) == 413
    assert json.loads(answer.partition(END)[2])["message"] == "The body is larger than 1000 bytes."
    assert_serves(small)


def test_bodies_may_have_100_mebibytes_by_default(plain: Server) -> None:
    """It shows in the answer to the head alone."""
    asking = HEAD + b"Expect: 100-continue\r\n"
    with plain.connect() as connection:
        connection.sendall(asking + b"Content-Length: 104857600" + END)
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
    for head in (asking, HEAD):
        answer = plain.raw(head + b"Content-Length: 104857601" + END)
        assert status(answer) == 413
        assert json.loads(answer.partition(END)[2])["message"] == "The body is larger than 104857600 bytes."
    assert_serves(plain)


def test_bodies_together_are_limited(small: Server) -> None:
    held = []
    for _ in range(2):
        connection = small.connect()
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 999)
        held.append(connection)
    answers: list[int] = []
    # The two bodies may still be on their way when the third comes.
    deadline = time.monotonic() + 0.8
    while 503 not in answers and time.monotonic() < deadline:
        answers.append(small.request("POST", "/score", "x" * 1000).status)
    assert 503 in answers
    for connection in held:
        connection.sendall(b"x")
        assert status(connection.recv(65536)) == 200
        connection.close()
    assert_serves(small)


def test_a_full_queue_gets_503(small: Server) -> None:
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(small.score, {"do": "sleep", "seconds": 0.7}) for _ in range(6)]
        answers = [future.result() for future in futures]
    statuses = sorted(answer.status for answer in answers)
    assert statuses.count(200) >= 3
    assert statuses.count(503) >= 1
    busy = next(answer for answer in answers if answer.status == 503)
    assert busy.header("retry-after") == "1"
    assert busy.message == "The server is busy. Try again later."
    assert_serves(small)


def test_a_request_that_waits_for_too_long_gets_503(tmp_path: Path) -> None:
    environ = {"SCORING_QUEUE_TIMEOUT_MS": "400"}
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ) as server:
        for value in range(40):
            assert server.score(value).status == 200
        with Together(server, 4) as together:
            running_one, *waiting = together.post([{"do": "sleep", "seconds": 1.5}, 1, 2, 3])
            for each in waiting:
                answer = each.result()
                assert (answer.status, answer.header("retry-after")) == (503, "1")
                assert answer.message == "The server is busy: no worker was free within 400 ms. Try again later."
                assert answer.header("x-ms-run-function-failed") == "False"
            assert not running_one.done(), "what runs is not waiting"
            assert running_one.result().status == 200
        page = server.request("GET", "/metrics").body
        assert b'scoring_failures_total{kind="queue_timeout"} 3\n' in page
        assert b'scoring_failures_total{kind="busy"} 0\n' in page
        assert_serves(server)


def test_too_many_connections_get_503(small: Server) -> None:
    held: list[socket.socket] = []
    try:
        for _ in range(50):
            held.append(small.connect())
        with small.connect() as refused:
            assert status(read_all(refused)) == 503
        assert small.log.wait_for("Connections are refused, 1 since")
    finally:
        for connection in held:
            connection.close()
    deadline = time.monotonic() + 5
    while small.request("GET", "/").status != 200:
        assert time.monotonic() < deadline
    page = small.request("GET", "/metrics").body.decode()
    (count,) = re.findall(r"^scoring_connections_refused_total (\d+)$", page, re.MULTILINE)
    assert int(count) >= 1
    assert_serves(small)


def test_fifty_megabytes(plain: Server) -> None:
    body = b'"' + b"x" * 50_000_000 + b'"'
    answer = plain.request("POST", "/score", body, timeout=60)
    assert answer.status == 200
    assert answer.body == body


def test_no_buffered_bytes_are_forgotten(tmp_path: Path) -> None:
    """Whatever way a request ends, its body no longer counts afterwards."""
    environ = {"SCORING_MAX_BUFFERED_BYTES": "1000", "SCORING_MAX_QUEUE": "3", "SCORING_TIMEOUT_MS": "2000"}
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ) as server:
        filler = b" " * 300
        for body in (b"[1]", b'{"do": "raise"}', b'{"do": "die"}', b"\xff", b'{"do": "sleep", "seconds": 0.05}'):
            for _ in range(5):
                length = b"Content-Length: %d\r\n\r\n" % len(body + filler)
                assert server.raw(LAST + length + body + filler)
                head = HEAD + length
                with server.connect() as connection:
                    connection.sendall(head + body)  # and leaves
                with server.connect() as connection:
                    connection.sendall((head + body + filler) * 3)  # and leaves while more wait
        deadline = time.monotonic() + 20
        while server.request("POST", "/score", b" " * 999 + b"7").status != 200:
            assert time.monotonic() < deadline, "room is missing"


def test_who_has_left_takes_no_place_in_the_queue(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"SCORING_MAX_QUEUE": "2"}) as server, ThreadPoolExecutor(2) as pool:
        busy = later(server, {"do": "sleep", "seconds": 3})
        for count in (1, 2):
            with server.connect() as leaving:
                leaving.sendall(post("7"))
                wait_for_queue(server, count)
        while "\nscoring_connections 2\n" not in server.request("GET", "/metrics").body.decode():
            pass
        living = [pool.submit(server.score, number) for number in range(2)]
        assert [each.result(30).json() for each in living] == [0, 1]
        assert busy.result(30).status == 200
        assert server.log.wait_for("POST /score 499", 2)


def after(code: str) -> list[str]:
    """What Python is to run for a server that has its own code changed so."""
    start = (
        "import runpy, sys\n"
        "sys.argv[0] = 'scoring_server'\n"
        "runpy.run_module('scoring_server', run_name='__main__', alter_sys=True)\n"
    )
    return ["-W", "ignore", "-c", f"{code}{start}"]


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
"""


def test_fewer_connections_where_fewer_files_may_be_open(tmp_path: Path) -> None:
    """They are refused with a word, and counted, in place of being reset."""
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", program=after(LIMITED)) as server, ExitStack() as stack:
        assert server.log.wait_for("SCORING_MAX_CONNECTIONS is 4096, and 34 at the same time are taken")
        kept = stack.enter_context(server.connect())
        for _ in range(33):
            stack.enter_context(server.connect())
        for _ in range(20):
            refused = stack.enter_context(server.connect())
            assert refused.recv(65536).startswith(b"HTTP/1.1 503 ")
        kept.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        page = read_all(kept).decode()
        assert "\nscoring_connections_refused_total 20\n" in page
        assert "\nprocess_max_fds 80\n" in page


def test_the_health_port_has_places_of_its_own(tmp_path: Path) -> None:
    root, port = app_root(tmp_path, "plain.py", "sibling.py"), free_port()
    environ = {"SCORING_MAX_CONNECTIONS": "3", "SCORING_HEALTH_PORT": str(port)}
    with running(root, "plain.py", environ) as server, ExitStack() as stack:
        health = Server(server.process, port, server.log, root)
        for _ in range(3):
            stack.enter_context(server.connect()).sendall(b"G")
        with server.connect() as refused:
            assert refused.recv(65536).startswith(b"HTTP/1.1 503 ")
        for _ in range(5):
            assert health.request("GET", "/").body == b"Healthy"
        checks = [stack.enter_context(health.connect()) for _ in range(64)]
        with health.connect() as refused:
            assert refused.recv(65536).startswith(b"HTTP/1.1 503 ")
        checks[0].close()
        while health.request("GET", "/").status != 200:
            pass


BROKEN_PAGE = """
from scoring_server.metrics_page import MetricsPage
MetricsPage.render = lambda *_: 1 / 0
"""


def test_an_error_of_the_servers_own_is_told(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", program=after(BROKEN_PAGE)) as server:
        answer = server.request("GET", "/metrics")
        assert (answer.status, answer.message) == (500, INTERNAL_ERROR)
        assert server.log.wait_for("ZeroDivisionError")
        assert server.score(1).json() == 1


BROKEN_LOG = """
from scoring_server.logs import AccessLog
write = AccessLog.write
def fail(self, answered):
    if answered.target == "/swagger.json":
        raise ZeroDivisionError("secret detail")
    write(self, answered)
AccessLog.write = fail
"""


def test_an_error_after_an_answer_makes_no_second_one(tmp_path: Path) -> None:
    """It would be taken for the next request's."""
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", program=after(BROKEN_LOG)) as server:
        with server.connect() as connection:
            connection.sendall(b"GET /swagger.json HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_all(connection).count(b"HTTP/1.1 ") <= 1
        assert server.log.wait_for("ZeroDivisionError")
        assert server.score(1).json() == 1
