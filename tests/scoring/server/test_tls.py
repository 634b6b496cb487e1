"""TLS."""

from __future__ import annotations

import errno
import http.client
import shutil
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from scoring_server.tls import Certificate

from tests.ports import free_port

from .certificates import make_certificate, tls_environ
from .process import Answer, Server, app_root, launch, read_all, read_answer, running


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


def certificate_of(server: Server) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with server.connect() as plain, context.wrap_socket(plain) as secure:
        secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert secure.recv(4096).startswith(b"HTTP/1.1 200")
        found = secure.getpeercert(binary_form=True)
        assert found
        return found


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


@pytest.mark.parametrize("first", ["key.pem", "cert.pem"])
def test_half_a_pair_changes_nothing(tmp_path: Path, first: str) -> None:
    """The two files cannot change at once: between them, the old pair serves."""
    (tmp_path / "new").mkdir()
    make_certificate(tmp_path / "new", "two")
    root = app_root(tmp_path / "app", "raw.py")
    make_certificate(root, "one")
    environ = {"SCORING_TLS_CERTIFICATE": str(root / "cert.pem"), "SCORING_TLS_KEY": str(root / "key.pem")}
    with running(root, "raw.py", environ) as server:
        old = der(root / "cert.pem")
        new = der(tmp_path / "new" / "cert.pem")
        assert certificate_of(server) == old
        shutil.move(tmp_path / "new" / first, root / first)
        while not server.log.count("The TLS certificate stays as it was"):
            assert certificate_of(server) == old
        other = "cert.pem" if first == "key.pem" else "key.pem"
        shutil.move(tmp_path / "new" / other, root / other)
        while not server.log.count("The TLS certificate was read again"):
            assert certificate_of(server) in (old, new)
        assert certificate_of(server) == new
        assert server.log.count("stays as it was") == 1, "said once"
        (root / other).unlink()
        while server.log.count("stays as it was") == 1:
            assert certificate_of(server) == new


def test_old_protocols_are_refused(tmp_path: Path) -> None:
    root = app_root(tmp_path, "raw.py")
    make_certificate(root, "one")
    environ = {"SCORING_TLS_CERTIFICATE": str(root / "cert.pem"), "SCORING_TLS_KEY": str(root / "key.pem")}
    with running(root, "raw.py", environ) as server:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-cipher", "ALL:@SECLEVEL=0"]
        for version, works in (("-tls1", False), ("-tls1_1", False), ("-tls1_2", True)):
            done = subprocess.run([*command, version], input=b"", capture_output=True, timeout=30)
            assert (done.returncode == 0) == works, version
        assert ask(server, "GET", "/").body == b"Healthy"


def test_a_pair_that_could_not_be_read_for_a_moment_is_read_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(tmp_path, "one")
    pair = Certificate(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    first = pair._current
    make_certificate(tmp_path, "two")

    def exhausted() -> ssl.SSLContext:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as moment:
        moment.setattr(pair, "_load", exhausted)
        pair._refresh()
        assert pair._current is first
    pair._refresh()
    second = pair._current
    assert second is not first
    pair._refresh()
    assert pair._current is second, "read once"


def test_silent_clients_do_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    """Without a handshake they are no connection yet; those who take too long over it are left."""
    root = app_root(tmp_path, "raw.py")
    make_certificate(root, "one")
    environ = {
        "SCORING_TLS_CERTIFICATE": str(root / "cert.pem"),
        "SCORING_TLS_KEY": str(root / "key.pem"),
        "SCORING_READ_TIMEOUT": "1",
    }
    with running(root, "raw.py", environ) as server, server.connect() as silent:
        assert silent.recv(1) == b"", "it was left"
        with server.connect(), server.connect():
            assert ask(server, "GET", "/").body == b"Healthy"
            assert server.stop() == 0


def test_a_short_time_to_read_leaves_one_to_connect(tmp_path: Path) -> None:
    root = app_root(tmp_path, "raw.py")
    with running(root, "raw.py", {**tls_environ(root), "SCORING_READ_TIMEOUT": "0.5"}) as server:
        assert ask(server, "GET", "/").body == b"Healthy"


def test_connections_beyond_the_limit_are_closed_counted_and_told_of(tmp_path: Path) -> None:
    """Those that have yet to finish their handshake take places, too."""
    root = app_root(tmp_path, "raw.py")
    with running(root, "raw.py", {**tls_environ(root), "SCORING_MAX_CONNECTIONS": "2"}) as server:
        with server.connect(), server.connect():
            for _ in range(3):
                with server.connect() as refused:
                    assert read_all(refused) == b""
            assert server.log.wait_for("Connections are refused, 1 since")
            assert "SCORING_MAX_CONNECTIONS allows 2" in server.log.text
        refusals = 3
        deadline = time.monotonic() + 10
        while True:
            try:
                page = ask(server, "GET", "/metrics").body.decode()
                break
            except OSError:  # the two have yet to go
                refusals += 1
                assert time.monotonic() < deadline
        assert f"\nscoring_connections_refused_total {refusals}\n" in page


@pytest.mark.parametrize("open_", [False, True])
def test_the_health_port_has_no_tls_and_answers_what_is_open_to_all(tmp_path: Path, open_: bool) -> None:
    root = app_root(tmp_path, "raw.py")
    make_certificate(root, "one")
    port = free_port()
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
        ({"SCORING_TLS_KEY": "locked.pem", "SCORING_TLS_CERTIFICATE": "locked.pem"}, "the key is encrypted"),
        ({"SCORING_TLS_KEY": "none", "SCORING_TLS_CERTIFICATE": "none"}, "No such file"),
    ],
)
def test_wrong_certificates_are_errors(tmp_path: Path, environ: dict[str, str], text: str) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -passout pass:secret -subj /CN=x -keyout locked.pem -out cert.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "locked.pem").open("a") as file:
        file.write((tmp_path / "cert.pem").read_text())
    server = launch(app_root(tmp_path, "plain.py", "sibling.py"), "plain.py", environ)
    server.log.join()
    assert server.process.wait(10) == 3
    assert "Cannot start: SCORING_TLS_CERTIFICATE" in server.log.text
    assert text in server.log.text
