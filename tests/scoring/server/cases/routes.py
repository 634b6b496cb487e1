"""Paths and methods."""

from __future__ import annotations

from .case import ABSENT, NOT_ALLOWED, NOT_FAILED, NOT_FOUND, UUID, Case, Differs, message

HTML = "text/html; charset=utf-8"

CASES = [
    Case("health", ("GET", "/"), 200, b"Healthy", headers={"content-type": HTML, "content-length": "7"}),
    Case("health by HEAD", ("HEAD", "/"), 200, b"", headers={"content-type": HTML, "content-length": "7"}),
    Case("health has no failed header", ("GET", "/"), 200, headers={"x-ms-run-function-failed": ABSENT}),
    Case("health by OPTIONS", ("OPTIONS", "/"), 200, b""),
    Case("health by POST", ("POST", "/"), 405, message(NOT_ALLOWED), send=""),
    Case("health by DELETE", ("DELETE", "/"), 405, message(NOT_ALLOWED)),
    Case("health with a query", ("GET", "/?x=1"), 200, b"Healthy"),
    Case("unknown path", ("GET", "/nope"), 404, message(NOT_FOUND), headers={"content-type": "application/json"}),
    Case("unknown path by POST", ("POST", "/nope"), 404, message(NOT_FOUND), send="1"),
    Case("trailing slash", ("POST", "/score/"), 404, message(NOT_FOUND), send="1"),
    Case("upper case", ("POST", "/Score"), 404, message(NOT_FOUND), send="1"),
    Case("repeated slashes", ("POST", "//score"), 200, 1, send="1"),
    Case("more slashes", ("GET", "///"), 200, b"Healthy"),
    Case("escaped path", ("POST", "/%73core"), 200, 1, send="1"),
    Case("score by PUT", ("PUT", "/score"), 405, message(NOT_ALLOWED), send="1"),
    Case("score by PATCH", ("PATCH", "/score"), 405, message(NOT_ALLOWED), send="1"),
    Case("score by DELETE", ("DELETE", "/score"), 405, message(NOT_ALLOWED)),
    Case("score by HEAD", ("HEAD", "/score"), 405, b""),
    Case("score by OPTIONS", ("OPTIONS", "/score"), 200, b"", headers=NOT_FAILED),
    Case("swagger by HEAD", ("HEAD", "/swagger.json"), 200, b""),
    Case("swagger by POST", ("POST", "/swagger.json"), 405, message(NOT_ALLOWED), send=""),
    Case("swagger by OPTIONS", ("OPTIONS", "/swagger.json"), 200, b""),
    Case(
        "404 has ids",
        ("GET", "/nope"),
        404,
        message(NOT_FOUND),
        with_headers={"x-ms-client-request-id": "mine", "TraceId": "t"},
        headers={"x-request-id": UUID, "x-ms-request-id": "mine", "x-ms-client-request-id": "mine", "traceid": "t"},
        differs=Differs("a caller's trace should not end at a wrong path", 404, headers={"x-request-id": ABSENT}),
    ),
    Case(
        "405 has ids",
        ("PUT", "/score"),
        405,
        message(NOT_ALLOWED),
        send="1",
        with_headers={"x-request-id": "a"},
        headers={"x-request-id": "a", "x-ms-request-id": "a"},
        differs=Differs("nor at a wrong method", 405, headers={"x-request-id": ABSENT}),
    ),
]
