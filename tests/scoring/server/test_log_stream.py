"""Output that nobody reads: nobody waits for it."""

from __future__ import annotations

import errno
import fcntl
import io
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from scoring_server.log_stream import MAX_PENDING, LogStream, patient_output

from .kinds import wait_until_ready
from .process import Log, app_root, launch

LINE = "x" * 999 + "\n"


class Pipe:
    """A pipe with a stream to write to it."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        self.stream: TextIO = os.fdopen(writing, "w", encoding="utf-8")

    def read(self, until: bytes) -> bytes:
        data = b""
        while not data.endswith(until):
            data += os.read(self.reading, 1 << 16)
        return data


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.reading)
    made.stream.close()


def test_what_is_written_comes_in_order(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    lines = [f"{number} \u00e4\n" for number in range(1000)]
    for line in lines:
        assert stream.write(line) == len(line)
    assert pipe.read(b"999 \xc3\xa4\n").decode() == "".join(lines)
    stream.end()
    stream.write("at once\n")
    pipe.stream.flush()
    assert pipe.read(b"at once\n") == b"at once\n"


def test_a_pipe_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    """The setting is shared by all who have the pipe, and a parent may have made it."""
    os.set_blocking(pipe.stream.fileno(), False)
    stream = LogStream(pipe.stream)
    for _ in range(500):
        stream.write(LINE)
    stream.write("end\n")
    assert pipe.read(b"end\n") == LINE.encode() * 500 + b"end\n"
    stream.end()


def test_nobody_waits_for_a_reader_who_has_stopped(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    stream = LogStream(pipe.stream)
    count = 2 * MAX_PENDING // len(LINE)
    for _ in range(count):
        stream.write(LINE)
    assert not caplog.text
    taken = 0
    while taken < stream._offered:
        taken += len(os.read(pipe.reading, 1 << 16))
    with caplog.at_level(logging.WARNING):
        while "lines of the log are lost" not in caplog.text:
            stream.write("again\n")
    (record,) = caplog.records
    assert record.args == (count - taken // len(LINE),)
    stream.write("last\n")
    assert pipe.read(b"last\n")
    stream.end()


def test_the_end_does_not_wait_for_a_reader_who_has_stopped(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    for _ in range(100):
        stream.write(LINE)
    started = time.monotonic()
    stream.end(0.01)
    assert time.monotonic() - started < 10
    rest = 100 * len(LINE)
    while rest:
        rest -= len(os.read(pipe.reading, 1 << 16))
    stream._thread.join()


def test_what_is_more_than_may_wait_is_written_where_nothing_waits(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    stream.write("x" * (MAX_PENDING + 1) + "\n")
    assert len(pipe.read(b"\n")) == MAX_PENDING + 2
    stream.end()


def test_a_finalizer_may_log_at_any_moment(pipe: Pipe) -> None:
    """The collector runs where it will, also within a write."""
    stream = LogStream(pipe.stream)

    class Queue(queue.SimpleQueue[bytes]):
        entered = False

        def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> None:
            if not self.entered:
                self.entered = True
                stream.write("finalizer\n")
            super().put(item, block, timeout)

    stream._chunks = Queue()
    writer = threading.Thread(target=stream.write, args=("line\n",), daemon=True)
    writer.start()
    assert pipe.read(b"line\n") == b"finalizer\nline\n"
    writer.join()
    stream.end()


def test_what_else_a_stream_has_is_there(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    stream.reconfigure(encoding="ascii", errors="backslashreplace")
    stream.write("\u00e4\n")
    assert pipe.read(b"\n") == b"\\xe4\n"
    assert stream.line_buffering == pipe.stream.line_buffering
    stream.end()


def test_streams_in_memory_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = io.StringIO()
    monkeypatch.setattr(sys, "stdout", memory)
    with patient_output():
        assert sys.stdout is memory
    assert sys.stdout is memory


def test_who_reads_no_more_costs_nothing_but_lines(pipe: Pipe) -> None:
    stream = LogStream(pipe.stream)
    held, pipe.reading = pipe.reading, os.open(os.devnull, os.O_RDONLY)
    os.close(held)
    stream.write("lost\n")
    stream.end()
    assert stream._taken == len("lost\n")


def test_what_could_not_be_written_is_told_and_tears_no_line(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a disk that is full for a while."""
    stream, number, write, full = LogStream(pipe.stream), pipe.stream.fileno(), os.write, True
    both_offered = threading.Event()  # else what is lost of the first may be told with the second

    def write_some(fd: int, data: bytes | memoryview) -> int:
        if fd != number or not full:
            return write(fd, data)
        assert both_offered.wait(10)
        if len(data) > 4:
            return write(fd, data[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", write_some)
        stream.write("first\n")
        stream.write("second\nthird\n")
        both_offered.set()
        while stream._taken < stream._offered:
            time.sleep(0.001)
        full = False
        with caplog.at_level(logging.WARNING):
            stream.write("fourth\n")
        assert pipe.read(b"fourth\n") == b"firs\nsecond\nthir\nfourth\n"
        stream.end()
    assert [record.args for record in caplog.records] == [(2,)]


def test_requests_are_answered_while_nobody_reads_the_log(tmp_path: Path) -> None:
    """Health checks too, and the end comes in its time."""
    script = "def init(): pass\ndef run(data): return data\n"
    (app_root(tmp_path) / "score.py").write_text(script)
    reading, writing = os.pipe()
    room = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
    with os.fdopen(reading, "rb") as unread:
        server = launch(tmp_path, "score.py", {"SCORING_DRAIN": "5"}, stdout=writing)
        os.close(writing)
        try:
            wait_until_ready(server, 1)
            with server.connect() as connection:
                request = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
                for _ in range(room // len(" POST /score 200 1.000ms 1\n")):
                    connection.sendall(request)
                    assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            assert server.request("GET", "/").body == b"Healthy"
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(30) == 0
            assert time.monotonic() - started < 5
        finally:
            server.process.kill()
        log = Log(unread)
        log.join()
        assert log.count("POST /score 200")
