"""The caller's address and scheme where a proxy stands in front."""

from __future__ import annotations

from pathlib import Path

import pytest
from scoring_server.forwarding import Forwarding

from .process import app_root, running

PROXY = ("10.0.0.1", 5000)


@pytest.mark.parametrize(
    ("proxies", "client", "headers", "expected"),
    [
        ("10.0.0.1", PROXY, {}, (PROXY, "http")),
        ("10.0.0.1", PROXY, {"for": "1.2.3.4", "proto": "https"}, (("1.2.3.4", 0), "https")),
        ("10.0.0.1", ("10.0.0.2", 1), {"for": "1.2.3.4", "proto": "https"}, (("10.0.0.2", 1), "http")),
        ("10.0.0.0/8", PROXY, {"for": "1.2.3.4:80"}, (("1.2.3.4", 80), "http")),
        # What the caller itself wrote is not believed, however many proxies there are.
        ("10.0.0.0/8", PROXY, {"for": "6.6.6.6, 1.2.3.4, 10.0.0.7"}, (("1.2.3.4", 0), "http")),
        ("10.0.0.0/8", PROXY, {"for": "unknown, 10.0.0.7"}, (("10.0.0.7", 0), "http")),
        ("10.0.0.0/8", PROXY, {"for": "<script>"}, (PROXY, "http")),
        ("10.0.0.0/8", PROXY, {"for": "\xff, ,"}, (PROXY, "http")),
        ("10.0.0.0/8", PROXY, {"for": "10.0.0.8, 10.0.0.7"}, (("10.0.0.8", 0), "http")),
        ("*", ("9.9.9.9", 1), {"for": "1.2.3.4, 5.6.7.8"}, (("1.2.3.4", 0), "http")),
        ("::1", ("::1", 1), {"for": "[2001:db8::1]:443"}, (("2001:db8::1", 443), "http")),
        ("::1", ("::1", 1), {"for": "2001:db8::1"}, (("2001:db8::1", 0), "http")),
        ("127.0.0.1", ("::ffff:127.0.0.1", 1), {"for": "1.2.3.4"}, (("1.2.3.4", 0), "http")),
        ("127.0.0.1", ("", 0), {"for": "1.2.3.4"}, (("", 0), "http")),
        ("*", PROXY, {"proto": "HTTPS"}, (PROXY, "https")),
        ("*", PROXY, {"proto": "https, http"}, (PROXY, "http")),
        ("*", PROXY, {"proto": "gopher"}, (PROXY, "http")),
        ("*", PROXY, {"for": "1.2.3.4:99999999999"}, (("1.2.3.4", 0), "http")),
    ],
)
def test_the_caller_is_the_first_that_is_no_proxy(
    proxies: str, client: tuple[str, int], headers: dict[str, str], expected: tuple[tuple[str, int], str]
) -> None:
    fields = {f"x-forwarded-{name}".encode(): value.encode("latin-1") for name, value in headers.items()}
    assert Forwarding(tuple(proxies.split(", "))).caller(client, "http", fields) == expected


@pytest.mark.parametrize(
    ("proxies", "remote", "scheme"),
    [("", "127.0.0.1", "http"), ("10.0.0.0/8", "127.0.0.1", "http"), ("10.0.0.0/8,127.0.0.1", "1.2.3.4", "https")],
)
def test_scripts_get_the_caller(tmp_path: Path, proxies: str, remote: str, scheme: str) -> None:
    root = app_root(tmp_path, "raw.py")
    headers = {"X-Forwarded-For": "6.6.6.6, 1.2.3.4", "X-Forwarded-Proto": "https"}
    with running(root, "raw.py", {"SCORING_FORWARDED_ALLOW_IPS": proxies}) as server:
        seen = server.request("GET", "/score", headers=headers).json()
    assert seen["remote"] == remote
    assert seen["url"].startswith(f"{scheme}://127.0.0.1")
