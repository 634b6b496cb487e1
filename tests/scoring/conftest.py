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


UPDATE = {
    "kind": "update",
    "message": "",
    "environment": {},
    "config": {},
    "result": "succeeded",
    "startTime": "2026-01-01T00:00:00.000Z",
    "endTime": "2026-01-01T00:00:01.000Z",
}
"""What the CLI tells of an update."""


@dataclass
class Pulumi:
    """A stand-in for the Pulumi CLI in a folder of its own, on the PATH of ``environ``."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    @property
    def calls(self) -> list[str]:
        """The command lines, without those that ask for the CLI's version."""
        lines = [line.removeprefix("--non-interactive ") for line in (self.folder / "calls").read_text().splitlines()]
        return [line for line in lines if line != "version"]

    @property
    def given(self) -> dict[str, str]:
        """What was set by standard input, by its path."""
        return {path.name.removeprefix("set-"): path.read_text() for path in self.folder.glob("set-*")}

    def exports(self, outputs: object, *resources: dict[str, object], config: str = "{}", fails: str = "") -> None:
        """Let the selected stack, ``dev``, and any other have these outputs and further resources.

        All its settings are ``config``. Commands that ``fails``, a shell pattern, stands for fail.
        """
        stack = {"type": "pulumi:pulumi:Stack", "urn": "urn:stack", "outputs": outputs}
        self.answers(
            {
                "version": "v3.250.0",
                "*--show-name*": "dev",
                "*export*": json.dumps({"version": 3, "deployment": {"resources": [stack, *resources]}}),
                "*config --json*": config,
                "*config get *": json.dumps({"value": "{}", "objectValue": {}}),
                "*config set *": "",
                "*up *": "deployed",
                "*stack output*": "{}",
                "*stack history*": json.dumps([UPDATE]),
            }
            | ({fails: "error: no luck"} if fails else {})
        )

    def answers(self, texts: dict[str, str]) -> None:
        """Print a text by the shell pattern of a command line; fail where it is an error, or there is none."""
        cases = []
        for number, (pattern, text) in enumerate(texts.items()):
            (self.folder / f"answer{number}").write_text(text)
            fails = text.startswith("error:")
            cases.append(f"{quoted(pattern)}) cat {self.folder}/answer{number}{' >&2; exit 255' if fails else ''};;")
        script = self.folder / "pulumi"
        script.write_text(
            f'#!/bin/sh\necho "$*" >>{self.folder}/calls\n'
            f'case "$*" in "config set"*) for last; do :; done; cat >"{self.folder}/set-$last";; esac\n'
            'case "$*" in\n' + "\n".join(cases) + '\n*) echo "error: unknown command $*" >&2; exit 255;;\nesac\n'
        )
        script.chmod(0o755)


def quoted(pattern: str) -> str:
    """A shell pattern whose blanks stay in one word."""
    return pattern.replace(" ", "\\ ")


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pulumi:
    folder = tmp_path / "bin"
    folder.mkdir()
    made = Pulumi(folder)
    monkeypatch.setenv("PATH", made.environ["PATH"])
    return made
