"""A sample of the requests with their inputs and outputs, as JSON lines in files of bounded size.

The event loop only makes the lines; a thread writes them. A disk that is slow or full costs records, never requests.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import logging
import os
import queue
import random
import stat
import threading
import time
from collections.abc import Iterable
from typing import Any

import msgspec

from .json_logs import timestamp
from .logs import LOGGER
from .settings import Settings, SettingsError

logger = logging.getLogger(LOGGER)

MAX_PENDING = 16 * 1024 * 1024  # bytes that wait for the disk; more are dropped
MAX_TEXT = 512  # characters of any field but the bodies
_ENVELOPE = 1024
_DELAY_S = 0.1
_RETRY_S = 10.0
_CLOSE_S = 1.0


class RotatingFile:
    """Lines in `path`, then `path`.1 (the newest of the full ones) and so on, `files` in all.

    Only the owner may read them. Raises OSError.
    """

    def __init__(self, path: str, max_bytes: int, files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._files = files
        self.lines = 0  # written by this object
        self._fd = -1
        self._size = 0
        self.open()

    def open(self) -> None:
        """Go on with the file that is there."""
        self.close()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._path, flags, 0o600)
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            pass  # as /dev/null is
        elif status.st_uid == os.geteuid():
            os.fchmod(self._fd, 0o600)  # it may have been there
        elif status.st_mode & 0o077:
            self.close()
            raise PermissionError(errno.EPERM, "it is another user's, and not for its owner alone")
        self._size = status.st_size

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def write(self, lines: Iterable[bytes]) -> None:
        """Append `lines`, whole ones only."""
        if self._fd < 0 or not self._in_place():
            self.open()
        group: list[bytes] = []
        size = self._size
        for line in lines:
            if size and size + len(line) > self._max_bytes:
                self._append(b"".join(group))
                group.clear()
                self._rotate()
                size = 0
            group.append(line)
            size += len(line)
        self._append(b"".join(group))

    def _in_place(self) -> bool:
        """Whether the path still leads to the open file: others may clear up."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        finally:
            whole = data.rfind(b"\n", 0, len(data) - len(view)) + 1
            self._size += whole
            self.lines += data.count(b"\n", 0, whole)
            if view:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self._size)  # no torn line

    def _rotate(self) -> None:
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._files))]
        for older, newer in reversed(list(zip(names[1:], names, strict=False))):
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, older)
        if self._files == 1:
            os.unlink(self._path)
        self.open()


class RequestLog:
    """Records requests; `body_bytes` is how much of a body can be of use to it.

    Raises SettingsError where the file cannot be written.
    """

    def __init__(self, settings: Settings) -> None:
        self.body_bytes = settings.request_log_record_bytes
        self._max_bytes = min(settings.request_log_record_bytes, settings.request_log_file_bytes)
        self._rate = settings.request_log_rate
        self._path = settings.request_log_path
        try:
            self._file = RotatingFile(self._path, settings.request_log_file_bytes, settings.request_log_files)
        except OSError as error:
            raise SettingsError(
                f"SCORING_REQUEST_LOG_PATH is {self._path!r}, which cannot be written: {error.strerror}. "
                "Give a path in a folder that is there and writable, such as a volume or /tmp."
            ) from None
        self._pending: list[bytes] = []
        self._batches: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()  # an empty one ends the thread
        self._offered = self._taken = 0  # bytes; the loop counts the one, the thread the other
        self._refused = self._lost = 0  # records that did not get to the thread, and to the file
        self._retry = 0.0
        self._thread = threading.Thread(target=self._write_all, name="request log", daemon=True)
        self._thread.start()

    @property
    def written(self) -> int:
        """Records in the files, and in those that were there before."""
        return self._file.lines

    @property
    def dropped(self) -> int:
        """Records that were not written."""
        return self._refused + self._lost

    def chosen(self) -> bool:
        """Whether this request is one of the sample."""
        return self._rate >= 1 or random.random() < self._rate  # noqa: S311

    def offer(self, fields: dict[str, Any], request: bytes, response: bytes, response_bytes: int) -> None:
        """Have a record written: `fields`, and the bodies as far as they fit; `response` may be its beginning alone."""
        line = encode(fields, request, response, response_bytes, self._max_bytes)
        if self._offered - self._taken + len(line) > MAX_PENDING:
            self._refused += 1
            return
        self._offered += len(line)
        if not self._pending:
            # A thread that wakes for every record would take the interpreter from the loop each time.
            asyncio.get_running_loop().call_later(_DELAY_S, self._hand_over)
        self._pending.append(line)

    def _hand_over(self) -> None:
        if self._pending:
            self._batches.put(self._pending)
            self._pending = []

    def close(self, patience: float = _CLOSE_S) -> None:
        """Write what is pending, unless the disk hangs."""
        self._hand_over()
        self._batches.put([])
        self._thread.join(patience)

    def _write_all(self) -> None:
        while batch := self._batches.get():
            self._write(batch)
            self._taken += sum(map(len, batch))
        self._file.close()

    def _write(self, batch: list[bytes]) -> None:
        if self._retry > time.monotonic():
            self._lost += len(batch)
            return
        before = self._file.lines
        try:
            self._file.write(batch)
        except OSError as error:
            if not self._retry:
                logger.warning(
                    "The request log %s cannot be written: %s. Requests are served without it.",
                    self._path,
                    error.strerror,
                )
            self._retry = time.monotonic() + _RETRY_S
            self._lost += len(batch) - (self._file.lines - before)
            return
        if self._retry:
            self._retry = 0.0
            logger.info("The request log %s is written again; %d records are lost so far", self._path, self._lost)


def encode(fields: dict[str, Any], request: bytes, response: bytes, response_bytes: int, max_bytes: int) -> bytes:
    """A record's line of at most `max_bytes`: the fields' texts are short, the bodies are cut to fit."""
    fields = {
        "time": timestamp(time.time()),
        **{name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in fields.items()},
    }
    room = max_bytes - _ENVELOPE
    while True:
        output = response[: max(0, room // 2 if len(request) + len(response) > room else room)]
        given = request[: max(0, room - len(output))]
        record = {**fields, **_body("input", given, len(request)), **_body("output", output, response_bytes)}
        line = msgspec.json.encode(record) + b"\n"
        if len(line) <= max_bytes or room <= 0:
            return line
        # What JSON escapes, and base64, is longer than it was.
        room = (len(given) + len(output)) * (max_bytes - _ENVELOPE) // len(line)


def _body(name: str, kept: bytes, size: int) -> dict[str, Any]:
    """A body's fields: as text where it is UTF-8, else in base64, with its whole size."""
    fields: dict[str, Any] = {f"{name}_bytes": size}
    if len(kept) < size:
        fields[f"{name}_truncated"] = True
    text = _text(kept, cut=len(kept) < size)
    if text is None:
        fields[f"{name}_base64"] = base64.b64encode(kept).decode()
    else:
        fields[name] = text
    return fields


def _text(data: bytes, *, cut: bool) -> str | None:
    """`data` as text, without a last character that was cut in two; None where it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if cut and error.reason == "unexpected end of data" and len(data) - error.start < 4:
            return data[: error.start].decode()
        return None
