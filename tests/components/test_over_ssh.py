"""Docker daemons by ssh: how it is called, that HTTP gets through, and what is said when it does not."""

import contextlib
import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import docker
import pytest

from components import daemon, over_ssh
from components.problems import Problem
from tests import ssh

HOST = "ssh://me@far:2222"
VERSION = {"ApiVersion": "1.44", "Version": "28", "Arch": "arm64", "Os": "linux"}
LINES = [b"one\n", b"two\n"]


class Handler(BaseHTTPRequestHandler):
    """A bit of a Docker daemon."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "/containers/one/logs?" in self.path:
            framed = b"".join(b"\1\0\0\0" + len(line).to_bytes(4, "big") + line for line in LINES)
            return self.answer(framed, {"Connection": "close"})
        if self.path.endswith("/containers/one/json"):
            return self.answer(json.dumps({"Id": "one", "Config": {"Tty": False}}).encode())
        return self.answer(json.dumps(VERSION).encode())

    def answer(self, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output free of access lines."""

    def address_string(self) -> str:
        return "unix"


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A daemon behind `ssh`; return the record of its calls."""
    # A socket's path has a limit of about a hundred characters.
    with tempfile.TemporaryDirectory() as name, Server(f"{name}/far.sock", Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("PATH", f"{name}:{os.environ['PATH']}")
        yield ssh.put(Path(name), f"{name}/far.sock")
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ssh://far", "-- far docker system dial-stdio"),
        ("ssh://me@far:2222", "-l me -p 2222 -- far docker system dial-stdio"),
        ("ssh://far/run/own.sock", "-- far docker --host unix:///run/own.sock system dial-stdio"),
        ("ssh://far/", "-- far docker system dial-stdio"),
        ("ssh://[::1]:22", "-p 22 -- ::1 docker system dial-stdio"),
    ],
)
def test_ssh_is_called_as_dockers_own_client_calls_it(address: str, words: str) -> None:
    assert " ".join(over_ssh.command_for(address)) == f"ssh -o ConnectTimeout=20 -o BatchMode=yes -T {words}"


def test_a_daemon_answers_by_ssh(far: Path) -> None:
    with contextlib.closing(over_ssh.docker_client(HOST)) as client:
        assert client.version() == VERSION
        assert client.version() == VERSION
    assert far.read_text().splitlines() == [
        "-o ConnectTimeout=20 -o BatchMode=yes -T -l me -p 2222 -- far docker system dial-stdio"
    ], "one connection for all"


@pytest.mark.parametrize("address", ["unix:///run/docker.sock", HOST])
@pytest.mark.parametrize(("options", "expected"), [({}, over_ssh.REQUEST_SECONDS), ({"timeout": 5}, 5)])
def test_a_busy_daemon_has_time_to_answer(address: str, options: dict[str, int], expected: int) -> None:
    with contextlib.closing(over_ssh.api_client(address, version="1.44", **options)) as client:
        assert client.timeout == expected


def test_a_connection_has_the_time_of_its_request(far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to send: what is uploaded may be large, and the way slow."""
    connect, seen = over_ssh.Connection.connect, []

    def connected(connection: over_ssh.Connection) -> None:
        connect(connection)
        seen.append(connection.sock.gettimeout())

    monkeypatch.setattr(over_ssh.Connection, "connect", connected)
    with contextlib.closing(over_ssh.api_client(HOST, version="1.44", timeout=5)) as client:
        client.timeout = 300
        assert client.version() == VERSION
    assert seen == [300]


def test_a_log_is_followed_to_its_end(far: Path) -> None:
    with contextlib.closing(over_ssh.api_client(HOST, version="1.44")) as client:
        assert list(client.logs("one", stream=True, follow=True)) == LINES


def test_the_components_reach_it(far: Path) -> None:
    found = daemon.connect(f"{HOST}{far}")
    assert found.platform() == "linux/arm64"
    assert found.client.api.timeout == over_ssh.REQUEST_SECONDS
    found.client.close()


def test_what_ssh_says_is_the_reason(nobody: Path) -> None:
    ssh.put_failing(nobody, "ssh: connect to host far port 22: Connection refused")
    with pytest.raises(
        Problem, match=r"at ssh://refusing does not answer: ssh: connect to host far port 22: Connection"
    ):
        daemon.connect("ssh://refusing")


def test_an_ssh_that_says_nothing_is_told_by_its_code(nobody: Path) -> None:
    ssh.put_failing(nobody, says="", code=3)
    with pytest.raises(Problem, match=r"does not answer: ssh .* -- silent docker system dial-stdio ended with code 3"):
        daemon.connect("ssh://silent")


def test_a_machine_without_ssh_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match="does not answer: ssh cannot be run: No such file or directory"):
        daemon.connect("ssh://none")


@pytest.mark.parametrize("made", [over_ssh.docker_client, over_ssh.api_client])
def test_other_addresses_are_the_docker_packages(made: Any) -> None:
    with contextlib.closing(made("tcp://127.0.0.1:9", version="1.44")) as client:
        api = getattr(client, "api", client)
        assert type(api) is docker.APIClient
        assert api.base_url == "http://127.0.0.1:9"
