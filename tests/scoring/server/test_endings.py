"""How connections end: with all that was answered, however slowly it is read, and whoever closes first."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .certificates import tls_environ, trusting
from .process import Server, app_root, later, read_all, running, wait_for_queue
from .wire import END, HEAD, answers, assert_serves, post, sleep, text_of

SIZE = 15_000_000
LONGER_THAN_A_LINGER_S = 4.0


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = app_root(tmp_path_factory.mktemp("secure"), "plain.py", "sibling.py")
    with running(root, "plain.py", tls_environ(root)) as server:
        yield server


@contextmanager
def client(server: Server) -> Iterator[socket.socket]:
    """A connection with little room in the kernel, with TLS where the server has a certificate."""
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        plain.settimeout(30)
        plain.connect(("127.0.0.1", server.port))
        if not (server.root / "cert.pem").exists():
            yield plain
            return
        with trusting(server.root).wrap_socket(plain, server_hostname="localhost") as wrapped:
            yield wrapped


def read_slowly(connection: socket.socket) -> bytes:
    """All there is, after a rest that is long beside what a server waits for who closes."""
    first = connection.recv(1)
    time.sleep(LONGER_THAN_A_LINGER_S)
    return first + read_all(connection)


CLOSING = {
    "close": (b"POST /score HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", False),
    "HTTP/1.0": (b"POST /score HTTP/1.0\r\n", False),
    "half-closed": (HEAD, True),
}


@pytest.mark.parametrize(("head", "half"), CLOSING.values(), ids=CLOSING)
def test_a_slow_reader_gets_all_before_the_end(plain: Server, head: bytes, half: bool) -> None:
    body = text_of(SIZE).encode()
    with client(plain) as connection:
        connection.sendall(head + b"Content-Length: %d" % len(body) + END + body)
        if half:
            connection.shutdown(socket.SHUT_WR)
        answer = answers(read_slowly(connection))[-1]
    assert (answer.status, len(answer.body)) == (200, SIZE + 2)
    assert answer.header("connection") == "close"


def test_a_slow_reader_gets_all_before_the_end_with_tls(secure: Server) -> None:
    with client(secure) as connection:
        connection.sendall(post(text_of(SIZE), b"Connection: close\r\n"))
        (answer,) = answers(read_slowly(connection))
    assert (answer.status, len(answer.body)) == (200, SIZE + 2)


@pytest.mark.parametrize("tls", [False, True])
def test_a_slow_reader_gets_all_of_a_server_that_stops(tmp_path: Path, tls: bool) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    environ = tls_environ(root) if tls else {}
    with running(root, "plain.py", environ) as server, client(server) as connection:
        connection.sendall(post(text_of(SIZE)))
        assert server.log.wait_for("POST /score 200")
        server.process.send_signal(signal.SIGTERM)
        (answer,) = answers(read_slowly(connection))
        assert (answer.status, len(answer.body)) == (200, SIZE + 2)
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("ends", [False, True], ids=["keeps", "ends"])
def test_a_client_that_reads_nothing_is_left(tmp_path: Path, tls: bool, ends: bool) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    environ = {"SCORING_READ_TIMEOUT": "1", **(tls_environ(root) if tls else {})}
    with running(root, "plain.py", environ) as server, client(server) as connection:
        connection.sendall(post(text_of(SIZE), b"Connection: close\r\n" if ends else b""))
        deadline = time.monotonic() + 20
        while connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != b"\x07":  # CLOSE
            assert time.monotonic() < deadline, "the connection is still open"
            time.sleep(0.05)


@pytest.mark.parametrize("tls", [False, True])
def test_answers_that_are_not_taken_count_as_buffered(tmp_path: Path, tls: bool) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    environ = {"SCORING_MAX_BUFFERED_BYTES": "5000000", **(tls_environ(root) if tls else {})}
    with running(root, "plain.py", environ) as server:

        def ask(data: bytes) -> int:
            with client(server) as connection:
                connection.sendall(data)
                return answers(read_all(connection))[0].status

        close = b"Connection: close\r\n"
        with client(server) as slow:
            slow.sendall(post(text_of(SIZE)))
            assert server.log.wait_for("POST /score 200")
            assert ask(post("7", close)) == 503
            assert ask(b"GET /score?a=1 HTTP/1.1\r\n" + close + b"\r\n") == 503
            assert ask(b"GET /ui HTTP/1.1\r\n" + close + b"\r\n") == 503
            assert ask(b"GET / HTTP/1.1\r\n" + close + b"\r\n") == 200
            assert ask(b"GET /metrics HTTP/1.1\r\n" + close + b"\r\n") == 200
            received = b""
            while len(received) < SIZE:
                received += slow.recv(1 << 20)
            assert ask(post("7", close)) == 200, "all is taken"
            slow.sendall(post(text_of(SIZE)))
            assert server.log.wait_for("POST /score 200", 3)
            assert ask(post("7", close)) == 503
        deadline = time.monotonic() + 10
        while ask(post("7", close)) == 503:
            assert time.monotonic() < deadline, "a client that has left is still counted"


def test_who_ends_its_side_is_answered(plain: Server) -> None:
    received = answers(plain.raw(post("7") + post(sleep(0.2)) + post("8"), leave=True))
    final = [answer for answer in received if answer.status != 100]
    assert [answer.body for answer in final] == [b"7", sleep(0.2).encode(), b"8"]
    assert [answer.header("connection") for answer in final] == [None, None, "close"]
    assert_serves(plain)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_who_ends_its_side_is_answered_late(plain: Server, version: bytes) -> None:
    """To a client that knows them, an interim answer shows that the server wants to know whether it is there."""
    body = sleep(0.5).encode()
    data = b"POST /score HTTP/" + version + b"\r\nContent-Length: %d" % len(body) + END + body
    received = answers(plain.raw(data, leave=True))
    assert [answer.status for answer in received] == ([100, 200] if version == b"1.1" else [200])
    assert received[-1].body == body


def test_who_ends_its_side_within_a_request_gets_what_is_due(plain: Server) -> None:
    received = answers(plain.raw(post("7") + HEAD + b"Content-Length: 5" + END + b"12", leave=True))
    assert [answer.body for answer in received if answer.status != 100] == [b"7"]
    assert_serves(plain)


def test_who_leaves_is_not_worked_for(plain: Server) -> None:
    """Its request waits for the one before, and the worker never sees it."""
    runs = plain.log.count("run with 12345 characters")
    first = later(plain, {"do": "sleep", "seconds": 1})
    with plain.connect() as leaving:
        leaving.sendall(post(json.dumps("x" * 12343)))
        wait_for_queue(plain, 1)
    assert first.result(30).status == 200
    assert plain.log.wait_for("POST /score 499")
    assert_serves(plain)
    assert plain.log.count("run with 12345 characters") == runs


def test_with_tls_who_says_goodbye_gets_what_was_answered(secure: Server) -> None:
    """All of it, though it was said while most was yet to be sent."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = trusting(secure.root).wrap_bio(incoming, outgoing, server_hostname="localhost")
    received = b""
    with secure.connect() as connection:

        def exchange() -> bool:
            """Send what is to be sent, and take something; False at the end."""
            connection.sendall(outgoing.read())
            data = connection.recv(1 << 20)
            incoming.write(data)
            return bool(data)

        with contextlib.suppress(ssl.SSLZeroReturnError):
            while True:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    exchange()
            value = {"do": "value", "expression": f"time.sleep(1) or 'x' * {SIZE}"}  # none of it with what came before
            session.write(post(json.dumps(value)).replace(b"/score", b"/score?goodbye", 1))
            assert exchange()
            assert secure.log.wait_for("POST /score?goodbye 200")
            with pytest.raises(ssl.SSLWantReadError):
                session.unwrap()
            more = True
            while more:
                with contextlib.suppress(ssl.SSLWantReadError):
                    while data := session.read(1 << 20):
                        received += data
                more = exchange()
    (answer,) = answers(received)
    assert (answer.status, len(answer.body)) == (200, SIZE + 2)


def test_with_tls_who_ends_its_side_leaves(secure: Server) -> None:
    with client(secure) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        before = secure.log.count("run with")
        connection.sendall(post(sleep(2)))
        assert secure.log.wait_for("run with", before + 1)
        connection.shutdown(socket.SHUT_WR)
        assert secure.log.wait_for("POST /score 499")
    with client(secure) as connection:
        connection.sendall(post("7", b"Connection: close\r\n"))
        assert answers(read_all(connection))[0].body == b"7"
    assert "Traceback" not in secure.log.text
    assert "has no effect" not in secure.log.text
