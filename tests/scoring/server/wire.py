"""Requests as bytes, and what may be said of the answers."""

from __future__ import annotations

import re

from .process import Server

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
