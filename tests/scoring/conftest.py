"""Real HTTP services on loopback, a model trained on the real digits, and a ``pulumi`` that prints given outputs."""

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scoring.mnist.train import train

Answer = tuple[int, str]


@dataclass
class Service:
    """A service that a test started: what it was asked, and how it answers."""

    answer: Callable[[str, str, bytes], Answer]
    port: int = 0
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def scoring_uri(self) -> str:
        return f"http://127.0.0.1:{self.port}/score"


Serve = Callable[[Callable[[str, str, bytes], Answer]], Service]


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(answer: Callable[[str, str, bytes], Answer]) -> Service:
        service = Service(answer)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.handle_any(b"")

            def do_POST(self) -> None:
                self.handle_any(self.rfile.read(int(self.headers["Content-Length"])))

            def handle_any(self, body: bytes) -> None:
                service.requests.append((self.command, self.path, body))
                service.headers.append(dict(self.headers))
                status, text = service.answer(self.command, self.path, body)
                content = text.encode()
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(content)))
                # A client that gave up waiting has closed the connection.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                """Keep the tests' output free of access lines."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((server, thread))
        return service

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def model() -> LogisticRegression:
    return train()


@pytest.fixture
def reader(model: LogisticRegression) -> Callable[[str, str, bytes], Answer]:
    """How a healthy service of the sample answers."""

    def answer(method: str, path: str, body: bytes) -> Answer:
        if method == "GET":
            return 200, "Healthy"
        return 200, json.dumps(model.predict(np.array(json.loads(body)["data"])).tolist())

    return answer


@dataclass
class Pulumi:
    """A stand-in for the Pulumi CLI in a folder of its own, on the PATH of ``environ``."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def prints(self, outputs: object, stderr: str = "", code: int = 0) -> None:
        (self.folder / "stdout").write_text(outputs if isinstance(outputs, str) else json.dumps(outputs))
        (self.folder / "stderr").write_text(stderr)
        script = self.folder / "pulumi"
        script.write_text(
            f'#!/bin/sh\necho "$PWD: $*" >>{self.folder}/calls\n'
            f"cat {self.folder}/stderr >&2\ncat {self.folder}/stdout\nexit {code}\n"
        )
        script.chmod(0o755)


@pytest.fixture
def pulumi(tmp_path: Path) -> Pulumi:
    folder = tmp_path / "bin"
    folder.mkdir()
    return Pulumi(folder)
