"""Ids and cross-origin headers: the rules that the cases do not reach."""

from __future__ import annotations

import uuid

import pytest
from scoring_server.cors import Cors
from scoring_server.identity import new_id

from .conftest import Start


def test_new_ids_are_random_uuids() -> None:
    ids = [uuid.UUID(new_id()) for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(found.version == 4 and found.variant == uuid.RFC_4122 for found in ids)


def test_scripts_get_the_ids_to_pass_on(serving: Start) -> None:
    server = serving("headers")
    given = {"traceparent": f"00-{'4b' * 16}-{'00f0' * 4}-01", "tracestate": "a=b", "TraceId": "t", "x-request-id": "r"}
    answer = server.request("POST", "/score", "1", given)
    seen = answer.json()["headers"]
    assert {name: seen[name.title()] for name in given} == given
    assert (answer.header("x-request-id"), answer.header("traceid")) == ("r", "t")


PREFLIGHT = {b"access-control-request-method": b"POST", b"access-control-request-headers": b"content-type, x-a"}


@pytest.mark.parametrize(
    ("origins", "method", "fields", "expected"),
    [
        ((), "GET", {b"origin": b"http://a"}, b""),
        (("*",), "GET", {}, b"Access-Control-Allow-Origin: *\r\n"),
        (("http://a", "http://b"), "GET", {b"origin": b"http://c"}, b"Vary: Origin\r\n"),
        (("http://a",), "GET", {}, b"Vary: Origin\r\n"),
        (
            ("http://a", "http://b"),
            "POST",
            {b"origin": b"http://B"},
            b"Access-Control-Allow-Origin: http://B\r\nVary: Origin\r\n",
        ),
        (
            ("*",),
            "OPTIONS",
            {b"origin": b"http://a", **PREFLIGHT},
            (
                b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET, POST\r\n"
                b"Access-Control-Allow-Headers: content-type, x-a\r\n"
            ),
        ),
    ],
)
def test_cors(origins: tuple[str, ...], method: str, fields: dict[bytes, bytes], expected: bytes) -> None:
    assert Cors(origins).lines(method, fields) == expected
