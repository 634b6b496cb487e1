"""A registry on the loopback that keeps what is pushed in memory and asks for one user and password.

Only what `docker push` needs of the distribution protocol (https://distribution.github.io/distribution/spec/api/).
"""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "me", "hunter2"


class Registry(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_request(self) -> None:
        body = self.body()
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {login}":
            self.answer(401, {"WWW-Authenticate": 'Basic realm="test"'})
            return
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        if "uploads" in parts:
            self.upload(parts[-1], url.query, body)
        elif "blobs" in parts:
            self.show(self.server.blobs, parts[-1])
        elif "manifests" in parts and self.command == "PUT":
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            self.server.manifests.update({digest: body, parts[-1]: body})
            self.answer(201, {"Docker-Content-Digest": digest})
        elif "manifests" in parts:
            self.show(self.server.manifests, parts[-1])
        else:
            self.answer(200)

    def show(self, kept: dict[str, bytes], name: str) -> None:
        if name in kept:
            digest = f"sha256:{hashlib.sha256(kept[name]).hexdigest()}"
            headers = {"Docker-Content-Digest": digest, "Content-Length": str(len(kept[name]))}
            self.answer(200, headers, kept[name])
        else:
            self.answer(404)

    def upload(self, name: str, query: str, body: bytes) -> None:
        if self.command == "POST":
            name = str(len(self.server.uploads))
            self.server.uploads[name] = b""
        self.server.uploads[name] += body
        headers = {"Location": f"/v2/x/blobs/uploads/{name}", "Docker-Upload-UUID": name}
        if self.command == "PUT":
            (digest,) = parse_qs(query)["digest"]
            self.server.blobs[digest] = self.server.uploads.pop(name)
            self.server.uploads[name] = b""
            self.answer(201, {"Docker-Content-Digest": digest})
        else:
            self.answer(202, {**headers, "Range": f"0-{max(0, len(self.server.uploads[name]) - 1)}"})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_request  # noqa: N815 - the library's names


@contextmanager
def serve() -> Iterator[Registry]:
    server = Registry()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
