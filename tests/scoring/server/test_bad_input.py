"""Bodies, queries and headers that nobody should send: the contract's answer, and the next request is served."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest

from .conftest import Start
from .process import Server
from .wire import END, HEAD, LAST, assert_serves, status

DEEP = 100_000
BOMB = gzip.compress(bytes(50_000_000), mtime=0)

# For scripts that get the text: theirs to judge. This one returns what json.loads gives, or the text where that fails.
TEXTS = {
    "truncated": ('{"data": [[1, 2', 200, '{"data": [[1, 2'),
    "beyond a float": ("1e400", 500, None),
    "NaN": ("NaN", 500, None),
    "lone surrogate": ('"\\ud800"', 200, "\ud800"),
    "half a pair, twice": ('"\\udc00\\ud800"', 200, "\udc00\ud800"),
    "NUL": ("\x00", 200, "\x00"),
    "digits without end": ("9" * 10_000, 200, "9" * 10_000),
    "deep brackets": ("[" * DEEP, 500, None),
    "deep and closed": ("[" * DEEP + "]" * DEEP, 500, None),
    "deep objects": ('{"a":' * DEEP + "1" + "}" * DEEP, 500, None),
    "as deep as may be": ("[" * 100 + "]" * 100, 200, json.loads("[" * 100 + "]" * 100)),
    "repeated keys": ('{"a": 1, "a": 2}', 200, {"a": 2}),
    "byte order mark": ("\ufeff[1]", 200, "\ufeff[1]"),
    "single quotes": ("{'a': 1}", 200, "{'a': 1}"),
    "very long key": (json.dumps({"k" * 1_000_000: 1}), 200, {"k" * 1_000_000: 1}),
}


@pytest.mark.parametrize("fast", ["plain", "slowjson"])
@pytest.mark.parametrize(("text", "expected", "value"), TEXTS.values(), ids=TEXTS)
def test_odd_json_is_the_scripts_to_judge(serving: Start, fast: str, text: str, expected: int, value: object) -> None:
    """The same with the faster json and without."""
    server = serving(fast)
    answer = server.request("POST", "/score", text, {"Content-Type": "application/json"})
    assert answer.status == expected
    assert answer.header("x-ms-run-function-failed") == ("True" if expected == 500 else "False")
    if expected == 200:
        assert answer.json() == value
    assert_serves(server)


GOOD = json.dumps({"num": 1, "data": [[1.0, 2.0]], "table": [{"a": 1, "b": "x"}]})
SCHEMA = {
    "truncated": b'{"num": 1, "data": [[1',
    "deep brackets": b"[" * DEEP,
    "deep value": b'{"num": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-16 without a mark": GOOD.encode("utf-16-le"),
    "UTF-32": GOOD.encode("utf-32"),
    "UTF-32 without a mark": GOOD.encode("utf-32-be"),
    "lone surrogate": GOOD.replace("x", "\ud800").encode("utf-8", "surrogatepass"),
    "no UTF-8": b'{"num": "\xff"}',
    "bytes": bytes(range(256)),
    "gzip": gzip.compress(b'{"num": 1}', mtime=0),
}


@pytest.mark.parametrize("body", SCHEMA.values(), ids=SCHEMA)
def test_what_is_no_json_gets_400(serving: Start, body: bytes) -> None:
    server = serving("schema")
    answer = server.request("POST", "/score", body, {"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.message.startswith(("POST body could not be decoded as JSON: ", "Input cannot be decoded as UTF-8: "))
    assert server.request("POST", "/score", GOOD, {"Content-Type": "application/json"}).status == 200


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1", "cp1252"])
def test_other_encodings_get_400(plain: Server, encoding: str) -> None:
    headers = {"Content-Type": f"application/json; charset={encoding}"}
    answer = plain.request("POST", "/score", '"\u00e4\u00f6"'.encode(encoding), headers)
    assert answer.status == 400
    assert answer.message.startswith("Input cannot be decoded as UTF-8: ")
    assert_serves(plain)


@pytest.mark.parametrize("script", ["plain", "raw", "schema"])
@pytest.mark.parametrize(("coding", "body"), [("gzip", BOMB), ("deflate", zlib.compress(bytes(50_000_000)))])
def test_packed_bodies_are_not_unpacked(serving: Start, script: str, coding: str, body: bytes) -> None:
    """So there is nothing that a bomb could fill. A raw script gets the bytes as sent."""
    server = serving(script)
    headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
    answer = server.request("POST", "/score?do=binary", body, headers)
    if script == "raw":
        assert (answer.status, answer.body) == (200, body[::-1])
    else:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a=" + "[" * 10_000, {"a": "[" * 10_000}),
        ("a=NaN", None),
        ("a=1e400", None),
        ("a=%ff%fe", {"a": "\ufffd\ufffd"}),
        ("a=%", {"a": "%"}),
        ("a=%zz&b=%0", {"a": "%zz", "b": "%0"}),
        ('a="%5Cud800"', {"a": "\ud800"}),
        ("&&==&=1&", {"": ["=", 1]}),
        ("&".join(["a=1"] * 3000), {"a": [1] * 3000}),
        ("a;b=1", {"a;b": 1}),
        ("a=%0d%0aSet-Cookie:b", {"a": "\r\nSet-Cookie:b"}),
    ],
)
def test_odd_queries(plain: Server, query: str, expected: object) -> None:
    answer = plain.request("GET", f"/score?{query}")
    if expected is None:
        assert (answer.status, answer.message) == (
            400,
            "The query holds NaN or Infinity, which JSON does not have.",
        )
    else:
        assert (answer.status, answer.json()) == (200, expected)
    assert answer.header("set-cookie") is None
    assert_serves(plain)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (b"x-request-id: a\r\nX-Request-ID: b\r\n", 200),
        (b"x-request-id: " + b"a" * 60 + b"\r\nx-request-id: " + b"b" * 60 + b"\r\n", 431),
        (b"Content-Type: a\r\nContent-Type: b\r\n", 200),
        (b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", 200),
        (b"Connection: keep-alive\r\nConnection: close\r\n", 200),
        (b"Cookie: a\r\n" * 90, 200),
        (b"X: \xff\xfe\r\n", 200),
        (b"Content-Length: 1\r\n", 400),
        (b"Host: y\r\n", 400),
    ],
)
def test_repeated_headers(plain: Server, headers: bytes, expected: int) -> None:
    answer = plain.raw(HEAD + headers + b"Connection: close\r\nContent-Length: 1\r\n\r\n7")
    assert status(answer) == expected
    assert_serves(plain)


def test_bodies_that_are_not_what_was_said(plain: Server) -> None:
    assert plain.raw(LAST + b"Content-Length: 1" + END + b"777777")[-1:] == b"7"
    assert plain.raw(LAST + b"Content-Length: 9" + END + b"7", leave=True) == b""
    assert plain.raw(LAST + b"Transfer-Encoding: chunked" + END + b"5\r\n7", leave=True) == b""
    assert_serves(plain)
