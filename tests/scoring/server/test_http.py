"""HTTP's mechanisms: pipelines, chunks, expectations, upgrades, old versions."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Start
from .process import Server, read_all
from .wire import END, HEAD, LAST, LAST_CHUNKED, NOT_HTTP, answers, assert_serves, post, status


def test_pipelined_requests_are_answered_in_order(plain: Server) -> None:
    requests = b"".join(HEAD + b"Content-Length: %d\r\n\r\n%d" % (len(str(n)), n) for n in range(50))
    answers = plain.raw(requests + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    bodies = re.findall(rb"\r\n\r\n(\d+|Healthy)", answers)
    assert bodies == [b"%d" % n for n in range(50)] + [b"Healthy"]


def test_garbage_after_a_request_does_not_harm_it(plain: Server) -> None:
    good, bad = answers(plain.raw(HEAD + b"Content-Length: 1\r\n\r\n7\x00\x00garbage\r\n\r\n"))
    assert (good.status, good.body) == (200, b"7")
    assert (bad.status, bad.message, bad.header("connection")) == (400, NOT_HTTP, "close")
    assert_serves(plain)


def test_chunks(plain: Server) -> None:
    answer = plain.raw(LAST_CHUNKED + b"1;ext=1\r\n[\r\n2\r\n1]\r\n0\r\nTrailer: x\r\n\r\n")
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


def test_other_expectations(plain: Server) -> None:
    answer = plain.raw(HEAD + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\n7")
    assert status(answer) == 417
    old = plain.raw(b"POST /score HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n7")
    assert status(old) == 200, "an old client knows nothing of 100"


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


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    found = answers(plain.raw(post("7") + data, leave=True), heads=True)
    # Interim answers find out whether a client that has ended its side is still there, where the machine is slow.
    first, *others = [answer for answer in found if answer.status != 100]
    assert (first.status, first.body) == (200, b"7")
    for answer in others:
        assert answer.status < 500
        assert answer.header("x-request-id")
    assert plain.request("GET", "/").body == b"Healthy"
