"""What is refused before it is a whole request is answered, logged and counted as what is known of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .process import Answer, Server, app_root, read_all, running
from .wire import END, answers

ORIGIN = b"http://a.example"
IDS = b"Host: x\r\nx-request-id: mine\r\nTraceId: trace\r\nOrigin: " + ORIGIN + b"\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = app_root(tmp_path_factory.mktemp("refusals"), "plain.py", "sibling.py")
    environ = {"AML_CORS_ORIGINS": ORIGIN.decode(), "SCORING_READ_TIMEOUT": "1", "SCORING_MAX_BODY_BYTES": "1000"}
    with running(root, "plain.py", environ) as server:
        yield server


def ask(server: Server, data: bytes) -> Answer:
    with server.connect() as connection:
        connection.sendall(data)
        (answer,) = answers(read_all(connection))
    return answer


def counted(server: Server, method: str, status: int) -> int:
    page = server.request("GET", "/metrics").body.decode()
    found = re.findall(
        rf'^scoring_requests_total{{method="{method}",route="[^"]*",code="{status}"}} (\d+)$', page, re.M
    )
    return sum(map(int, found))


REFUSED = {
    "a head that stops": (b"PUT /a HTTP/1.1\r\n" + IDS + b"X: y\r\nX", "PUT", "/a", 408),
    "a body that stops": (b"POST /a HTTP/1.1\r\n" + IDS + b"Content-Length: 5\r\n\r\n12", "POST", "/a", 408),
    "a chunk that is none": (b"POST /a HTTP/1.1\r\n" + IDS + b"Transfer-Encoding: chunked\r\n\r\nx", "POST", "/a", 400),
    "too much extension": (
        b"POST /a HTTP/1.1\r\n" + IDS + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 70_000,
        "POST",
        "/a",
        400,
    ),
    "two hosts": (b"PUT /a HTTP/1.1\r\n" + IDS + b"Host: y" + END, "PUT", "/a", 400),
    "a line that is no header": (b"PUT /a HTTP/1.1\r\n" + IDS + b"X: y\r\nno header" + END, "PUT", "/a", 400),
    "many headers": (b"PUT /a HTTP/1.1\r\n" + IDS + b"X: y\r\n" * 100 + END, "PUT", "/a", 431),
    "many headers without an end": (b"PUT /a HTTP/1.1\r\n" + IDS + b"X: y\r\n" * 100, "PUT", "/a", 431),
    "a long head": (b"PUT /a HTTP/1.1\r\n" + IDS + b"X: " + b"y" * 70_000, "PUT", "/a", 431),
    "an unknown method": (b"FOO /score HTTP/1.1\r\n" + IDS + b"\r\n", "FOO", "/score", 405),
    "too large a body": (b"POST /a HTTP/1.1\r\n" + IDS + b"Content-Length: 1001\r\n\r\n", "POST", "/a", 413),
}


@pytest.mark.parametrize(("data", "method", "target", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_known_is_used(server: Server, data: bytes, method: str, target: str, status: int) -> None:
    label = "other" if method == "FOO" else method
    before = counted(server, label, status), counted(server, "GET", status)
    lines = server.log.count(f"{method} {target} {status} ")
    answer = ask(server, data)
    assert answer.status == status
    assert answer.header("x-request-id") == answer.header("x-ms-request-id") == "mine"
    assert answer.header("traceid") == "trace"
    assert answer.header("access-control-allow-origin") == ORIGIN.decode()
    assert answer.header("connection") == "close"
    assert answer.message
    assert server.log.wait_for(f"{method} {target} {status} ", lines + 1)
    assert (counted(server, label, status), counted(server, "GET", status)) == (before[0] + 1, before[1])


@pytest.mark.parametrize(
    ("data", "status", "line"),
    [
        (b"\x00\x00\r\n\r\n", 400, "- - 400 "),
        (b"GE", 408, "- - 408 "),
        (b"GET /" + b"x" * 20_000, 414, "GET /xxx"),
        (b"X" * 100 + b" / HTTP/1.1\r\n\r\n", 400, "- - 400 "),
    ],
)
def test_what_is_not_known_is_not_guessed(server: Server, data: bytes, status: int, line: str) -> None:
    before = server.log.count(line)
    answer = ask(server, data)
    assert answer.status == status
    assert answer.header("x-request-id")
    assert server.log.wait_for(line, before + 1)


def test_a_head_request_that_is_refused_has_no_body(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(b"HEAD /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n")
        received = read_all(connection)
    assert received.startswith(b"HTTP/1.1 414 ")
    assert received.endswith(END)


def test_labels_of_metrics_are_not_the_callers_to_make(server: Server) -> None:
    for number in range(20):
        assert ask(server, b"METHOD-%d /score HTTP/1.1\r\nHost: x\r\n\r\n" % number).status == 405
    page = server.request("GET", "/metrics").body.decode()
    assert "METHOD-" not in page
    assert set(re.findall(r'method="([^"]*)"', page)) <= {"GET", "HEAD", "POST", "PUT", "OPTIONS", "other"}


def test_bytes_that_no_log_line_should_have_are_escaped(server: Server) -> None:
    before = server.log.count("- - 400 ")
    assert ask(server, b"GET /\xff\x1b HTTP/1.1\r\n\r\n").status == 400
    assert server.log.wait_for("- - 400 ", before + 1)
    assert "\x1b" not in server.log.text
