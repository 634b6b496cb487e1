"""The sampled request log: records, sizes, rotation, and a disk that fails."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scoring_server import request_log
from scoring_server.request_log import RequestLog, RotatingFile, encode
from scoring_server.settings import Settings, SettingsError

from .process import Server, app_root, launch, running

FIELDS = {"request_id": "r", "status": 200}
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def records(path: Path) -> list[dict[str, Any]]:
    """The records in a file, without one that is being written."""
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [json.loads(line) for line in whole.splitlines()]


def wait_until(server: Server, condition: Callable[[], bool]) -> None:
    """Ask the server for its health until `condition` holds."""
    for _ in range(100_000):
        if condition():
            return
        server.request("GET", "/")
    raise AssertionError(server.log.text)


def test_a_file_that_is_there_becomes_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    path.chmod(0o644)
    RotatingFile(str(path), 10_000, 1).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_keeps_its_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    changed: list[int] = []
    monkeypatch.setattr(os, "fchmod", lambda _fd, mode: changed.append(mode))
    RotatingFile(os.devnull, 10_000, 1).close()
    assert changed == []


def test_another_users_file_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.touch()
    path.chmod(0o644)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="another user's"):
        RotatingFile(str(path), 10_000, 1)
    path.chmod(0o600)
    RotatingFile(str(path), 10_000, 1).close()


@pytest.mark.parametrize(
    ("request_", "response", "expected"),
    [
        (b'{"a": 1}', b"[2]", {"input": '{"a": 1}', "input_bytes": 8, "output": "[2]", "output_bytes": 3}),
        (b"", b"", {"input": "", "input_bytes": 0, "output": "", "output_bytes": 0}),
        ("é".encode(), b"\xff\xfe", {"input": "é", "output_base64": base64.b64encode(b"\xff\xfe").decode()}),
    ],
)
def test_bodies(request_: bytes, response: bytes, expected: dict[str, Any]) -> None:
    record = json.loads(encode(FIELDS, request_, response, len(response), 8192))
    assert {key: record[key] for key in expected} == expected
    assert "input_truncated" not in record
    assert (record["request_id"], record["status"]) == ("r", 200)


@pytest.mark.parametrize("text", ["x", "é", "\U0001f600", '"', "\x01", "\\", "a\U0001f600"])
@pytest.mark.parametrize("size", [7000, 8192, 100_000])
def test_records_are_cut_to_fit(text: str, size: int) -> None:
    body = (text * size).encode()[:size]
    line = encode({"target": "/" + "\\" * 16_000, **FIELDS}, body, body, size, 8192)
    assert line.endswith(b"\n")
    assert 4096 < len(line) <= 8192
    record = json.loads(line)
    assert record["input_bytes"] == record["output_bytes"] == size
    assert record["input_truncated"]
    assert len(record["target"]) == request_log.MAX_TEXT
    # as text, although a character may have been cut in two
    assert record["input"]
    assert set(record["input"]) <= set(text)


def test_bytes_that_are_no_text_are_cut_to_fit() -> None:
    line = encode(FIELDS, b"\xff" * 100_000, b"[1]", 3, 8192)
    assert len(line) <= 8192
    record = json.loads(line)
    assert len(base64.b64decode(record["input_base64"])) > 4000
    assert record["output"] == "[1]"


def test_files_rotate(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = RotatingFile(str(path), 100, 3)
    for number in range(12):
        file.write([b"%039d\n" % number])
    file.close()
    kept = [name.read_text().split() for name in sorted(tmp_path.iterdir())]
    assert sorted(found.name for found in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert [[int(line) for line in lines] for lines in kept] == [[10, 11], [8, 9], [6, 7]]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = RotatingFile(str(path), 100, 3)
    again.write([b"%039d\n" % number for number in range(12, 15)])
    again.close()
    assert [int(line) for line in path.read_text().split()] == [14]
    assert [int(line) for line in (tmp_path / "log.1").read_text().split()] == [12, 13]


def test_one_file_starts_anew(tmp_path: Path) -> None:
    file = RotatingFile(str(tmp_path / "log"), 100, 1)
    file.write([b"%039d\n" % number for number in range(5)])
    file.close()
    assert [(found.name, found.read_text().split()[0][-1]) for found in tmp_path.iterdir()] == [("log", "4")]


def test_a_file_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    file = RotatingFile(str(tmp_path / "log"), 100, 3)
    file.write([b"one\n"])
    os.replace(tmp_path / "log", tmp_path / "taken")
    file.write([b"two\n"])
    file.close()
    assert ((tmp_path / "taken").read_text(), (tmp_path / "log").read_text()) == ("one\n", "two\n")


def test_a_full_disk_leaves_no_torn_line(tmp_path: Path) -> None:
    file = RotatingFile(str(tmp_path / "log"), 1000, 3)
    file.write([b"whole\n"])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15, hard))  # the kernel writes up to 15 bytes, then refuses
    try:
        with pytest.raises(OSError, match="too large"):
            file.write([b"fits\n", b"this does not\n", b"nor this\n"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "log").read_text() == "whole\nfits\n"
    assert file.lines == 2
    file.write([b"again\n"])
    file.close()
    assert (tmp_path / "log").read_text() == "whole\nfits\nagain\n"


def test_a_failing_disk_is_said_once_and_so_is_its_recovery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(request_log, "_RETRY_S", 0.0)
    monkeypatch.setattr(request_log.logger, "propagate", True)
    folder = tmp_path / "folder"
    folder.mkdir()

    async def record(log: RequestLog, number: int) -> None:
        log.offer({"number": number}, b"", b"", 0)
        log._hand_over()
        while log.written + log.dropped <= number:
            await asyncio.sleep(0)

    async def work() -> RequestLog:
        log = RequestLog(Settings(request_log_rate=1.0, request_log_path=str(folder / "log")))
        await record(log, 0)
        shutil.rmtree(folder)
        for number in (1, 2, 3):
            await record(log, number)
        folder.mkdir()
        for number in (4, 5):
            await record(log, number)
        log.close()
        return log

    with caplog.at_level("INFO"):
        log = asyncio.run(work())
    assert (log.written, log.dropped) == (3, 3)
    assert [found["number"] for found in records(folder / "log")] == [4, 5]
    messages = [record.getMessage().replace(str(folder), "") for record in caplog.records]
    assert messages == [
        "The request log /log cannot be written: No such file or directory. Requests are served without it.",
        "The request log /log is written again; 3 records are lost so far",
    ]


def test_what_the_disk_cannot_keep_up_with_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "MAX_PENDING", 1000)

    async def work() -> RequestLog:
        log = RequestLog(Settings(request_log_rate=1.0, request_log_path=str(tmp_path / "log")))
        for _ in range(3):
            log.offer({}, b"x" * 600, b"", 0)
        log.close()
        return log

    log = asyncio.run(work())
    assert (log.written, log.dropped) == (1, 2)


@pytest.mark.parametrize(("rate", "low", "high"), [(1.0, 1000, 1000), (0.25, 150, 350)])
def test_the_sample(tmp_path: Path, rate: float, low: int, high: int) -> None:
    log = RequestLog(Settings(request_log_rate=rate, request_log_path=str(tmp_path / "log")))
    assert low <= sum(log.chosen() for _ in range(1000)) <= high
    log.close()


def test_a_path_that_cannot_be_written_is_an_error_at_start(tmp_path: Path) -> None:
    path = str(tmp_path / "none" / "log")
    with pytest.raises(SettingsError, match=r"No such file or directory\. Give a path in a folder"):
        RequestLog(Settings(request_log_rate=1.0, request_log_path=path))
    root = app_root(tmp_path, "plain.py", "sibling.py")
    server = launch(root, "plain.py", {"SCORING_REQUEST_LOG_RATE": "1", "SCORING_REQUEST_LOG_PATH": path})
    server.log.join()
    assert server.process.wait(10) == 3
    assert f"Cannot start: SCORING_REQUEST_LOG_PATH is {path!r}" in server.log.text


def test_requests_are_recorded(tmp_path: Path) -> None:
    root = app_root(tmp_path / "app", "raw.py")
    (root / "azureml-models" / "digits" / "3").mkdir(parents=True)
    (root / "keys").write_text("first-key\n")
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "requests.jsonl"
    environ = {
        "SCORING_REQUEST_LOG_RATE": "1",
        "SCORING_REQUEST_LOG_PATH": str(path),
        "SCORING_REQUEST_LOG_RECORD_BYTES": "8192",
        "SCORING_KEYS_FILE": str(root / "keys"),
    }
    with running(root, "raw.py", environ) as server:
        key = {"Authorization": "Bearer first-key"}
        ids = {"x-request-id": "one", "x-ms-client-request-id": "two", "traceparent": TRACEPARENT}
        answer = server.request("POST", "/score?a=1", "hello", {**key, **ids, "Content-Type": "text/x"})
        assert server.request("GET", "/score?do=stream", None, key).body == b"part 0\npart 1\npart 2\n"
        assert server.request("POST", "/score", "x" * 100_000, key).status == 200
        assert server.request("POST", "/score", "no key").status == 401
        assert server.request("GET", "/", None, key).status == 200
        assert server.request("GET", "/nope", None, key).status == 404
        wait_until(server, lambda: len(records(path)) == 3)
        shutil.move(folder, tmp_path / "moved")
        for _ in range(2):
            assert server.request("POST", "/score", "unrecorded", key).status == 200
        assert server.log.wait_for("cannot be written: No such file or directory")
        page = server.request("GET", "/metrics", None, key).body.decode()
        assert "\nscoring_request_log_records_total 3\n" in page
    text = (tmp_path / "moved" / "requests.jsonl").read_text()
    first, second, third = (json.loads(line) for line in text.splitlines())
    expected = {
        "request_id": "one",
        "client_request_id": "two",
        "trace_id": TRACEPARENT.split("-")[1],
        "model": "digits:3",
        "method": "POST",
        "target": "/score?a=1",
        "content_type": "text/x",
        "status": 200,
        "failure": "",
        "input": "hello",
        "output": answer.body.decode(),
        "output_bytes": len(answer.body),
    }
    assert {name: first[name] for name in expected} == expected
    assert 0 < first["run_ms"] < first["ms"]
    assert (second["output"], second["output_bytes"]) == ("part 0\npart 1\npart 2\n", 21)
    assert (third["input_bytes"], third["input_truncated"]) == (100_000, True)
    # The script answers with the headers it got: that is its own doing, and the only place where the key may be.
    assert "first-key" not in "".join(str({**record, "output": ""}) for record in (first, second, third))
    assert server.log.count("cannot be written") == 1
    assert not folder.exists()
