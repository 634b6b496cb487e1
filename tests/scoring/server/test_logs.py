from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from pathlib import Path
from typing import Any

import pytest
from scoring_server.json_logs import AccessLines, Answered, JsonFormatter, printable
from scoring_server.logs import AccessLog, tree
from scoring_server.tracing import NO_IDS, Ids

from .process import PLAIN, app_root, launch, running

SCRIPT = """
import logging
import warnings

log = logging.getLogger("mine")

def init():
    warnings.warn("old")
    log.debug("too fine")

def run(data):
    log.info("got %s", data, extra={"rows": 3, "odd": object})
    print("two\\nlines")
    if data == "raise":
        raise ValueError("a reason")
    return data
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_what_a_client_sends_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def write() -> None:
        log = AccessLog(asyncio.get_running_loop(), "text")
        log._enabled = True
        log.write(Answered(time.time(), "GET", "/a\nfake line \x1b[31m\u00e9", 200, 1.5, "7"))
        log.flush()

    asyncio.run(write())
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.endswith("azmlinfsrv - GET /a\\nfake line \\x1b[31m\\xe9 200 1.500ms 7\n")


def test_a_long_target_is_cut() -> None:
    assert printable("/" + "x" * 1023) == "/" + "x" * 1023
    assert printable("/" + "x" * 1024) == "/" + "x" * 1023 + "..."


def test_tree(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "file").touch()
    (tmp_path / "a").touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    expected = [f"{tmp_path.name}/", "    a", "    b/", "        c/", "        file", "        loop"]
    assert list(tree(str(tmp_path))) == expected


@pytest.fixture
def script(tmp_path: Path) -> Path:
    root = app_root(tmp_path)
    (root / "score.py").write_text(SCRIPT)
    return root


def test_json_lines(script: Path) -> None:
    with running(script, "score.py", {"SCORING_LOG_FORMAT": "json"}, program=PLAIN) as server:
        ids = {"x-request-id": "one", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        assert server.request("POST", "/score", "raise", ids).status == 500
        assert server.request("GET", "/nope", None, {"x-request-id": 'q"uote', "TraceId": "azure"}).status == 404
        assert server.log.wait_for("GET /nope 404")
    lines = [json.loads(line) for line in server.log.lines]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert {"level", "logger", "pid", "message"} <= set(line)

    def line_with(text: str) -> dict[str, Any]:
        return next(line for line in lines if text in line["message"])

    assert line_with("UserWarning: old")["logger"] == "py.warnings"
    assert "request_id" not in line_with("ready for serving")
    logged = line_with("got raise")
    assert (logged["logger"], logged["rows"], logged["odd"]) == ("mine", 3, "<class 'object'>")
    printed = line_with("two\nlines")
    failed = line_with("Encountered Exception")
    assert failed["level"] == "ERROR"
    assert failed["exception"].endswith("ValueError: a reason")
    access = line_with("POST /score 500")
    assert {access[name] for name in ("method", "target", "status")} == {"POST", "/score", 500}
    assert access["ms"] > 0
    assert access["bytes"] > 0
    assert access["failure"] == "script_error"
    assert access["pid"] != logged["pid"]
    for line in (logged, printed, failed, access):
        assert (line["request_id"], line["trace_id"]) == ("one", TRACE)
    other = line_with("GET /nope 404")
    assert (other["request_id"], other["trace_id"]) == ('q"uote', "azure")
    assert not any("too fine" in line["message"] for line in lines)


def test_a_start_that_fails_is_told_in_json_too(script: Path) -> None:
    environ = {"SCORING_LOG_FORMAT": "json", "SCORING_KEYS_FILE": "/nope"}
    for more, told in (({}, "Cannot start: SCORING_KEYS_FILE"), ({"WORKER_COUNT": "x"}, "Configuration error: WORKER")):
        server = launch(script, "score.py", {**environ, **more}, program=PLAIN)
        server.log.join()
        assert server.process.wait(10) == 3
        (line,) = [json.loads(line) for line in server.log.lines if told in line]
        assert line["message"].startswith(told)
        assert line["level"] == "ERROR"


STRAYS = """
import threading
class Odd:
    def __del__(self): raise ValueError("odd")
def init(): pass
def run(data):
    thread = threading.Thread(target=lambda: 1 / 0, name="mine")
    thread.start()
    thread.join()
    del thread
    Odd()
"""


def test_errors_that_nobody_handles_are_json_too(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(STRAYS)
    with running(tmp_path, "score.py", {"SCORING_LOG_FORMAT": "json"}, program=PLAIN) as server:
        assert server.request("POST", "/score", "x", {"x-request-id": "one"}).status == 200
        found = [json.loads(line) for line in server.log.lines]
    thread = next(line for line in found if line["message"] == "A thread has ended: mine")
    assert (thread["exception"].splitlines()[-1], thread["request_id"]) == (
        "ZeroDivisionError: division by zero",
        "one",
    )
    odd = next(line for line in found if "__del__" in line["message"])
    assert odd["exception"].endswith("ValueError: odd")


@pytest.mark.parametrize(
    ("ids", "target", "size", "failure"),
    [
        (NO_IDS, "/score", "3", ""),
        (Ids("one", ""), "/score", "0", "script_error"),
        (Ids("", TRACE), "/", "N/A", "stream_broken"),
        (Ids('q"uote\\', "\xe9\x1b"), '/a"b\\c', "17", "client_gone"),
    ],
)
def test_an_access_line_is_one_json_object(ids: Ids, target: str, size: str, failure: str) -> None:
    message = f"GET {target} 200 1.500ms {size}"
    answered = Answered(1.5, "GET", target, 200, 1.5, size, ids, failure)
    line = AccessLines("azmlinfsrv", 7).line(answered)
    assert line.endswith("\n")
    assert line.count("\n") == 1
    given = {"request_id": ids.request_id, "trace_id": ids.trace_id, "failure": failure}
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "INFO",
        "logger": "azmlinfsrv",
        "pid": 7,
        "message": message,
        "method": "GET",
        "target": target,
        "status": 200,
        "ms": 1.5,
        "bytes": int(size) if size.isdecimal() else None,
        **{name: value for name, value in given.items() if value},
    }


def test_a_logging_file_overrides_and_may_use_the_ids(script: Path) -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ids": {"format": "%(name)s <%(request_id)s> %(message)s"}},
        "handlers": {"all": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "ids"}},
        "root": {"level": "INFO", "handlers": ["all"]},
    }
    (script / "logging.json").write_text(json.dumps(config))
    with running(script, "score.py", {"SCORING_LOG_FORMAT": "json"}, program=PLAIN) as server:
        assert server.request("POST", "/score", "x", {"x-request-id": "one"}).status == 200
        assert server.log.wait_for("azmlinfsrv <one> POST /score 200")
        assert server.log.wait_for("mine <one> got x")
        assert server.log.wait_for("azmlinfsrv <> Worker with pid")


SETS_UP_LOGGING = """
import logging.config
def init():
    print("init")
    logging.config.dictConfig({"version": 1, "root": {"level": "INFO"}})
def run(data):
    logging.config.dictConfig({"version": 1, "root": {"level": "INFO"}})
    print("got", data)
    if data == "silent":
        logging.disable(logging.CRITICAL)
    raise ValueError("a reason")
"""


@pytest.mark.parametrize("batch", ["", "def run_batch(inputs): return [run(*inputs)]"])
def test_a_script_that_sets_up_logging_silences_nobody(tmp_path: Path, batch: str) -> None:
    (tmp_path / "score.py").write_text(SETS_UP_LOGGING + batch)
    with running(tmp_path, "score.py") as server:
        for number, text in enumerate(("loud", "silent"), start=1):
            assert server.request("POST", "/score", text).status == 500
            assert server.log.wait_for("POST /score 500", number)
            assert server.log.count("ValueError: a reason") == number
        assert server.log.count("print - got loud") == 1


def test_text_stays_the_default(script: Path) -> None:
    with running(script, "score.py", {"PYTHONWARNINGS": "ignore"}, program=PLAIN) as server:
        assert server.request("POST", "/score", "x").status == 200
        assert server.log.wait_for("POST /score 200")
    assert not any(line.startswith("{") for line in server.log.lines)
    assert not server.log.count("got x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        ([1, {"a": None}], [1, {"a": None}]),
        (Path("/a"), "/a"),
        ({1: 2}, {"1": 2}),
        (float("nan"), "nan"),
        ([float("inf")], "[inf]"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
    ],
)
def test_any_extra_is_one_json_line(value: object, expected: object) -> None:
    line = JsonFormatter().format(logging.makeLogRecord({"name": "n", "msg": "m", "own": value}))
    assert json.loads(line, parse_constant=pytest.fail)["own"] == expected


def test_extra_cannot_replace_what_a_line_says() -> None:
    record = logging.makeLogRecord(
        {"name": "n", "msg": "m", "levelname": "INFO", "level": "fake", "time": "never", "stack_info": "s"}
    )
    line = json.loads(JsonFormatter().format(record))
    assert (line["level"], line["stack"]) == ("INFO", "s")
    assert line["time"] != "never"
