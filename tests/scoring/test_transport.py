"""Where requests go: to the published address, under the name that the certificate is for, and to nobody else."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scoring.endpoint import Endpoint, ServiceError
from tests.pki import make_certificate

NAME = "mnist.example.test"
"""A name that no resolver knows."""


class Server(HTTPServer):
    """A server with TLS that notes the names it is called by."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hosts: list[str] = []
        self.names: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*make_certificate(folder, [NAME]))
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *arguments: object) -> None:
        """A client that does not trust the certificate breaks the connection off."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.hosts.append(self.headers["Host"])
        self.send_response(200)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"1")

    def log_message(self, *arguments: object) -> None:
        """Keep the tests' output free of access lines."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path / "served")
    thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield started
    started.shutdown()
    thread.join()
    started.server_close()


def service(server: Server, certificate_file: Path, name: str = NAME) -> Endpoint:
    uri, address = f"https://{name}:{server.server_port}/score", f"127.0.0.1:{server.server_port}"
    return Endpoint("mnist", uri, address=address, certificate_file=str(certificate_file))


def test_the_address_is_asked_under_the_certificates_name(server: Server, tmp_path: Path) -> None:
    assert service(server, tmp_path / "served/certificate.pem").run("{}") == 1
    assert server.hosts == [f"{NAME}:{server.server_port}"]
    assert server.names == [NAME]


@pytest.mark.parametrize(("certificate", "name"), [("other", NAME), ("none", NAME), ("served", "other.example.test")])
def test_another_certificate_is_not_trusted(server: Server, tmp_path: Path, certificate: str, name: str) -> None:
    make_certificate(tmp_path / "other", [NAME])
    with pytest.raises(ServiceError, match=r"could not be reached: .*certificate verify failed"):
        service(server, tmp_path / certificate / "certificate.pem", name).run("{}")
    assert server.hosts == []
