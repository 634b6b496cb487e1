"""Who is let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .process import Server, app_root, running

FIRST = "Authorization", "Bearer first-key"
SECOND = "Authorization", "Bearer second-key"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = app_root(tmp_path_factory.mktemp("guarded"), "plain.py", "sibling.py")
    (root / "keys").write_text("first-key\nsecond-key\n")
    environ = {"SCORING_KEYS_FILE": str(root / "keys"), "AML_CORS_ORIGINS": "*"}
    environ |= {"SCORING_UI": "on", "SCORING_METRICS_OPEN": "true"}
    with running(root, "plain.py", environ) as server:
        yield server


@pytest.mark.parametrize("header", [FIRST, SECOND, ("Authorization", "bearer  first-key")])
def test_each_key_opens(guarded: Server, header: tuple[str, str]) -> None:
    assert guarded.request("POST", "/score", "1", dict([header])).json() == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic first-key"},
        {"Authorization": "first-key"},
        {"Authorization": "Bearer first-key, Bearer second-key"},
        {"Authorization": "Bearer first-ke\u00e9"},
    ],
)
@pytest.mark.parametrize("request_", [("POST", "/score"), ("GET", "/swagger.json"), ("GET", "/nope"), ("POST", "/")])
def test_everything_else_is_closed(guarded: Server, headers: dict[str, str], request_: tuple[str, str]) -> None:
    answer = guarded.request(*request_, "1", headers)
    assert answer.status == 401
    assert answer.header("www-authenticate") == "Bearer"
    assert answer.header("x-request-id")
    assert answer.header("access-control-allow-origin") == "*"
    assert "Authorization: Bearer" in answer.message


def test_health_and_preflight_need_no_key(guarded: Server) -> None:
    assert guarded.request("GET", "/").body == b"Healthy"
    preflight = {"Origin": "http://a", "Access-Control-Request-Method": "POST"}
    answer = guarded.request("OPTIONS", "/score", None, preflight)
    assert (answer.status, answer.header("access-control-allow-methods")) == (200, "GET, POST")


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize(
    "line",
    [
        *(b"POST /score", b"GET /score", b"GET /", b"HEAD /", b"OPTIONS /score", b"OPTIONS /", b"OPTIONS *"),
        *(b"GET /ui", b"GET /metrics", b"PUT /nope", b"FOO /"),
    ],
)
def test_a_body_is_not_read_without_a_key(guarded: Server, line: bytes, framing: bytes) -> None:
    """Not even where no key is needed without one: health checks, preflights, the test page, open metrics."""
    answer = guarded.raw(line + b" HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.parametrize("line", [b"GET /", b"OPTIONS /score", b"GET /ui", b"GET /metrics"])
def test_an_empty_body_is_none(guarded: Server, line: bytes) -> None:
    request = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert guarded.raw(line + request).startswith(b"HTTP/1.1 200")


def test_a_body_is_read_with_a_key(guarded: Server) -> None:
    for method, target in (("GET", "/"), ("OPTIONS", "/score"), ("GET", "/ui")):
        assert guarded.request(method, target, "1", dict([FIRST])).status == 200


def test_a_health_check_with_a_query_is_one(guarded: Server) -> None:
    assert guarded.request("GET", "/?from=probe").body == b"Healthy"
    assert guarded.request("GET", "//score?a=1").status == 401


def test_a_preflight_without_a_key_does_not_reach_the_script(tmp_path: Path) -> None:
    root = app_root(tmp_path, "raw.py")
    (root / "keys").write_text("first-key")
    with running(root, "raw.py", {"SCORING_KEYS_FILE": str(root / "keys")}) as server:
        assert server.request("OPTIONS", "/score").body == b""
        assert server.request("OPTIONS", "/score", None, dict([FIRST])).json()["method"] == "OPTIONS"


def test_no_key_is_in_the_log(guarded: Server) -> None:
    guarded.request("POST", "/score", "1", dict([FIRST]))
    guarded.request("POST", "/score", "1", {"Authorization": "Bearer guess"})
    assert guarded.log.wait_for("POST /score 401")
    assert "first-key" not in guarded.log.text
    assert "guess" not in guarded.log.text
