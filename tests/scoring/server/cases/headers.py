"""Ids, trace ids, the server's version, and the headers that run() gets."""

from __future__ import annotations

import re

from .case import ABSENT, JSON, NOT_FAILED, UUID, Case, Has, message

LONG = "x-ms-request-id and x-ms-client-request-id must not exceed 100 characters"


def ids(name: str, given: dict[str, str], expected: dict[str, str | re.Pattern[str] | None], **more: object) -> Case:
    """A POST with these headers to the plain script."""
    return Case(name, ("POST", "/score"), 200, send="1", with_headers=given, headers=expected, **more)  # type: ignore[arg-type]


CASES = [
    ids("new request id", {}, {"x-request-id": UUID, "x-ms-request-id": UUID, "x-ms-client-request-id": ABSENT}),
    ids(
        "request id",
        {"x-request-id": "abc"},
        {"x-request-id": "abc", "x-ms-request-id": "abc", "x-ms-client-request-id": ABSENT},
    ),
    ids(
        "client id",
        {"x-ms-client-request-id": "mine"},
        {"x-request-id": UUID, "x-ms-request-id": "mine", "x-ms-client-request-id": "mine"},
    ),
    ids(
        "old client id",
        {"x-ms-request-id": "old"},
        {"x-request-id": UUID, "x-ms-request-id": "old", "x-ms-client-request-id": "old"},
    ),
    ids(
        "both client ids",
        {"x-ms-request-id": "old", "x-ms-client-request-id": "mine"},
        {"x-ms-request-id": "old", "x-ms-client-request-id": "mine"},
    ),
    ids("an empty request id", {"x-request-id": ""}, {"x-request-id": ABSENT}),
    Case(
        "ids on health",
        ("GET", "/"),
        200,
        with_headers={"x-request-id": "x" * 100},
        headers={"x-request-id": "x" * 100, "x-ms-request-id": "x" * 100},
    ),
    Case(
        "ids on an error",
        ("POST", "/score"),
        400,
        send=b"\xff",
        with_headers={"x-request-id": "abc", "TraceId": "t1"},
        headers={"x-request-id": "abc", "traceid": "t1", **NOT_FAILED},
    ),
    Case(
        "id of 101",
        ("POST", "/score"),
        431,
        message("x-request-id must not exceed 100 characters"),
        send="1",
        with_headers={"x-request-id": "x" * 101},
        headers={"x-request-id": ABSENT, **NOT_FAILED},
    ),
    Case(
        "client id of 101",
        ("POST", "/score"),
        431,
        message(LONG),
        send="1",
        with_headers={"x-ms-client-request-id": "x" * 101},
        headers={"x-request-id": UUID, "x-ms-client-request-id": ABSENT},
    ),
    Case(
        "old client id of 101",
        ("GET", "/"),
        431,
        message(LONG),
        with_headers={"x-ms-request-id": "x" * 101},
        headers={"x-request-id": UUID, "x-ms-request-id": ABSENT},
    ),
    ids("trace id", {"TraceId": "t1"}, {"traceid": "t1"}),
    ids("server version", {}, {"x-ms-server-version": re.compile(r"azmlinfsrv/\d+\.\d+\.\d+")}),
    Case(
        "server version left out",
        ("GET", "/"),
        200,
        headers={"x-ms-server-version": ABSENT},
        app="environment",
    ),
    Case(
        "no cross-origin headers unless asked for",
        ("POST", "/score"),
        200,
        send="1",
        with_headers={"Origin": "http://a.example"},
        headers={"access-control-allow-origin": ABSENT},
    ),
    Case(
        "request_headers",
        ("POST", "/score"),
        200,
        Has(
            data="x",
            headers={
                "Accept-Encoding": "identity",
                "Content-Length": "1",
                "Host": "127.0.0.1",
                "X-Some-Thing": "1,2",
                "Content-Type": "text/plain",
            },
        ),
        send="x",
        with_headers={"x-some-THING": "1,2", "Host": "127.0.0.1", "content-type": "text/plain"},
        app="flags",
    ),
    Case(
        "request_headers of a query",
        ("GET", "/score?a=1"),
        200,
        Has(data='{"a": 1}', headers={"Accept-Encoding": "identity", "Host": "here"}),
        with_headers={"Host": "here"},
        app="flags",
    ),
    Case(
        "request_headers beside a schema's arguments",
        ("POST", "/score"),
        200,
        Has(x=3, headers=Has(**{"X-Some-Thing": "1", "Content-Type": "application/json", "Host": "here"})),
        send='{"x": 3, "request_headers": {"X-Some-Thing": "of the body"}}',
        with_headers={"x-some-THING": "1", "Host": "here", **JSON},
        app="schema with headers",
    ),
    Case(
        "request_headers beside a schema's arguments of a query",
        ("GET", "/score?x=3&request_headers=1"),
        200,
        {"x": 3, "headers": {"Accept-Encoding": "identity", "Host": "here"}},
        with_headers={"Host": "here"},
        app="schema with headers",
    ),
    Case(
        "request_headers beside a raw request",
        ("POST", "/score"),
        200,
        Has(method="POST", headers=Has(**{"X-Some-Thing": "1,2", "Host": "here"})),
        send=b"\xff",
        with_headers={"x-some-THING": "1,2", "Host": "here"},
        app="raw with headers",
    ),
]
