"""HTTP/1.1 requests from bytes, by httptools, with limits on their heads."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import httptools

MAX_HEAD = 64 * 1024
MAX_TARGET = 16 * 1024
MAX_HEADERS = 100

NOT_HTTP = "The request is not valid HTTP/1.1."
TOO_LARGE = "The request's headers are too large."


class RequestHead(NamedTuple):
    """A request's first line and headers.

    `headers` are as sent; `fields` are the same by lower-case name, repeated ones joined with a comma.
    """

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    fields: dict[bytes, bytes]
    http_version: str
    keep_alive: bool

    @property
    def length(self) -> int:
        """The body's length as announced, 0 without announcement."""
        length = self.fields.get(b"content-length", b"0")
        return int(length) if length.isdigit() else 0

    @property
    def framing(self) -> bytes:
        """The header that says where the body ends, or nothing without a body."""
        if b"transfer-encoding" in self.fields:
            return b"Transfer-Encoding: %b" % self.fields[b"transfer-encoding"]
        return b"Content-Length: %d" % self.length if self.length else b""


class Receiver(Protocol):
    """Takes what the parser finds."""

    @property
    def closing(self) -> bool:
        """Whether nothing more is wanted."""

    def request_begins(self) -> None: ...
    def request_head(self, head: RequestHead) -> None: ...
    def request_body(self, data: bytes) -> None: ...
    def request_complete(self) -> None: ...

    def refuse(self, status: int, message: str) -> None:
        """What came is no request, or one with too large a head."""


class RequestParser:
    """Parses the requests of one connection. The methods `on_...` are called by httptools."""

    def __init__(self, receiver: Receiver) -> None:
        self.in_head = False  # a head has begun and is not complete
        self._receiver = receiver
        self._parser = httptools.HttpRequestParser(self)
        self._head: RequestHead | None = None
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._began = False
        self._resuming = False

    @property
    def target(self) -> str:
        """The path and query of the request that is being read."""
        return self._target.decode("latin-1")

    def feed(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._ignore_upgrade()
                if data and not self._receiver.closing:
                    continue
            except httptools.HttpParserError:
                self._refuse(400, NOT_HTTP)
            break
        if not self.in_head:
            return
        # What came together with the head's first bytes may belong to the request before.
        if self._began:
            self._began = False
        else:
            self._head_size += len(data)
        if self._head_size > MAX_HEAD:
            self._refuse(431, TOO_LARGE)

    def _refuse(self, status: int, message: str) -> None:
        if not self._receiver.closing:
            self._receiver.refuse(status, message)

    def _ignore_upgrade(self) -> None:
        """Go on as if no upgrade had been asked for: the parser stops after the head, be there a body or not."""
        self._parser = httptools.HttpRequestParser(self)
        if self._head is not None:
            self._resuming = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % self._head.framing)
            self._resuming = False

    def on_message_begin(self) -> None:
        if self._resuming:
            return
        self.in_head = self._began = True
        self._head_size = 0
        self._target = b""
        self._receiver.request_begins()

    def on_url(self, url: bytes) -> None:
        if self._resuming:
            return
        self._target += url
        if len(self._target) > MAX_TARGET:
            self._refuse(414, f"The request's URL is longer than {MAX_TARGET} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False
        headers, self._headers = self._headers, []
        if self._receiver.closing or self._resuming:
            return
        parser = self._parser
        version = parser.get_http_version()
        fields: dict[bytes, bytes] = {}
        size = 0
        for name, value in headers:
            size += len(name) + len(value)
            key = name.lower()
            fields[key] = b"%b, %b" % (fields[key], value) if key in fields else value
        if version not in ("1.0", "1.1"):
            self._refuse(400, NOT_HTTP)
        elif len(headers) > MAX_HEADERS:
            self._refuse(431, f"The request has more than {MAX_HEADERS} headers.")
        elif size > MAX_HEAD:
            self._refuse(431, TOO_LARGE)
        else:
            method = parser.get_method().decode("latin-1")
            self._head = RequestHead(method, self.target, headers, fields, version, parser.should_keep_alive())
            self._receiver.request_head(self._head)

    def on_body(self, body: bytes) -> None:
        if not self._receiver.closing:
            self._receiver.request_body(body)

    def on_message_complete(self) -> None:
        head = self._head
        if head is None or self._receiver.closing or (self._parser.should_upgrade() and head.framing):
            return
        self._head = None
        self._receiver.request_complete()
