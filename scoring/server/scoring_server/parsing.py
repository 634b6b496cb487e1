"""HTTP/1.1 requests from bytes, by httptools, with limits on their heads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import httptools

MAX_HEAD = 64 * 1024
MAX_TARGET = 16 * 1024
MAX_HEADERS = 100

NOT_HTTP = "The request is not valid HTTP/1.1."
TOO_LARGE = "The request's headers are too large."


UNKNOWN_METHOD = (405, "The method is not allowed for the requested URL.")

_REQUEST_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ /[!-~]* HTTP/1\.[01]\r\n")
_ABSOLUTE = re.compile("https?://(?P<host>[^/?#@]+)(?P<rest>[/?].*)?$", re.IGNORECASE)
# A byte in a chunk of its own takes six.
_WIRE_FACTOR = 8


def _frames_well(version: str, fields: Mapping[bytes, bytes]) -> bool:
    """Whether a proxy and this server must see the same end of the body; see RFC 9112, section 6.1.

    llhttp has refused whatever else is doubtful: both framings at once, lengths that differ or are no numbers.
    """
    coding = fields.get(b"transfer-encoding")
    return coding is None or (version == "1.1" and coding.lower() == b"chunked")


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
        self._body_began = False
        self._body_size = 0  # bytes of the body so far
        self._body_wire = 0  # the same as sent: with chunk sizes, extensions and trailers

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
            except httptools.HttpParserInvalidMethodError:
                self._refuse(*(UNKNOWN_METHOD if _REQUEST_LINE.match(data) else (400, NOT_HTTP)))
            except httptools.HttpParserError:
                self._refuse(400, NOT_HTTP)
            break
        # What came together with the first bytes of a head or a body may belong to what was before.
        if not self.in_head:
            if self._body_began:
                self._body_began = False
            elif self._head is not None:
                self._check_framing(len(data))
            return
        if self._began:
            self._began = False
        else:
            self._head_size += len(data)
        if self._head_size > MAX_HEAD:
            self._refuse(431, TOO_LARGE)

    def _refuse(self, status: int, message: str) -> None:
        if not self._receiver.closing:
            self._receiver.refuse(status, message)

    def _check_framing(self, size: int) -> None:
        """Bound what is sent beside the body: chunks of nothing but extensions, endless trailers."""
        self._body_wire += size
        if self._body_wire > MAX_HEAD + _WIRE_FACTOR * self._body_size:
            self._refuse(400, NOT_HTTP)

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
        if self.in_head:  # else it is a trailer: of no use here, and no header of the next request
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
        if version not in ("1.0", "1.1") or b"," in fields.get(b"host", b"") or not _frames_well(version, fields):
            self._refuse(400, NOT_HTTP)
        elif len(headers) > MAX_HEADERS:
            self._refuse(431, f"The request has more than {MAX_HEADERS} headers.")
        elif size > MAX_HEAD:
            self._refuse(431, TOO_LARGE)
        else:
            method = parser.get_method().decode("latin-1")
            target = self.target
            if target[0] not in "/*" and (found := _ABSOLUTE.match(target)):
                # As clients send it to proxies: what it names counts, not the header; RFC 9112, section 3.2.2.
                host, target = found["host"].encode("latin-1"), found["rest"] or ""
                target = target if target.startswith("/") else f"/{target}"
                headers = [(b"Host", host), *(pair for pair in headers if pair[0].lower() != b"host")]
                fields[b"host"] = host
            self._body_began = True
            self._body_size = self._body_wire = 0
            self._head = RequestHead(method, target, headers, fields, version, parser.should_keep_alive())
            self._receiver.request_head(self._head)

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if not self._receiver.closing:
            self._receiver.request_body(body)

    def on_message_complete(self) -> None:
        head = self._head
        if head is None or self._receiver.closing or (self._parser.should_upgrade() and head.framing):
            return
        self._head = None
        self._receiver.request_complete()
