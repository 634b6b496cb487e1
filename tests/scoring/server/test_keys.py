"""Keys that change while the server runs."""

from __future__ import annotations

import hmac
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from scoring_server.keys import Keys, read_keys
from scoring_server.settings import SettingsError

from .process import app_root, launch, running


class Clock:
    """The time that the keys are told: `pass_` lets a file settle and the next look come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._offset = 0.0
        self._start = time.time_ns()
        monkeypatch.setattr("scoring_server.keys.time.monotonic", lambda: self._offset)
        monkeypatch.setattr("scoring_server.keys.time.time_ns", lambda: self._start + int(self._offset * 1e9))

    def at(self, nanoseconds: int) -> None:
        """Set the time of day."""
        self._start = nanoseconds - int(self._offset * 1e9)

    def pass_(self, seconds: float = 1000.0) -> None:
        self._offset += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_keys_change_without_a_restart(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys"
    path.write_text("old\nstays\n")
    keys = Keys(str(path))
    path.write_text("stays\nnewer\n")
    assert keys.allow(b"Bearer old"), "looked at once a second"
    clock.pass_()
    assert not keys.allow(b"Bearer old")
    assert keys.allow(b"Bearer newer")
    assert keys.allow(b"Bearer stays")


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes("\ufefffirst\r\nsecond\r\n".encode())
    assert read_keys(str(path)) == [b"first", b"second"]


@pytest.mark.parametrize("given", [b"first-key", b"second-key", b"first-keY", b"", b"f", b"first-key-and-more"])
def test_keys_are_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bytes) -> None:
    """By the function made for it, with every key, whichever fits; and by nothing else."""

    class Secret(bytes):
        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared byte by byte")

        __ne__ = __eq__
        __hash__ = bytes.__hash__

    path = tmp_path / "keys"
    path.write_text("first-key\nsecond-key\n")
    keys = Keys(str(path))
    monkeypatch.setattr(keys, "_keys", [Secret(key) for key in keys._keys])
    compared: list[tuple[bytes, bytes]] = []

    def compare_digest(left: bytes, right: bytes) -> bool:
        compared.append((bytes(left), bytes(right)))
        return hmac.compare_digest(bytes(left), bytes(right))

    monkeypatch.setattr("scoring_server.keys.hmac", SimpleNamespace(compare_digest=compare_digest))
    assert keys.allow(b"Bearer " + given) is (given in (b"first-key", b"second-key"))
    assert compared == [(given, b"first-key"), (given, b"second-key")]


@pytest.mark.parametrize("wrong", ["", "\n \n", None])
def test_a_file_gone_wrong_changes_nothing(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, wrong: str | None
) -> None:
    path = tmp_path / "keys"
    path.write_text("good-key")
    keys = Keys(str(path))
    path.unlink() if wrong is None else path.write_text(wrong)
    for _ in range(3):
        clock.pass_()
        assert keys.allow(b"Bearer good-key")
        assert not keys.allow(b"Bearer ")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["The keys stay as they were"]
    path.write_text("next-key")
    clock.pass_()
    assert keys.allow(b"Bearer next-key"), "it heals by itself"
    assert not keys.allow(b"Bearer good-key")
    assert "key" not in caplog.text.replace("keys", "").replace("SCORING_KEYS_FILE", "").replace("The key", "")


def test_what_could_not_be_read_for_a_moment_is_read_then(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where no more files can be opened: else a key that was replaced would stay valid for good."""
    path = tmp_path / "keys"
    path.write_text("old-key")
    keys = Keys(str(path))
    path.write_text("new-key")

    def exhausted(_path: str) -> list[bytes]:
        raise SettingsError("Too many open files")

    with monkeypatch.context() as moment:
        moment.setattr("scoring_server.keys.read_keys", exhausted)
        clock.pass_()
        assert keys.allow(b"Bearer old-key")
    clock.pass_()
    assert not keys.allow(b"Bearer old-key")
    assert keys.allow(b"Bearer new-key")


def test_half_a_file_is_not_read(tmp_path: Path, clock: Clock) -> None:
    """Who writes a file in two steps has time for the second."""
    path = tmp_path / "keys"
    path.write_text("old-key\n")
    keys = Keys(str(path))
    path.write_text("ne")
    clock.pass_(1.0)  # by the clock of files, it was written in this second
    clock.at(path.stat().st_ctime_ns + 500_000_000)
    assert keys.allow(b"Bearer old-key")
    assert not keys.allow(b"Bearer ne")
    with path.open("a") as file:
        file.write("w-key\n")
    clock.pass_()
    assert keys.allow(b"Bearer new-key")
    assert not keys.allow(b"Bearer old-key")


def test_a_running_server_takes_new_keys(tmp_path: Path) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    path = root / "keys"
    path.write_text("first-key\nsecond-key")
    with running(root, "plain.py", {"SCORING_KEYS_FILE": str(path), "AZUREML_LOG_LEVEL": "DEBUG"}) as server:

        def status(key: str) -> int:
            return server.request("POST", "/score", "1", {"Authorization": f"Bearer {key}"}).status

        assert (status("first-key"), status("second-key"), status("third-key")) == (200, 200, 401)
        path.unlink()
        while not server.log.count("The keys stay as they were"):
            assert status("first-key") == 200
        path.write_text("second-key\nthird-key")
        while status("third-key") == 401:
            assert status("second-key") == 200, "at no time is a key of both files refused"
        assert (status("first-key"), status("second-key")) == (401, 200)
        assert server.log.wait_for("The keys were read again")
        for key in ("first-key", "second-key", "third-key"):
            assert key not in server.log.text


def test_keys_of_the_same_length_and_modification_time_are_seen_to_change(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys"
    path.write_text("old")
    os.utime(path, (0, 0))
    before = path.stat().st_ctime_ns
    keys = Keys(str(path))
    while path.stat().st_ctime_ns == before:  # the kernel's clock for files has steps
        path.write_text("new")
        os.utime(path, (0, 0))
    clock.pass_()
    assert keys.allow(b"Bearer new")
    assert not keys.allow(b"Bearer old")


def test_wrong_key_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n \n")
    with pytest.raises(SettingsError, match="is empty"):
        read_keys(str(tmp_path / "empty"))
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_keys(str(tmp_path / "none"))
    server = launch(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", {"SCORING_KEYS_FILE": "none"})
    server.log.join()
    assert server.process.wait(10) == 3
    assert "Cannot start: SCORING_KEYS_FILE is 'none'" in server.log.text
