"""The parser: whatever the pieces in which requests come, they are the same, and come one at a time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_server.heads import RequestHead
from scoring_server.parsing import MAX_HEAD, NOT_HTTP, RequestParser

from .fuzzing import Tried, cases
from .wire import END, HEAD


class Taker:
    """Takes requests as (method, target, body); and what was refused, last, as (status, message)."""

    def __init__(self) -> None:
        self.deaf = False
        self.heads: list[RequestHead] = []
        self.found: list[tuple[object, ...]] = []
        self.body = b""

    def request_head(self, head: RequestHead) -> None:
        self.heads.append(head)
        self.body = b""

    def request_body(self, data: bytes) -> None:
        self.body += data

    def request_complete(self) -> None:
        self.found.append((self.heads[-1].method, self.heads[-1].target, self.body))

    def refuse(self, status: int, message: str, known: RequestHead) -> None:
        self.found.append((status, message))
        self.deaf = True


def parse(data: bytes, cuts: list[int]) -> list[tuple[object, ...]]:
    """What is found in `data` that comes cut at these places."""
    taker = Taker()
    parser = RequestParser(taker)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        piece = data[start:end]
        at = 0
        while at < len(piece) and not taker.deaf:
            before = len(taker.found)
            at = parser.feed(piece, at)
            assert len(taker.found) <= before + 1, "one at a time"
            assert at == len(piece) or taker.deaf or len(taker.found) == before + 1, "stopped without reason"
    return taker.found


CHUNKED = b"POST /%d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
REQUESTS = [
    (b"GET /%d HTTP/1.1\r\n\r\n", "GET", b""),
    (b"\r\n\r\nGET /%d HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "GET", b""),
    (b"POST /%d HTTP/1.1\r\nContent-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n", "POST", b"\r\n\r\n\r\n\r\n"),
    (b"POST /%d HTTP/1.1\r\nContent-Length: 3 \r\n\r\nabc", "POST", b"abc"),
    (b"POST /%d HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 4\r\n\r\n\r\n\r\n", "POST", END),
    (CHUNKED + b"0\r\n\r\n", "POST", b""),
    (CHUNKED + b"4\r\n\r\n\r\n\r\n2;a=b\r\n\r\n\r\n0\r\nX: y\r\n\r\n", "POST", b"\r\n\r\n\r\n"),
    (CHUNKED + b"1\r\nG\r\n" * 3 + b"000\r\nX:\r\n\r\n", "POST", b"GGG"),
    (CHUNKED.replace(b"\r\nT", b"\r\nUpgrade: x\r\nConnection: upgrade\r\nT") + b"1\r\n0\r\n0\r\n\r\n", "POST", b"0"),
    (b"CONNECT /%d HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT", b""),
]
ENDS = [
    (b"", None),
    (b"\r\n\r\n", None),
    (b"GET / HTT", None),
    (b"\x00", 400),
    (b"GET / HTTP/1.1\n\nGET / HTTP/1.1\n\n", 400),
    (b"GET / HTTP/2.0\r\n\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD, 431),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 102, 431),
    (b"GET /" + b"x" * 20_000, 414),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 100_000, 400),
    (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (HEAD + b"Content-Length: " + b"0" * 5000 + END, 400),
]


@cases(500)
@given(
    st.lists(st.sampled_from(REQUESTS), max_size=6), st.sampled_from(ENDS), st.lists(st.integers(0, 4000), max_size=8)
)
def test_requests_are_the_same_in_any_pieces(
    tried: Tried, requests: list[tuple[bytes, str, bytes]], end: tuple[bytes, int | None], cuts: list[int]
) -> None:
    tried.count += 1
    data = b"".join(request % number for number, (request, _, _) in enumerate(requests)) + end[0]
    found = parse(data, cuts)
    expected = [(method, f"/{number}", body) for number, (_, method, body) in enumerate(requests)]
    assert found[: len(requests)] == expected
    assert [status for status, *_ in found[len(requests) :]] == ([] if end[1] is None else [end[1]])


BODY_OF_7 = b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n"
REPEATED = [
    *((BODY_OF_7 % b"a" + body, ("POST", "/a", body)) for body in (b"1234567", b"GET / H", b"\r\n\r\n\r\n\r")),
    (BODY_OF_7 % b"b" + b"7654321", ("POST", "/b", b"7654321")),
    (b"GET /c HTTP/1.1\r\nHost: x\r\n\r\n", ("GET", "/c", b"")),
    (b"POST /d HTTP/1.1\r\nContent-Length: 0\r\n\r\n", ("POST", "/d", b"")),
    *((request % 7, (method, "/7", body)) for request, method, body in REQUESTS),
]


@cases(500)
@given(
    st.lists(st.sampled_from(REPEATED), max_size=10), st.sampled_from(ENDS), st.lists(st.integers(0, 2000), max_size=8)
)
def test_requests_with_the_same_head_are_told_apart(
    tried: Tried,
    requests: list[tuple[bytes, tuple[str, str, bytes]]],
    end: tuple[bytes, int | None],
    cuts: list[int],
) -> None:
    tried.count += 1
    found = parse(b"".join(request for request, _ in requests) + end[0], cuts)
    assert found[: len(requests)] == [expected for _, expected in requests]
    assert [status for status, *_ in found[len(requests) :]] == ([] if end[1] is None else [end[1]])


def test_a_head_that_is_repeated_is_not_parsed_again() -> None:
    taker = Taker()
    parser = RequestParser(taker)
    request = BODY_OF_7 % b"a"
    for body in (b"1234567", b"7654321", b"1234567"):
        assert parser.feed(request + body) == len(request) + 7
    first, *others = taker.heads
    assert all(head is first for head in others)
    assert parser.feed(request.replace(b"/a", b"/b") + b"1234567") == len(request) + 7
    assert parser.feed(request + b"123") == len(request) + 3
    assert parser.feed(b"4567") == 4
    assert [target for _, target, _ in taker.found] == ["/a", "/a", "/a", "/b", "/a"]


def test_a_head_of_http_2_is_refused_before_what_follows() -> None:
    head = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
    taker = Taker()
    parser = RequestParser(taker)
    for data in (head % b"a", b"PRI * HTTP/2.0\r\n\r\n", head % b"a"):
        if not taker.deaf:
            parser.feed(data)
    assert taker.found == [("GET", "/a", b""), (400, NOT_HTTP)]


@pytest.mark.parametrize("deaf_at", ["request_head", "request_body"])
def test_what_is_refused_is_refused_again(deaf_at: str) -> None:
    class Refusing(Taker):
        def request_head(self, head: RequestHead) -> None:
            super().request_head(head)
            self.deaf = len(self.heads) == 2 and deaf_at == "request_head"

        def request_body(self, data: bytes) -> None:
            super().request_body(data)
            self.deaf = len(self.heads) == 2

    taker = Refusing()
    parser = RequestParser(taker)
    for _ in range(2):
        parser.feed(BODY_OF_7 % b"a" + b"1234567")
    assert len(taker.found) == 1
    assert taker.body == (b"" if deaf_at == "request_head" else b"1234567")


def test_a_byte_at_a_time() -> None:
    data = b"".join(request % number for number, (request, _, _) in enumerate(REQUESTS)) + b"\x00"
    expected = [(method, f"/{number}", body) for number, (_, method, body) in enumerate(REQUESTS)]
    assert parse(data, list(range(len(data)))) == [*expected, (400, NOT_HTTP)]


@pytest.mark.parametrize("size", [MAX_HEAD - 1, MAX_HEAD])
@pytest.mark.parametrize("cut", [0, 1, 30, 1000, MAX_HEAD - 2])
def test_a_head_may_be_as_long_as_the_limit(size: int, cut: int) -> None:
    """And a second one as well."""
    start = b"GET /a HTTP/1.1\r\nX: "
    data = start + b"x" * (size - len(start) - 4) + END
    assert parse(data * 2, [cut, size + cut]) == [("GET", "/a", b"")] * 2
    assert parse(start + b"x" * (MAX_HEAD - len(start) - 3) + END, [cut])[0][0] == 431
