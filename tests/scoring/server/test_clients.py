"""Clients that are slow, leave, or are very many."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from .conftest import Start
from .process import Server, read_all, running, write_script
from .wire import HEAD, assert_serves, status


@pytest.mark.parametrize("data", [b"GET / HT", HEAD + b"Content-Length: 10\r\n\r\n123"], ids=["head", "body"])
def test_a_slow_client_gets_408(small: Server, data: bytes) -> None:
    with small.connect() as connection:
        connection.sendall(data)
        assert status(read_all(connection)) == 408
    assert_serves(small)


def test_a_client_that_trickles_gets_408(small: Server) -> None:
    with small.connect() as connection:
        started = time.monotonic()
        answer = b""
        connection.settimeout(0.1)
        while not answer and time.monotonic() - started < 10:
            connection.sendall(b"G" if time.monotonic() == started else b"E")
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                continue
        assert status(answer) in (400, 408)
    assert_serves(small)


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
            body = b'{"do": "sleep", "seconds": 0.05}'
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
    """Heads and bodies; all the while the others are served, and the front holds no more than their bytes."""
    held = [plain.connect() for _ in range(1000)]
    try:
        for turn in range(3):
            for number, connection in enumerate(held):
                data = HEAD + b"Content-Length: 9\r\n\r\n1" if number % 2 else HEAD
                connection.sendall(data[turn * 10 : turn * 10 + 10])
            assert_serves(plain)
            assert plain.request("GET", "/").body == b"Healthy"
    finally:
        for connection in held:
            connection.close()
    assert_serves(plain)
