"""Clients that are slow, leave, or are very many."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from .conftest import Start
from .fuzzing import RSS_TOLERANCE_KB, use
from .process import Server, app_root, read_all, running, write_script
from .wire import CHUNKED, HEAD, assert_serves, status


@pytest.mark.parametrize("data", [b"GET / HT", HEAD + b"Content-Length: 10\r\n\r\n123"], ids=["head", "body"])
def test_a_slow_client_gets_408(small: Server, data: bytes) -> None:
    with small.connect() as connection:
        connection.sendall(data)
        assert status(read_all(connection)) == 408
    assert_serves(small)


LINES = b"GET / HTTP/1.1\r\nHost: x\r\nX: "


@pytest.mark.parametrize(
    ("at_once", "rest"),
    [
        (b"", LINES + b"x" * 1000),
        (LINES, b"x" * 1000),
        (HEAD + b"Content-Length: 900\r\n\r\n", b"x" * 900),
        (CHUNKED + b"384\r\n", b"x" * 900),
    ],
    ids=["all", "header", "body", "chunk"],
)
def test_a_client_that_trickles_gets_408(small: Server, at_once: bytes, rest: bytes) -> None:
    """A byte at a time, and never silent."""
    with small.connect() as connection:
        connection.sendall(at_once)
        connection.settimeout(0.05)
        deadline = time.monotonic() + 10
        received = b""
        while not received:
            assert time.monotonic() < deadline, "it may go on"
            connection.sendall(rest[:1])
            rest = rest[1:]
            with contextlib.suppress(TimeoutError):
                received = connection.recv(65536)
        assert status(received) == 408
    assert_serves(small)


def test_a_body_that_came_fast_buys_no_silence(tmp_path: Path) -> None:
    environ = {"SCORING_READ_TIMEOUT": "1"}
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", environ) as server, server.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 60000000\r\n\r\n" + b"x" * 50_000_000)
        connection.settimeout(10)
        assert status(connection.recv(65536)) == 408


def test_a_body_may_come_slowly_as_long_as_it_comes(tmp_path: Path) -> None:
    environ = {"SCORING_READ_TIMEOUT": "1"}
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", environ) as server, server.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 100001\r\n\r\n7")
        connection.settimeout(0.2)
        for _ in range(19):
            connection.sendall(b" " * 5000)
            with pytest.raises(TimeoutError):
                connection.recv(65536)
        connection.settimeout(10)
        connection.sendall(b" " * 5000)
        assert status(connection.recv(65536)) == 200


def test_an_idle_connection_is_closed(small: Server) -> None:
    with small.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_all(connection).endswith(b"Healthy")


def test_a_thousand_slow_clients_do_not_stop_the_next(plain: Server) -> None:
    held = []
    try:
        for number in range(1000):
            connection = plain.connect()
            connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n" + b"x" * (number % 50))
            held.append(connection)
        assert_serves(plain)
        assert plain.request("GET", "/").body == b"Healthy"
    finally:
        for connection in held:
            connection.close()
    assert_serves(plain)


def test_a_caller_who_leaves_does_not_harm_others(plain: Server) -> None:
    before = plain.log.count("POST /score 499")
    for _ in range(5):
        with plain.connect() as connection:
            body = b'{"do": "sleep", "seconds": 0.5}'
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert_serves(plain)
    assert plain.log.wait_for("POST /score 499", before + 5)


def test_an_endless_stream_ends_with_its_caller(serving: Start) -> None:
    server = serving("raw")
    with server.connect() as connection:
        connection.sendall(b"GET /score?do=endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(connection.recv(4096)) == 200
    assert server.request("GET", "/score?do=closed").json() == [True]


def test_a_stream_that_breaks_is_seen_to_break(serving: Start) -> None:
    server = serving("raw")
    answer = server.raw(b"GET /score?do=breaks HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b'"first"' in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert b"secret" not in answer
    assert server.request("GET", "/score").status == 200


@pytest.mark.parametrize("pace", [0, 100], ids=["silent", "trickling"])
def test_a_client_that_does_not_take_its_answer_is_left(small: Server, pace: int) -> None:
    """Be it that it reads nothing, or a few bytes now and then."""
    with small.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        body = b'{"do": "value", "expression": "\'x\' * 30_000_000"}'
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        deadline = time.monotonic() + 20
        while connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != b"\x07":  # CLOSE
            assert time.monotonic() < deadline, "the connection is still open"
            connection.recv(pace or 1, 0 if pace else socket.MSG_PEEK)
            time.sleep(0.05)
    assert_serves(small)


FLOOD = """
from azureml.contrib.services.aml_request import rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init(): pass

@rawhttp
def run(request):
    return AMLResponse((b"x" * 1_000_000 for _ in range(1000)), 200) if request.args else "other"
"""


def test_a_stream_that_is_not_taken_frees_its_worker(tmp_path: Path) -> None:
    with (
        running(write_script(tmp_path, FLOOD), "score.py", {"SCORING_READ_TIMEOUT": "1"}) as server,
        server.connect() as connection,
    ):
        connection.sendall(b"GET /score?flood=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status(connection.recv(4096)) == 200
        assert server.request("GET", "/score").json() == "other"


def test_a_thousand_clients_that_send_a_byte_now_and_then(plain: Server) -> None:
    """Heads and bodies; all the while the others are served, and the front holds little for each."""
    before, _ = use({plain.process.pid})
    held = [plain.connect() for _ in range(1000)]
    try:
        for turn in range(10):
            for number, connection in enumerate(held):
                data = HEAD + b"Content-Length: 9999\r\n\r\n1" if number % 2 else HEAD + b"X: " + b"x" * 100
                connection.sendall(data[turn * 7 : turn * 7 + 7])
            assert_serves(plain)
            assert plain.request("GET", "/").body == b"Healthy"
        assert use({plain.process.pid})[0] - before < RSS_TOLERANCE_KB
    finally:
        for connection in held:
            connection.close()
    assert_serves(plain)
