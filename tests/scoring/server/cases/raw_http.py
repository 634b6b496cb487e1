"""Scripts with `@rawhttp`: the request as it came, the response as it is given, streams."""

from __future__ import annotations

from typing import Any

from .case import (
    ABSENT,
    ANY,
    FAILED,
    INTERNAL,
    MILLISECONDS,
    NOT_ALLOWED,
    NOT_FAILED,
    RUN_FAILED,
    UUID,
    Case,
    Differs,
    message,
)


def raw(name: str, request: tuple[str, str], status: int, body: Any = ANY, **more: Any) -> Case:
    """A request to the script with `@rawhttp`."""
    return Case(name, request, status, body, app="raw", **more)


ENDPOINT = "main.handle_score"
SEEN = {
    "method": "GET",
    "path": "/score",
    "args": {"a": ["1", "2"], "b": [""]},
    "header": "h",
    "body": "",
    "is_json": False,
    "url": "http://example/score?a=1&a=2&b",
    "remote": ANY,
    "type": True,
}

CASES = [
    raw(
        "raw GET",
        ("GET", "/score?a=1&a=2&b"),
        200,
        SEEN,
        with_headers={"X-Mine": "h", "Host": "example"},
        differs=Differs(
            "scripts may ask for the type that they import; Flask's request is none", 200, SEEN | {"type": False}
        ),
    ),
    raw(
        "raw POST",
        ("POST", "/score?do=body"),
        200,
        {"body": "{\u00e4", "is_json": True, "json": None},
        send="{\u00e4".encode(),
        with_headers={"Content-Type": "application/json"},
    ),
    raw("raw HEAD", ("HEAD", "/score?do=json"), 201, b"", headers={"content-length": "10"}),
    raw("raw OPTIONS", ("OPTIONS", "/score?do=status&code=204"), 204, b""),
    raw("raw PUT", ("PUT", "/score"), 405, message(NOT_ALLOWED)),
    raw(
        "bytes in, bytes out",
        ("POST", "/score?do=binary"),
        200,
        b"\x00\xfe\xff",
        send=b"\xff\xfe\x00",
        headers={"content-type": "application/octet-stream"},
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
        "uploaded file",
        ("POST", "/score?do=form"),
        200,
        {"form": {}, "files": {"f": "content"}},
        send='--b\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n\r\ncontent\r\n--b--\r\n',
        with_headers={"Content-Type": "multipart/form-data; boundary=b"},
    ),
    raw(
        "status 418",
        ("GET", "/score?do=status&code=418"),
        418,
        b"teapot",
        headers={"content-type": "text/html; charset=utf-8", "x-ms-run-fn-exec-ms": MILLISECONDS, **NOT_FAILED},
    ),
    raw("status 503", ("GET", "/score?do=status&code=503"), 503, b"teapot", headers=FAILED),
    raw("status 999", ("GET", "/score?do=status&code=999"), 999, b"teapot", headers=FAILED),
    raw(
        "status 101",
        ("GET", "/score?do=status&code=101"),
        500,
        message(INTERNAL),
        headers=NOT_FAILED,
        log=("with the status 101. Allowed are 200 to 999",),
        differs=Differs("callers would wait for the answer that follows, or speak another protocol", 101),
    ),
    *(
        raw(
            f"status {code}",
            ("GET", f"/score?do=status&code={code}"),
            500,
            message(INTERNAL),
            headers=NOT_FAILED,
            log=(f"with the status {code}. Allowed are 200 to 999",),
            differs=Differs("an HTML page is no answer to a JSON request", 500, headers={"content-type": "text/html"}),
        )
        for code in (0, 1000, 70000)
    ),
    raw(
        "json_str",
        ("GET", "/score?do=json"),
        201,
        b'{"a": [1]}',
        headers={"content-type": "application/json", "x-mine": ("one", "two")},
    ),
    raw("no message", ("GET", "/score?do=none"), 200, b"{}", headers={"content-type": "application/json"}),
    raw("said to have failed", ("GET", "/score?do=failed"), 200, b"bad", headers=FAILED),
    raw("a plain value", ("GET", "/score?do=closed"), 200, [], headers={"content-type": "application/json"}),
    raw(
        "ids are not the script's",
        ("GET", "/score?do=ids"),
        200,
        b"ok",
        with_headers={"x-ms-client-request-id": "theirs"},
        headers={"x-request-id": UUID, "x-ms-request-id": "theirs", "x-ms-client-request-id": "theirs"},
    ),
    raw(
        "framing is not the script's",
        ("GET", "/score?do=override"),
        200,
        b"ok",
        headers={"content-length": "2", "connection": ABSENT},
        differs=Differs(
            "a second, wrong length breaks the connection",
            200,
            b"ok",
            {"content-length": ("2", "999"), "connection": "upgrade"},
        ),
    ),
    raw(
        "header injection",
        ("GET", "/score?do=inject"),
        500,
        message(INTERNAL),
        headers={"x-b": ABSENT, "content-type": "application/json"},
        differs=Differs("an HTML page is no answer to a JSON request", 500, headers={"content-type": "text/html"}),
    ),
    raw(
        "stream",
        ("GET", "/score?do=stream"),
        200,
        b"part 0\npart 1\npart 2\n",
        headers={"transfer-encoding": "chunked", "content-length": ABSENT, "content-type": "text/plain"},
        log=(r"- GET /score\?do=stream 200 \d+\.\d{3}ms N/A$",),
    ),
    raw(
        "any origin",
        ("GET", "/score?do=none"),
        200,
        with_headers={"Origin": "http://a.example"},
        headers={"access-control-allow-origin": "*"},
        differs=Differs(
            "the same to a browser, and caches need not tell callers apart",
            200,
            headers={"access-control-allow-origin": "http://a.example"},
        ),
    ),
    raw("the route", ("GET", "/score?do=endpoint"), 200, [ENDPOINT, "main", {}]),
    *(
        raw(
            name,
            ("GET", f"/score?do={action}"),
            500,
            message(RUN_FAILED),
            headers=FAILED,
            log=(cause,),
            differs=Differs("an HTML page is no answer to a JSON request", 500, headers={"content-type": "text/html"}),
        )
        for name, action, cause in (
            ("a stream that fails before it begins", "never", "ValueError: secret detail"),
            ("a message of another type", "number", "TypeError"),
        )
    ),
    Case("Flask's helpers", ("GET", "/score"), 200, {"path": "/score", "same": True}, app="flask"),
    *(
        Case(
            f"Flask's helpers in a plain script by {method}",
            (method, "/score?a=1"),
            200,
            {
                "data": data,
                "header": "h",
                "url": "/score",
                "endpoint": ENDPOINT,
                "blueprint": "main",
                "view_args": {},
            },
            send=send,
            with_headers={"X-Mine": "h"},
            app="flask plain",
        )
        for method, send, data in (("POST", "[1]", "[1]"), ("GET", None, '{"a": 1}'))
    ),
]
