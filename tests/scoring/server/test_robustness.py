"""Limits, slow and wrong clients: each gets the answer that is due, and the next request is served."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Start
from .process import Server, app_root, read_all, running

HEAD = b"POST /score HTTP/1.1\r\nHost: x\r\n"
LAST = HEAD + b"Connection: close\r\n"
END = b"\r\n\r\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small limits."""
    environ = {
        "SCORING_MAX_BODY_BYTES": "1000",
        "SCORING_MAX_BUFFERED_BYTES": "2500",
        "SCORING_MAX_QUEUE": "2",
        "SCORING_READ_TIMEOUT": "1",
        "SCORING_KEEP_ALIVE": "1",
        "SCORING_MAX_CONNECTIONS": "50",
    }
    root = app_root(tmp_path_factory.mktemp("small"), "plain.py", "sibling.py")
    with running(root, "plain.py", environ) as server:
        yield server


def assert_serves(server: Server) -> None:
    assert server.score([1]).json() == [1]


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found, answer
    return int(found[1])


CHUNKED = LAST + b"Transfer-Encoding: chunked\r\n\r\n"
WRONG = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "no version": b"GET /" + END,
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n1",
    "length and chunks": HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": HEAD + b"Content-Length: -1" + END,
    "no number": HEAD + b"Content-Length: abc" + END,
    "huge number": HEAD + b"Content-Length: 99999999999999999999999" + END,
    "space before colon": HEAD + b"X : 1" + END,
    "control character": HEAD + b"X: a\x00b" + END,
    "bare line feed in header": HEAD + b"X: a\n b\nY" + END,
    "bad chunk size": CHUNKED + b"zz\r\n",
    "chunk longer than said": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_what_is_not_http_gets_400(plain: Server, data: bytes) -> None:
    answer = plain.raw(data)
    assert status(answer) == 400
    assert b"x-request-id: " in answer
    assert b"Connection: close" in answer
    assert json.loads(answer.partition(END)[2]) == {"message": "The request is not valid HTTP/1.1."}
    assert_serves(plain)


def test_pipelined_requests_are_answered_in_order(plain: Server) -> None:
    requests = b"".join(HEAD + b"Content-Length: %d\r\n\r\n%d" % (len(str(n)), n) for n in range(50))
    answers = plain.raw(requests + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    bodies = re.findall(rb"\r\n\r\n(\d+|Healthy)", answers)
    assert bodies == [b"%d" % n for n in range(50)] + [b"Healthy"]


def test_garbage_after_a_request_does_not_harm_it(plain: Server) -> None:
    answer = plain.raw(HEAD + b"Content-Length: 1\r\n\r\n7\x00\x00garbage\r\n\r\n")
    assert status(answer) == 200
    assert_serves(plain)


def test_chunks(plain: Server) -> None:
    answer = plain.raw(CHUNKED + b"1;ext=1\r\n[\r\n2\r\n1]\r\n0\r\nTrailer: x\r\n\r\n")
    assert status(answer) == 200
    assert answer.endswith(b"[1]")


def test_a_body_that_breaks_off_is_not_run(plain: Server) -> None:
    assert plain.raw(HEAD + b"Content-Length: 10\r\n\r\n123", leave=True) == b""
    assert_serves(plain)


def test_expect_continue(plain: Server) -> None:
    with plain.connect() as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 1" + END)
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"7")
        assert read_all(connection).endswith(b"7")


@pytest.mark.parametrize("body", [b"", b"7"])
def test_an_upgrade_is_ignored(plain: Server, body: bytes) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
    method = b"POST" if body else b"GET"
    first = method + b" /score HTTP/1.1\r\nHost: x\r\n" + upgrade + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answers = plain.raw(first + LAST + b"Content-Length: 1\r\n\r\n8")
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.endswith(b"8")


def test_http_1_0(serving: Start) -> None:
    answer = serving("plain").raw(b"POST /score HTTP/1.0\r\nContent-Length: 1\r\n\r\n7")
    assert status(answer) == 200
    assert b"Connection: close" in answer
    streamed = serving("raw").raw(b"GET /score?do=stream HTTP/1.0\r\n\r\n")
    assert b"chunked" not in streamed
    assert streamed.endswith(b"\r\n\r\npart 0\npart 1\npart 2\n")
    kept = serving("plain").raw(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2 + b"GET / HTTP/1.0\r\n\r\n")
    assert kept.count(b"Healthy") == 3
    assert kept.count(b"Connection: keep-alive") == 2


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
        CHUNKED + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 50000000\r\n\r\n" + b"x" * 3_000_000,
    ],
    ids=["by length", "before it is sent", "by chunks", "while it is sent"],
)
def test_a_larger_body_gets_413(small: Server, data: bytes) -> None:
    answer = small.raw(data)
    assert status(answer) == 413
    assert json.loads(answer.partition(END)[2])["message"] == "The body is larger than 1000 bytes."
    assert_serves(small)


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


def test_too_many_connections_get_503(small: Server) -> None:
    held: list[socket.socket] = []
    try:
        for _ in range(50):
            held.append(small.connect())
        with small.connect() as refused:
            assert status(read_all(refused)) == 503
    finally:
        for connection in held:
            connection.close()
    deadline = time.monotonic() + 5
    while small.request("GET", "/").status != 200:
        assert time.monotonic() < deadline
    assert_serves(small)


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


def test_fifty_megabytes(plain: Server) -> None:
    body = b'"' + b"x" * 50_000_000 + b'"'
    answer = plain.request("POST", "/score", body, timeout=60)
    assert answer.status == 200
    assert answer.body == body


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


HARMLESS = [
    '{"data": [[1, 2',
    "[" * 100_000,
    "1e400",
    '"\\ud800"',
    "[1" + "," * 1000 + "]",
    "\x00",
    "9" * 10_000,
]


@pytest.mark.parametrize("body", HARMLESS, ids=range(len(HARMLESS)))
def test_odd_json_is_the_scripts_to_judge(plain: Server, body: str) -> None:
    answer = plain.request("POST", "/score", body, {"Content-Type": "application/json"})
    assert answer.status in (200, 500)
    assert answer.header("x-ms-run-function-failed") in ("True", "False")
    assert_serves(plain)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=20)
        | st.sampled_from(
            [
                HEAD,
                END,
                b"GET ",
                b"/score",
                b" HTTP/1.1\r\n",
                b"Content-Length: 3\r\n",
                b"Transfer-Encoding: chunked\r\n",
            ]
        ),
        max_size=8,
    ).map(b"".join)
)
def test_any_bytes_leave_the_server_well(plain: Server, data: bytes) -> None:
    answer = plain.raw(data, leave=True)
    for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer):
        assert int(found) < 500
    assert plain.request("GET", "/").body == b"Healthy"


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
