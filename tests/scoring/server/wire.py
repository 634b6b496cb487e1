"""Requests as bytes, and what may be said of the answers."""

from __future__ import annotations

import re

from .process import Answer, Server

HEAD = b"POST /score HTTP/1.1\r\nHost: x\r\n"
LAST = HEAD + b"Connection: close\r\n"
END = b"\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LAST_CHUNKED = LAST + b"Transfer-Encoding: chunked\r\n\r\n"
NOT_HTTP = "The request is not valid HTTP/1.1."


def assert_serves(server: Server) -> None:
    assert server.score([1]).json() == [1]


def status(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found, answer
    return int(found[1])


def post(body: bytes | str, headers: bytes = b"") -> bytes:
    """A request to the script."""
    data = body.encode() if isinstance(body, str) else body
    return HEAD + headers + b"Content-Length: %d" % len(data) + END + data


def sleep(seconds: float) -> str:
    """What ``plain.py`` takes for a request to take its time."""
    return f'{{"do": "sleep", "seconds": {seconds}}}'


def text_of(size: int) -> str:
    """What ``plain.py`` takes for a request to answer with a text of `size` letters, in quotes."""
    return f'{{"do": "value", "expression": "\'x\' * {size}"}}'


def answers(received: bytes, *, heads: bool = False) -> list[Answer]:
    """The answers that `received` is made of to its last byte; some may be those to HEAD requests, without a body."""
    found = []
    while received:
        lines, end, received = received.partition(END)
        first, *rest = lines.split(b"\r\n")
        assert end, f"a head breaks off: {lines!r}"
        assert re.fullmatch(rb"HTTP/1\.1 [1-9]\d\d [ -~]+", first), first
        pairs = [line.partition(b": ") for line in rest]
        answer = Answer(
            int(first[9:12]), [(name.lower().decode(), value.decode("latin-1")) for name, _, value in pairs], b""
        )
        if answer.status >= 200 and not (heads and (not received or received.startswith(b"HTTP/1.1 "))):
            answer.body, received = _body(answer, received)
        found.append(answer)
    return found


def _body(answer: Answer, received: bytes) -> tuple[bytes, bytes]:
    """The body at the beginning of `received`, and what is behind it."""
    if answer.header("transfer-encoding") == "chunked":
        body = b""
        while True:
            line, _, received = received.partition(b"\r\n")
            size = int(line, 16)
            assert received[size : size + 2] == b"\r\n", "a chunk breaks off"
            body += received[:size]
            received = received[size + 2 :]
            if not size:
                return body, received
    length = answer.header("content-length")
    if length is None:
        assert answer.status in (204, 304) or answer.header("connection") == "close"
        return (b"", received) if answer.status in (204, 304) else (received, b"")
    assert len(received) >= int(length), f"a body breaks off: {len(received)} of {length} bytes"
    return received[: int(length)], received[int(length) :]
