"""Keys and TLS."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scoring_server.keys import Keys, read_keys
from scoring_server.settings import SettingsError

from .process import Answer, Server, app_root, launch, read_answer, running

FIRST = "Authorization", "Bearer first-key"
SECOND = "Authorization", "Bearer second-key"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = app_root(tmp_path_factory.mktemp("guarded"), "plain.py", "sibling.py")
    (root / "keys").write_text("first-key\nsecond-key\n")
    environ = {"SCORING_KEYS_FILE": str(root / "keys"), "AML_CORS_ORIGINS": "*"}
    with running(root, "plain.py", environ) as server:
        yield server


@pytest.mark.parametrize("header", [FIRST, SECOND, ("Authorization", "bearer  first-key")])
def test_each_key_opens(guarded: Server, header: tuple[str, str]) -> None:
    assert guarded.request("POST", "/score", "1", dict([header])).json() == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic first-key"},
        {"Authorization": "first-key"},
        {"Authorization": "Bearer first-key, Bearer second-key"},
        {"Authorization": "Bearer first-ke\u00e9"},
    ],
)
@pytest.mark.parametrize("request_", [("POST", "/score"), ("GET", "/swagger.json"), ("GET", "/nope"), ("POST", "/")])
def test_everything_else_is_closed(guarded: Server, headers: dict[str, str], request_: tuple[str, str]) -> None:
    answer = guarded.request(*request_, "1", headers)
    assert answer.status == 401
    assert answer.header("www-authenticate") == "Bearer"
    assert answer.header("x-request-id")
    assert answer.header("access-control-allow-origin") == "*"
    assert "Authorization: Bearer" in answer.message


def test_health_and_preflight_need_no_key(guarded: Server) -> None:
    assert guarded.request("GET", "/").body == b"Healthy"
    preflight = {"Origin": "http://a", "Access-Control-Request-Method": "POST"}
    answer = guarded.request("OPTIONS", "/score", None, preflight)
    assert (answer.status, answer.header("access-control-allow-methods")) == (200, "GET, POST")


def test_a_body_is_not_read_without_a_key(guarded: Server) -> None:
    answer = guarded.raw(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401")


def test_a_preflight_without_a_key_does_not_reach_the_script(tmp_path: Path) -> None:
    root = app_root(tmp_path, "raw.py")
    (root / "keys").write_text("first-key")
    with running(root, "raw.py", {"SCORING_KEYS_FILE": str(root / "keys")}) as server:
        assert server.request("OPTIONS", "/score").body == b""
        assert server.request("OPTIONS", "/score", None, dict([FIRST])).json()["method"] == "OPTIONS"


def test_no_key_is_in_the_log(guarded: Server) -> None:
    guarded.request("POST", "/score", "1", dict([FIRST]))
    guarded.request("POST", "/score", "1", {"Authorization": "Bearer guess"})
    assert guarded.log.wait_for("POST /score 401")
    assert "first-key" not in guarded.log.text
    assert "guess" not in guarded.log.text


def test_keys_change_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("scoring_server.keys.time.monotonic", lambda: clock[0])
    path = tmp_path / "keys"
    path.write_text("old\nstays\n")
    keys = Keys(str(path))
    path.write_text("stays\nnewer\n")
    assert keys.allow(b"Bearer old"), "looked at once a second"
    clock[0] = 1.0
    assert not keys.allow(b"Bearer old")
    assert keys.allow(b"Bearer newer")
    assert keys.allow(b"Bearer stays")
    for wrong in ("", None):
        clock[0] += 1.0
        path.unlink() if wrong is None else path.write_text(wrong)
        assert keys.allow(b"Bearer newer"), "a file gone wrong changes nothing"
        assert not keys.allow(b"Bearer ")


def test_keys_of_the_same_length_and_modification_time_are_seen_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("scoring_server.keys.time.monotonic", lambda: clock[0])
    path = tmp_path / "keys"
    path.write_text("old")
    os.utime(path, (0, 0))
    before = path.stat().st_ctime_ns
    keys = Keys(str(path))
    while path.stat().st_ctime_ns == before:  # the kernel's clock for files has steps
        path.write_text("new")
        os.utime(path, (0, 0))
    clock[0] = 1.0
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


def make_certificate(folder: Path, name: str) -> None:
    """A self-signed certificate for localhost, moved into place at once."""
    subprocess.run(
        [
            *[
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ],
            *f"-subj /CN={name} -addext subjectAltName=DNS:localhost -keyout key.new -out cert.new".split(),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    os.replace(folder / "key.new", folder / "key.pem")
    os.replace(folder / "cert.new", folder / "cert.pem")


def ask(server: Server, method: str, target: str, body: str | None = None) -> Answer:
    context = ssl.create_default_context(cafile=str(server.root / "cert.pem"))
    connection = http.client.HTTPSConnection("localhost", server.port, timeout=30, context=context)
    try:
        connection.request(method, target, body)
        return read_answer(connection.getresponse())
    finally:
        connection.close()


def test_tls(tmp_path: Path) -> None:
    root = app_root(tmp_path, "raw.py")
    make_certificate(root, "one")
    environ = {"SCORING_TLS_CERTIFICATE": str(root / "cert.pem"), "SCORING_TLS_KEY": str(root / "key.pem")}
    with running(root, "raw.py", environ) as server:
        assert ask(server, "GET", "/").body == b"Healthy"
        answer = ask(server, "POST", "/score", "x" * 500_000).json()
        assert answer["url"].startswith("https://localhost")
        assert answer["body"] == "x" * 500_000
        assert ask(server, "GET", "/score?do=stream").body == b"part 0\npart 1\npart 2\n"
        # plain HTTP is not answered, and does no harm
        assert server.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        old = ssl.create_default_context(cafile=str(root / "cert.pem"))
        old.minimum_version = ssl.TLSVersion.TLSv1_2
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with server.connect() as plain, old.wrap_socket(plain, server_hostname="localhost") as secure:
            assert secure.version() == "TLSv1.2"
        # a new certificate serves the next connections
        make_certificate(root, "two")
        deadline = time.monotonic() + 10
        while True:
            try:
                assert ask(server, "GET", "/").body == b"Healthy"
                break
            except ssl.SSLCertVerificationError:
                assert time.monotonic() < deadline, "the certificate was not read again"
        assert server.log.wait_for("The TLS certificate was read again")
        (root / "cert.pem").write_text("broken")
        assert server.log.count("stays as it was") == 0
        deadline = time.monotonic() + 10
        while not server.log.count("The TLS certificate stays as it was"):
            assert time.monotonic() < deadline
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", server.port)) as plain, context.wrap_socket(plain) as secure:
                secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert secure.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("open_", [False, True])
def test_the_health_port_has_no_tls_and_answers_what_is_open_to_all(tmp_path: Path, open_: bool) -> None:
    root = app_root(tmp_path, "raw.py")
    make_certificate(root, "one")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {
        "SCORING_TLS_CERTIFICATE": str(root / "cert.pem"),
        "SCORING_TLS_KEY": str(root / "key.pem"),
        "SCORING_HEALTH_PORT": str(port),
        "SCORING_METRICS_OPEN": str(open_),
    }
    with running(root, "raw.py", environ) as server:
        for target, status in (
            ("/", 200),
            ("/score", 403),
            ("/swagger.json", 403),
            ("/metrics", 200 if open_ else 403),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", target)
            assert connection.getresponse().status == status
            connection.close()
        assert ask(server, "GET", "/swagger.json").status == 200


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"SCORING_TLS_KEY": "key.pem"}, "belong together"),
        ({"SCORING_TLS_KEY": "plain.py", "SCORING_TLS_CERTIFICATE": "plain.py"}, "no PEM certificate and key"),
        ({"SCORING_TLS_KEY": "none", "SCORING_TLS_CERTIFICATE": "none"}, "No such file"),
    ],
)
def test_wrong_certificates_are_errors(tmp_path: Path, environ: dict[str, str], text: str) -> None:
    server = launch(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ)
    server.log.join()
    assert server.process.wait(10) == 3
    assert "Cannot start: SCORING_TLS_CERTIFICATE" in server.log.text
    assert text in server.log.text
