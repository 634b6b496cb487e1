"""Several requests at once on a connection: each is answered, in order, and none costs more than if it came alone."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from .fuzzing import RSS_TOLERANCE_KB, use
from .process import Server, app_root, read_all, running
from .wire import END, HEAD, LAST, NOT_HTTP, answers, assert_serves, post, sleep

BUNDLE = b"GET /ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n"
GOODBYE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def reluctant(server: Server) -> socket.socket:
    """A connection with next to no room for answers."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    return connection


def send_all_it_takes(connection: socket.socket, data: bytes) -> int:
    """Send until the server takes no more for a while; how much that was."""
    connection.settimeout(0.3)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < len(data):
            sent += connection.send(data[sent : sent + 65536])
    connection.settimeout(30)
    return sent


def test_answers_that_nobody_reads_are_not_made(plain: Server) -> None:
    """They would be 90 MB. Once they are read, all are there."""
    whole = plain.request("GET", "/ui/swagger-ui-bundle.js").body
    before, _ = use({plain.process.pid})
    with reluctant(plain) as connection:
        connection.sendall((BUNDLE + b"\r\n") * 60 + GOODBYE)
        for _ in range(20):
            assert_serves(plain)
        assert use({plain.process.pid})[0] - before < RSS_TOLERANCE_KB
        received = answers(read_all(connection))
    assert [len(answer.body) for answer in received] == [len(whole)] * 60 + [7]
    assert_serves(plain)


def test_files_that_nobody_reads_take_no_room_from_bodies(tmp_path: Path) -> None:
    """All are sent the same bytes: with keys, anyone may ask for them."""
    environ = {"SCORING_MAX_BUFFERED_BYTES": "3000000"}
    with running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ) as server, ExitStack() as stack:
        assert server.request("GET", "/ui/swagger-ui-bundle.js").status == 200
        before, _ = use({server.process.pid})
        for _ in range(40):
            stack.enter_context(reluctant(server)).sendall((BUNDLE + b"\r\n") * 10)
        for _ in range(20):
            assert_serves(server)
        assert use({server.process.pid})[0] - before < RSS_TOLERANCE_KB


def test_requests_that_nobody_waits_for_are_not_taken(plain: Server) -> None:
    """Neither as bytes nor as requests: some 5,000 of them are in what is read at once."""
    before, _ = use({plain.process.pid})
    data = b"GET /swagger.json HTTP/1.1\r\n\r\n" * 1_000_000
    held = [reluctant(plain) for _ in range(5)]
    try:
        sent = [send_all_it_takes(connection, data) for connection in held]
        assert max(sent) < len(data)
        assert use({plain.process.pid})[0] - before < RSS_TOLERANCE_KB
        assert_serves(plain)
    finally:
        for connection in held:
            connection.close()
    assert_serves(plain)


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (b"GET /" + b"x" * 30_000_000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 30_000_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X-Y: 1\r\n" * 3_000_000, 431),
        (HEAD + b"Content-Length: 200000000" + END + b"x" * 30_000_000, 413),
    ],
    ids=["endless URL", "endless header", "endless headers", "too large a body"],
)
def test_limits_hold_behind_a_request_in_flight(plain: Server, behind: bytes, expected: int) -> None:
    before, _ = use({plain.process.pid})
    with plain.connect() as connection:
        connection.sendall(post(sleep(2)))
        sent = send_all_it_takes(connection, behind)
        assert sent < len(behind), "all of it was taken while there was no use for it"
        assert use({plain.process.pid})[0] - before < RSS_TOLERANCE_KB

        def go_on() -> None:
            with contextlib.suppress(OSError):
                connection.sendall(behind[sent:])

        sender = threading.Thread(target=go_on)
        sender.start()
        received = answers(read_all(connection))
        sender.join()
    assert [answer.status for answer in received] == [200, expected]
    assert_serves(plain)


@pytest.mark.parametrize("garbage", [b"\x00\x00garbage\r\n\r\n", b"GET / HTTP/1.1\nX: y\n\n", b"7\r\n\r\n"])
@pytest.mark.parametrize("first", [sleep(0.2), "7"], ids=["in flight", "at once"])
def test_garbage_is_answered_after_what_was_before_it(plain: Server, garbage: bytes, first: str) -> None:
    data = post(first) + post("8") + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + garbage + post("9")
    received = answers(plain.raw(data))
    assert [answer.status for answer in received] == [200, 200, 200, 400]
    assert [received[1].body, received[2].body] == [b"8", b"Healthy"]
    assert received[3].message == NOT_HTTP
    assert [answer.header("connection") for answer in received] == [None, None, None, "close"]
    assert_serves(plain)


def test_a_pipeline_may_come_in_any_pieces(plain: Server) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n4;a=b\r\n2,3]\r\n0\r\nX: y\r\n\r\n"
    data = post("[1]") + chunked + b"\r\n\r\nGET / HTTP/1.1\r\n\r\n" + post(sleep(0.05)) + chunked + post("[2]")
    expected = [b"[1]", b"[1, 2, 3]", b"Healthy", sleep(0.05).encode(), b"[1, 2, 3]", b"[2]", b"Healthy"]
    for size in (1, 3, 7, 50, 1000):
        with plain.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start in range(0, len(data), size):
                connection.sendall(data[start : start + size])
            connection.sendall(GOODBYE)
            assert [answer.body for answer in answers(read_all(connection))] == expected


def test_expect_continue_behind_a_request_in_flight(plain: Server) -> None:
    with plain.connect() as connection:
        connection.sendall(post(sleep(0.3)) + LAST + b"Expect: 100-continue\r\nContent-Length: 1" + END)
        received = b""
        while not received.endswith(b"HTTP/1.1 100 Continue\r\n\r\n"):
            got = connection.recv(65536)
            assert got, received
            received += got
        connection.sendall(b"7")
        found = answers(received + read_all(connection))
    assert [answer.status for answer in found] == [200, 100, 200]
    assert found[2].body == b"7"


@pytest.mark.parametrize("count", [2, 5, 40])
def test_all_that_came_before_the_signal_is_answered(tmp_path: Path, count: int) -> None:
    """Only the last answer says that the connection ends."""
    with (
        running(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py") as server,
        server.connect() as connection,
    ):
        connection.sendall(post(sleep(2)) + b"".join(post(json.dumps(number)) for number in range(1, count)))
        assert server.log.wait_for("run with")
        server.process.send_signal(signal.SIGTERM)
        received = answers(read_all(connection))
        assert [answer.json() for answer in received[1:]] == list(range(1, count))
        assert [answer.header("connection") for answer in received] == [None] * (count - 1) + ["close"]
        assert server.process.wait(10) == 0
