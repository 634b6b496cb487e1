"""Variables, the config file, flags, the log's settings, and the time that run() may take."""

from __future__ import annotations

from typing import Any

from .case import ABSENT, ANY, FAILED, NOT_FOUND, Case, Differs, Has, Matches, message

IN_FRONT = "there, something in front of the server has to take the prefix away"
ORIGIN_B = {"Origin": "http://b.example"}
ALLOWED_B = {"access-control-allow-origin": "http://b.example"}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"}


def environment(name: str, request: tuple[str, str], status: int, body: Any = ANY, **more: Any) -> Case:
    """A request to the application that is set by variables."""
    return Case(name, request, status, body, app="environment", **more)


def flags(name: str, request: tuple[str, str], status: int, body: Any = ANY, **more: Any) -> Case:
    """A request to the application that is set by flags."""
    return Case(name, request, status, body, app="flags", **more)


CASES = [
    # environment before the config file, which is the app root's and not the one beside the script
    environment(
        "environment before config file",
        ("GET", "/swagger.json"),
        200,
        Has(info=Has(title="of the environment", version="7")),
    ),
    environment(
        "a nested script imports from the root and the source folder",
        ("POST", "/score"),
        200,
        Has(data="x", model_dir=Matches("/azureml-models/digits/1$")),
        send="x",
    ),
    Case(
        "config file beside the script",
        ("GET", "/swagger.json?version=3.1"),
        200,
        Has(info=Has(title="beside the script", version="1.0")),
        app="files",
    ),
    # flag before environment
    flags("named config file", ("GET", "/swagger.json"), 200, Has(info=Has(title="of the file named", version="9"))),
    flags("flags before environment", ("POST", "/score"), 200, Has(data="x", model_dir="models"), send="x"),
    flags("flag for origins", ("POST", "/score"), 200, send="x", with_headers=ORIGIN_B, headers=ALLOWED_B),
    # origins
    environment(
        "first origin",
        ("GET", "/"),
        200,
        with_headers={"Origin": "http://a.example"},
        headers={"access-control-allow-origin": "http://a.example"},
    ),
    environment("second origin", ("POST", "/score"), 200, send="x", with_headers=ORIGIN_B, headers=ALLOWED_B),
    environment(
        "another origin",
        ("POST", "/score"),
        200,
        send="x",
        with_headers={"Origin": "http://c.example"},
        headers={"access-control-allow-origin": ABSENT},
    ),
    environment(
        "preflight",
        ("OPTIONS", "/score"),
        200,
        b"",
        with_headers=ORIGIN_B | PREFLIGHT,
        headers={
            **ALLOWED_B,
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": "x-a",
        },
    ),
    environment(
        "origin on an error",
        ("POST", "/score"),
        400,
        send=b"\xff",
        with_headers=ORIGIN_B,
        headers=ALLOWED_B,
    ),
    environment(
        "origin on 404",
        ("GET", "/nope"),
        404,
        message(NOT_FOUND),
        with_headers=ORIGIN_B,
        headers=ALLOWED_B,
        differs=Differs(
            "a page must be able to read what went wrong", 404, headers={"access-control-allow-origin": ABSENT}
        ),
    ),
    # the prefix
    Case(
        "swagger knows the prefix",
        ("GET", "/a/b/swagger.json"),
        200,
        Has(paths=Has(**{"/a/b/": ANY, "/a/b/score": ANY})),
        app="prefix",
        differs=Differs(IN_FRONT, 404),
    ),
    Case("score below the prefix", ("POST", "/a/b/score"), 200, "x", "x", app="prefix", differs=Differs(IN_FRONT, 404)),
    Case(
        "score without the prefix",
        ("POST", "/score"),
        404,
        message(NOT_FOUND),
        "x",
        app="prefix",
        differs=Differs(IN_FRONT, 200, "x"),
    ),
    Case("health below the prefix", ("GET", "/a/b/"), 200, b"Healthy", app="prefix", differs=Differs(IN_FRONT, 404)),
    Case("health without the prefix", ("GET", "/"), 200, b"Healthy", app="prefix"),
    # the user's logging.json
    Case(
        "logging.json",
        ("POST", "/score"),
        200,
        "x",
        "x",
        app="files",
        log=(
            r"^MINE azmlinfsrv: POST /score 200 \d+\.\d{3}ms 3$",
            r"^MINE azmlinfsrv\.print: got-x$",
            r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} I \[\d+\] of\.the\.script - heard x$",
        ),
    ),
    # SCORING_TIMEOUT_MS, from the config file
    environment(
        "run() takes too long",
        ("POST", "/score"),
        500,
        message("Scoring timeout after 900 ms"),
        send="sleep",
        headers={**FAILED, "x-ms-run-fn-exec-ms": ABSENT},
        log=("[Tt]ime",),
    ),
    environment("the next request is served", ("POST", "/score"), 200, Has(data="x"), send="x"),
]
