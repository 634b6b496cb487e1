"""The HTTP contract as a table: a request to one of the test scripts, and the answer that it must get.

``differs`` says where Azure ML's own server answers otherwise, and this one does on purpose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = {"Content-Type": "application/json"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MILLISECONDS = re.compile(r"\d+\.\d{3}")
ABSENT = None
ANY = object()

NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling and "
    "try again."
)
NOT_ALLOWED = "The method is not allowed for the requested URL."
RUN_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."


@dataclass(frozen=True)
class Case:
    """`body` is the answer's: bytes exactly, or anything else as JSON; a header's value may be a pattern, or ABSENT."""

    name: str
    request: tuple[str, str]
    status: int
    body: Any = ANY
    send: bytes | str | None = None
    with_headers: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str | re.Pattern[str] | None] = field(default_factory=dict)
    script: str = "plain"
    differs: str = ""


def message(text: str) -> dict[str, str]:
    return {"message": text}


def plain(
    name: str,
    value: Any,
    status: int = 200,
    body: Any = ANY,
    headers: Mapping[str, str | re.Pattern[str] | None] | None = None,
    differs: str = "",
) -> Case:
    """A POST of a JSON value to the plain script."""
    return Case(name, ("POST", "/score"), status, body, json.dumps(value), JSON, headers or {}, differs=differs)


def value_of(expression: str) -> dict[str, str]:
    return {"do": "value", "expression": expression}


def raw(name: str, request: tuple[str, str], status: int, body: Any = ANY, **more: Any) -> Case:
    return Case(name, request, status, body, script="raw", **more)


def schema(name: str, body: Any, status: int, answer: Any, headers: Mapping[str, str] = JSON) -> Case:
    sent = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return Case(name, ("POST", "/score"), status, answer, sent, headers, script="schema")


FAILED = {"x-ms-run-function-failed": "True"}
NOT_FAILED = {"x-ms-run-function-failed": "False"}
TABLE = [{"a": 1, "b": "x"}]
GOOD = {"num": 1, "data": [[1.0, 2.0]], "table": TABLE, "extra": "ignored"}
GOOD_ANSWER = {"num": 1, "shape": [1, 2], "columns": ["a", "b"], "sum": 6.0}

CASES = [
    # routes
    Case("health", ("GET", "/"), 200, b"Healthy", headers={"content-type": "text/html; charset=utf-8"}),
    Case("health by HEAD", ("HEAD", "/"), 200, b"", headers={"content-length": "7"}),
    Case("health has no failed header", ("GET", "/"), 200, headers={"x-ms-run-function-failed": ABSENT}),
    Case("health by POST", ("POST", "/"), 405, message(NOT_ALLOWED), send=""),
    Case("health by OPTIONS", ("OPTIONS", "/"), 200, b""),
    Case("unknown path", ("GET", "/nope"), 404, message(NOT_FOUND), headers={"content-type": "application/json"}),
    Case("trailing slash", ("POST", "/score/"), 404, message(NOT_FOUND), send="1"),
    Case("escaped path", ("POST", "/%73core"), 200, 1, send="1"),
    Case("score by PUT", ("PUT", "/score"), 405, message(NOT_ALLOWED), send="1"),
    Case("score by DELETE", ("DELETE", "/score"), 405, message(NOT_ALLOWED)),
    Case("score by HEAD", ("HEAD", "/score"), 405, b""),
    Case("score by OPTIONS", ("OPTIONS", "/score"), 200, b"", headers=NOT_FAILED),
    Case("swagger by POST", ("POST", "/swagger.json"), 405, message(NOT_ALLOWED), send=""),
    Case(
        "404 has a request id",
        ("GET", "/nope"),
        404,
        headers={"x-request-id": UUID},
        differs="no ids outside the known routes",
    ),
    # the body of a POST
    plain("JSON in, JSON out", {"data": [[1, 2.5], [3, None]]}, 200, {"data": [[1, 2.5], [3, None]]}),
    Case("text that is no JSON", ("POST", "/score"), 200, "<xml/>", send="<xml/>"),
    Case("empty body", ("POST", "/score"), 200, "", send=""),
    Case("beyond ASCII", ("POST", "/score"), 200, "\u00e4\U0001f600", send='"\u00e4\U0001f600"'.encode()),
    Case(
        "not UTF-8",
        ("POST", "/score"),
        400,
        message(
            "Input cannot be decoded as UTF-8: 'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"
        ),
        send=b"a\xffb",
        headers=NOT_FAILED,
    ),
    Case(
        "form type",
        ("POST", "/score"),
        200,
        {"a": 1},
        send='{"a": 1}',
        with_headers={"Content-Type": "application/x-www-form-urlencoded"},
        differs="run() gets an empty text",
    ),
    # a query instead of a body
    Case(
        "query",
        ("GET", "/score?a=1&b=[2]&c=x&d=null&e=1&e=y&f="),
        200,
        {"a": 1, "b": [2], "c": "x", "d": None, "e": [1, "y"], "f": ""},
    ),
    Case(
        "escaped query", ("GET", "/score?a=%7B%22b%22%3A+1%7D&%C3%A4=%C3%A9"), 200, {"a": {"b": 1}, "\u00e4": "\u00e9"}
    ),
    Case("no query", ("GET", "/score"), 200, {}),
    # results
    plain("text is encoded again", value_of("json.dumps([7])"), 200, "[7]"),
    plain("None", value_of("None"), 200, b"{}", {"content-type": "application/json"}),
    plain("tuple", value_of("(1, 2)"), 200, b"[1, 2]"),
    plain("number", value_of("1.5"), 200, b"1.5"),
    plain("true", value_of("True"), 200, b"true"),
    plain("escapes", value_of("'\\u00e4'"), 200, b'"\\u00e4"'),
    plain("times", value_of("1"), 200, 1, {"x-ms-run-fn-exec-ms": MILLISECONDS, **NOT_FAILED}),
    plain(
        "numpy values",
        value_of("[__import__('numpy').float32(0.5), __import__('numpy').arange(2), __import__('numpy').bool_(1)]"),
        200,
        [0.5, [0, 1], True],
        differs="500",
    ),
    plain(
        "numpy keys",
        value_of("{__import__('numpy').int64(3): __import__('numpy').int64(4)}"),
        200,
        {"3": 4},
        differs="500",
    ),
    plain("set", value_of("{1}"), 500, message(INTERNAL), {**NOT_FAILED, "x-ms-run-fn-exec-ms": ABSENT}),
    plain("bytes", value_of("b'1'"), 500, message(INTERNAL), NOT_FAILED),
    plain("NaN", value_of("float('nan')"), 500, headers=FAILED, differs="NaN, which is no JSON"),
    plain(
        "Infinity", value_of("[1, {'a': -float('inf')}]"), 500, headers=FAILED, differs="-Infinity, which is no JSON"
    ),
    # failures
    plain("run() raises", {"do": "raise"}, 500, message(RUN_FAILED), {**FAILED, "x-ms-run-fn-exec-ms": ABSENT}),
    plain("run() exits", {"do": "exit"}, 500, message(RUN_FAILED), FAILED, differs="an HTML page"),
    # ids
    Case("new request id", ("POST", "/score"), 200, send="1", headers={"x-request-id": UUID, "x-ms-request-id": UUID}),
    Case("no client id of its own", ("POST", "/score"), 200, send="1", headers={"x-ms-client-request-id": ABSENT}),
    Case(
        "request id",
        ("POST", "/score"),
        200,
        send="1",
        with_headers={"x-request-id": "abc"},
        headers={"x-request-id": "abc", "x-ms-request-id": "abc", "x-ms-client-request-id": ABSENT},
    ),
    Case(
        "client id",
        ("POST", "/score"),
        200,
        send="1",
        with_headers={"x-ms-client-request-id": "mine"},
        headers={"x-request-id": UUID, "x-ms-request-id": "mine", "x-ms-client-request-id": "mine"},
    ),
    Case(
        "old client id",
        ("POST", "/score"),
        200,
        send="1",
        with_headers={"x-ms-request-id": "old"},
        headers={"x-request-id": UUID, "x-ms-request-id": "old", "x-ms-client-request-id": "old"},
    ),
    Case(
        "both client ids",
        ("POST", "/score"),
        200,
        send="1",
        with_headers={"x-ms-request-id": "old", "x-ms-client-request-id": "mine"},
        headers={"x-ms-request-id": "old", "x-ms-client-request-id": "mine"},
    ),
    Case("id of 100", ("GET", "/"), 200, with_headers={"x-request-id": "x" * 100}, headers={"x-request-id": "x" * 100}),
    Case(
        "id of 101",
        ("POST", "/score"),
        431,
        message("x-request-id must not exceed 100 characters"),
        send="1",
        with_headers={"x-request-id": "x" * 101},
        headers={"x-request-id": ABSENT},
    ),
    Case(
        "client id of 101",
        ("POST", "/score"),
        431,
        message("x-ms-request-id and x-ms-client-request-id must not exceed 100 characters"),
        send="1",
        with_headers={"x-ms-client-request-id": "x" * 101},
        headers={"x-request-id": UUID, "x-ms-client-request-id": ABSENT},
    ),
    Case("trace id", ("POST", "/score"), 200, send="1", with_headers={"TraceId": "t1"}, headers={"traceid": "t1"}),
    Case("server version", ("GET", "/"), 200, headers={"x-ms-server-version": re.compile(r"azmlinfsrv/\d+\.\d+\.\d+")}),
    # swagger
    Case("swagger", ("GET", "/swagger.json"), 200, headers={"content-type": "application/json"}),
    Case(
        "unknown swagger",
        ("GET", "/swagger.json?version=9"),
        404,
        message("Swagger version [9] is not valid. Supported versions: [2, 3, 3.1]."),
    ),
    # headers as an argument
    Case(
        "request_headers",
        ("POST", "/score"),
        200,
        {
            "data": "x",
            "headers": {
                "Accept-Encoding": "identity",
                "Content-Length": "1",
                "Host": "127.0.0.1",
                "X-Some-Thing": "1,2",
                "Content-Type": "text/plain",
            },
        },
        send="x",
        with_headers={"x-some-THING": "1,2", "Host": "127.0.0.1", "content-type": "text/plain"},
        script="headers",
    ),
    # the request itself
    raw(
        "raw GET",
        ("GET", "/score?a=1&a=2&b"),
        200,
        {
            "method": "GET",
            "path": "/score",
            "args": {"a": ["1", "2"], "b": [""]},
            "header": "h",
            "body": "",
            "is_json": False,
            "url": "http://example/score?a=1&a=2&b",
            "remote": "127.0.0.1",
            "type": True,
        },
        with_headers={"X-Mine": "h", "Host": "example"},
        differs="type: Flask's own request is no AMLRequest there",
    ),
    raw("raw HEAD", ("HEAD", "/score?do=json"), 201, b"", headers={"content-length": "10"}),
    raw("raw OPTIONS", ("OPTIONS", "/score?do=status&code=204"), 204, b"", headers={"content-length": ABSENT}),
    raw("raw PUT", ("PUT", "/score"), 405, message(NOT_ALLOWED)),
    raw(
        "bytes in, bytes out",
        ("POST", "/score?do=binary"),
        200,
        b"\x00\xfe\xff",
        send=b"\xff\xfe\x00",
        headers={"content-type": "application/octet-stream"},
    ),
    raw("status 418", ("GET", "/score?do=status&code=418"), 418, b"teapot", headers=NOT_FAILED),
    raw("status 503", ("GET", "/score?do=status&code=503"), 503, b"teapot", headers=FAILED),
    raw("json_str", ("GET", "/score?do=json"), 201, b'{"a": [1]}', headers={"content-type": "application/json"}),
    raw("no message", ("GET", "/score?do=none"), 200, b"{}", headers={"content-type": "application/json"}),
    raw("said to have failed", ("GET", "/score?do=failed"), 200, b"bad", headers=FAILED),
    raw(
        "ids and framing are not the script's",
        ("GET", "/score?do=override"),
        200,
        b"ok",
        headers={"x-request-id": UUID, "content-length": "2", "connection": ABSENT},
        differs="Content-Length is the script's",
    ),
    raw(
        "header injection",
        ("GET", "/score?do=inject"),
        500,
        message(INTERNAL),
        headers={"x-b": ABSENT},
        differs="an HTML page",
    ),
    raw(
        "form",
        ("POST", "/score?do=form"),
        200,
        {"form": {"a": "b c"}, "files": {}},
        send="a=b+c",
        with_headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    raw(
        "stream",
        ("GET", "/score?do=stream"),
        200,
        b"part 0\npart 1\npart 2\n",
        headers={"transfer-encoding": "chunked", "content-length": ABSENT, "content-type": "text/plain"},
    ),
    Case("Flask's helpers", ("GET", "/score"), 200, {"path": "/score", "same": True}, script="flaskraw"),
    # schemas
    schema("arguments", GOOD, 200, GOOD_ANSWER),
    schema("default overridden", {**GOOD, "factor": 3}, 200, {**GOOD_ANSWER, "sum": 9.0}),
    schema("any +json type", GOOD, 200, GOOD_ANSWER, {"Content-Type": "application/x+json; charset=utf-8"}),
    schema(
        "wrong type", GOOD, 415, message("Expects Content-Type to be application/json"), {"Content-Type": "text/plain"}
    ),
    schema("no body", "", 400, message("POST body is empty. Expecting a JSON dictionary.")),
    schema("a list", [1], 400, message("POST body should be a JSON dictionary.")),
    schema(
        "no JSON",
        "{",
        400,
        message(
            "POST body could not be decoded as JSON: "
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
        ),
    ),
    schema("a value is missing", {"data": [[1]]}, 400, message("A value is not provided for the 'num' parameter.")),
    Case(
        "schema by query",
        ("GET", "/score?num=1&data=[[1,2]]&table=[{%22a%22:1,%22b%22:%22x%22}]"),
        200,
        GOOD_ANSWER,
        script="schema",
    ),
]
