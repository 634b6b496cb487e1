"""The server as a process, for tests."""

from __future__ import annotations

import codecs
import contextlib
import http.client
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.ports import free_port

SCRIPTS = Path(__file__).parent / "scripts"
SERVER = Path(__file__).parents[3] / "scoring" / "server"
START_S = 60.0
PLAIN = ("-m", "scoring_server")
STRICT = ("-W", "error", *PLAIN)
"""Warnings are errors, also in scripts."""


@dataclass
class Answer:
    """An HTTP answer; header names in lower case, repeated ones in order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json()["message"])


class Log:
    """The lines that a process writes: all that it has written by now, and those to come, to be waited for.

    Who asks reads the pipe: what the process wrote before it answered a request is there when the answer is.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.ended = False
        self._stream = stream
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=True)
        self._lines: list[str] = []
        self._rest = ""
        self._changed = threading.Condition()
        os.set_blocking(stream.fileno(), False)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        readable = select.poll()
        readable.register(self._stream, select.POLLIN)
        while not self.ended:
            readable.poll()
            self._take()
        self._stream.close()

    def _take(self) -> list[str]:
        with self._changed:
            while not self.ended:
                try:
                    data = os.read(self._stream.fileno(), 1 << 16)
                except BlockingIOError:
                    break
                *lines, self._rest = (self._rest + self._decoder.decode(data, final=not data)).split("\n")
                self.ended = not data
                self._lines += [*lines, self._rest] if self.ended and self._rest else lines
                self._changed.notify_all()
            return self._lines.copy()

    def wait_for(self, text: str, count: int = 1, timeout: float = START_S) -> bool:
        """Wait until `text` has come `count` times; False if the process ended before."""
        with self._changed:
            found = self._changed.wait_for(lambda: self.count(text) >= count or self.ended, timeout)
            assert found, f"{text!r} not in time in:\n{self.text}"
            return self.count(text) >= count

    def wait_until(self, condition: Callable[[list[str]], bool], timeout: float) -> bool:
        """Wait until `condition` holds of the lines; False if it does not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self.lines), timeout)

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)

    @property
    def lines(self) -> list[str]:
        return self._take()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def join(self) -> None:
        self._thread.join(START_S)


@dataclass
class Server:
    """A running server and its log."""

    process: subprocess.Popen[bytes]
    port: int
    log: Log
    root: Path
    health_port: int = 0

    def request(
        self,
        method: str,
        target: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            data = body.encode() if isinstance(body, str) else body
            connection.request(method, target, data, dict(headers or {}))
            return read_answer(connection.getresponse())

    def score(self, value: Any, timeout: float = 30.0) -> Answer:
        """POST `value` as JSON."""
        return self.request("POST", "/score", json.dumps(value), {"Content-Type": "application/json"}, timeout)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def raw(self, data: bytes, *, leave: bool = False) -> bytes:
        """Send bytes and read until the server closes; with `leave`, say first that no more will come."""
        with self.connect() as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            if leave:
                connection.shutdown(socket.SHUT_WR)
            return read_all(connection)
        return b""

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 30.0) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(timeout)
        finally:
            self.process.kill()
            if isinstance(self.process, subprocess.Popen):
                self.process.wait()
        self.log.join()
        return status


def read_answer(response: http.client.HTTPResponse) -> Answer:
    body = response.read()
    return Answer(response.status, [(name.lower(), value) for name, value in response.getheaders()], body)


def read_all(connection: socket.socket) -> bytes:
    chunks = []
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


def app_root(folder: Path, *scripts: str) -> Path:
    """An app root with these of the test scripts."""
    folder.mkdir(parents=True, exist_ok=True)
    for script in scripts:
        shutil.copy(SCRIPTS / script, folder / script)
    return folder


def write_script(root: Path, text: str) -> Path:
    """An app root with `text` as its score.py."""
    root.mkdir(exist_ok=True)
    (root / "score.py").write_text(text)
    return root


def launch(
    root: Path,
    script: str,
    environ: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    program: Sequence[str] = STRICT,
    stdout: int = subprocess.PIPE,
) -> Server:
    """Start the server, without waiting for it. `program` is what Python is to run; `log` is empty with a `stdout`."""
    port = free_port()
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    variables = {
        **base,
        "PYTHONPATH": str(SERVER),
        "AML_APP_ROOT": str(root),
        "AZUREML_ENTRY_SCRIPT": script,
        "SCORING_HOST": "127.0.0.1",
        **(environ or {}),
    }
    if environ and "PYTHONPATH" in environ:
        variables["PYTHONPATH"] = f"{SERVER}:{environ['PYTHONPATH']}"
    process = subprocess.Popen(
        [sys.executable, *program, "--port", str(port), *arguments],
        env=variables,
        cwd=root,
        stdout=stdout,
        stderr=subprocess.STDOUT,
    )
    return Server(process, port, Log(process.stdout or open(os.devnull, "rb")), root)


@contextlib.contextmanager
def running(
    root: Path,
    script: str,
    environ: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    workers: int = 1,
    program: Sequence[str] = STRICT,
) -> Iterator[Server]:
    """The server while it is ready to answer."""
    server = launch(root, script, environ, arguments, program)
    try:
        assert server.log.wait_for("ready for serving traffic", workers), f"It ended:\n{server.log.text}"
        yield server
    finally:
        server.stop()


def later(server: Server, value: object) -> Future[Answer]:
    """The answer to come; the request is at the worker when this returns."""
    before = server.log.count("run with")
    pool = ThreadPoolExecutor(1)
    future = pool.submit(server.score, value)
    pool.shutdown(wait=False)
    assert server.log.wait_for("run with", before + 1)
    return future


class Together:
    """Connections whose requests reach the server in one turn of its event loop, in their order."""

    def __init__(self, server: Server, count: int) -> None:
        self._server = server
        # One more than are used: the one that was served last may come first again.
        connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) for _ in range(count + 1)]
        self._connections = connections
        self._threads = ThreadPoolExecutor(count)
        for connection in connections:  # have it accepted
            connection.request("GET", "/")
            connection.getresponse().read()

    def post(self, values: Sequence[Any]) -> list[Future[Answer]]:
        """POST each of `values`: bytes as they are, others as JSON."""
        used = self._connections[: len(values)]
        self._server.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._server.process.pid, os.WSTOPPED)
        try:
            for connection, value in zip(used, values, strict=True):
                connection.request("POST", "/score", value if isinstance(value, bytes) else json.dumps(value))
        finally:
            self._server.process.send_signal(signal.SIGCONT)
        return [self._threads.submit(lambda each: read_answer(each.getresponse()), each) for each in used]

    def __enter__(self) -> Together:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()


def await_end(pid: int, seconds: float = 10) -> None:
    """Wait until a process that is no child of this one has ended; fail when it has not in that time."""
    words, end = Path(f"/proc/{pid}/cmdline"), time.monotonic() + seconds
    with contextlib.suppress(OSError):  # once it is reaped
        while words.read_bytes():
            assert time.monotonic() < end, f"process {pid} has not ended within {seconds:g} s"
            time.sleep(0.01)


def wait_for_queue(server: Server, count: int) -> None:
    """Wait until as many requests wait for a worker."""
    deadline = time.monotonic() + START_S
    pattern = re.compile(rb"^scoring_queue_length(?:{.*})? %d$" % count, re.MULTILINE)
    while not pattern.search(server.request("GET", "/metrics").body):
        assert time.monotonic() < deadline
