"""Answers of scripts that HTTP does not allow, as the front takes them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from scoring_server.connection import Connection
from scoring_server.cors import Cors
from scoring_server.exchange import Exchange
from scoring_server.frames import Kind, Reply
from scoring_server.heads import RequestHead
from scoring_server.metrics import Failure, Metrics

from .wire import answers


class Wire:
    """Stands in for a connection and the service behind it."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.done: list[Exchange] = []
        self.statuses: list[int] = []
        self.ended = self.has_more = False
        self.service = SimpleNamespace(
            metrics=Metrics(),
            cors=Cors(()),
            own_lines={None: b"", False: b"failed: False\r\n", True: b"failed: True\r\n"},
            draining=False,
            recorded_bytes=0,
            finished=lambda _exchange, status, _size: self.statuses.append(status),
        )

    def write(self, data: bytes) -> None:
        self.parts.append(data)

    @property
    def written(self) -> bytes:
        return b"".join(self.parts)

    def exchange_done(self, exchange: Exchange) -> None:
        self.done.append(exchange)

    def exchange(self) -> Exchange:
        head = RequestHead("GET", "/score", [], {}, "1.1", True)
        return Exchange(cast(Connection, self), head)


@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.START])
@pytest.mark.parametrize("status", [0, 99, 100, 101, 103, 199, 1000, 65535])
def test_a_status_of_no_final_answer_is_an_error(kind: int, status: int) -> None:
    """Else callers would take the body for the next answer, or could not read the line."""
    wire = Wire()
    exchange = wire.exchange()
    exchange.receive(Reply(kind, 0, status, 0, b"X-Mine: 1\r\n", b"body"))
    assert exchange.gone is (kind == Kind.START), "so that the worker breaks the stream off"
    exchange.receive(Reply(Kind.CHUNK, 0, 0, 0, b"", b"chunk"))
    exchange.receive(Reply(Kind.END, 0, 0, 0, b"", b""))
    (answer,) = answers(wire.written)
    assert (answer.status, answer.header("failed")) == (500, "True")
    assert answer.message.startswith("An unexpected error occurred in scoring script.")
    assert (wire.done, wire.statuses) == ([exchange], [500])
    assert exchange.failure == Failure.SCRIPT_ERROR


@pytest.mark.parametrize(("status", "bodyless"), [(200, False), (204, True), (304, True), (599, False), (999, False)])
@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.START])
def test_what_is_behind_an_answer_is_the_next(kind: int, status: int, bodyless: bool) -> None:
    wire = Wire()
    replies = [Reply(kind, 0, status, 0, b"X-Mine: 1\r\n", b"body" if kind == Kind.RESULT else b"")]
    if kind == Kind.START:
        replies += [Reply(Kind.CHUNK, 0, 0, 0, b"", b"bo"), Reply(Kind.CHUNK, 0, 0, 0, b"", b"dy")]
        replies += [Reply(Kind.END, 0, 0, 0, b"", b"")]
    for _ in range(2):
        exchange = wire.exchange()
        for reply in replies:
            exchange.receive(reply)
    found = answers(wire.written)
    assert [(answer.status, answer.body) for answer in found] == [(status, b"" if bodyless else b"body")] * 2
    assert {answer.header("x-mine") for answer in found} == {"1"}
    if bodyless:
        assert found[0].header("content-length") is found[0].header("transfer-encoding") is None


def test_a_large_body_is_not_copied() -> None:
    wire = Wire()
    body = b"x" * 100_000
    wire.exchange().respond(200, b"", body)
    assert wire.parts[1] is body
    assert answers(wire.written)[0].body == body
