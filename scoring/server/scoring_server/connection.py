"""HTTP/1.1 on one connection: parsing with httptools, limits, pipelining, closing."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from .exchange import Exchange

if TYPE_CHECKING:
    from .pool import Link
    from .service import Service

MAX_HEAD = 64 * 1024
MAX_TARGET = 16 * 1024
MAX_HEADERS = 100
MIN_RATE = 1024  # bytes/s that a body must keep up with, on average
_MAX_PIPELINED = 8
_LINGER_S = 2.0


class Connection(asyncio.Protocol):
    """A client's connection. Requests are answered one after the other, in order."""

    transport: asyncio.Transport

    def __init__(self, service: Service) -> None:
        self.service = service
        self.client = ("", 0)
        self.scheme = "http"
        self._loop = service.loop
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._reading: Exchange | None = None
        self._chunks: list[bytes] = []
        self._received = 0
        self._closing = False
        self._paused = False
        self._held: set[Link] = set()
        self._full = False
        self._buffered = (0, 0.0)
        self._in_head = self._began = self._resuming = False
        self._head_size = 0
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._since = self._loop.time()

    # transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        peer = transport.get_extra_info("peername")
        self.client = (str(peer[0]), int(peer[1])) if peer else ("", 0)
        if isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject):
            self.scheme = "https"
        if not self.service.connected(self):
            self._refuse(503, "Too many connections.")

    def connection_lost(self, _exc: Exception | None) -> None:
        self._closing = True
        self.resume_writing()
        self._forget(self._received)
        self._received = 0
        if self._current is not None:
            self._current.gone = True
        for exchange in self._waiting:
            self._forget(len(exchange.body))
        self._waiting.clear()
        self.service.disconnected(self)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        for link in self._held:
            link.transport.resume_reading()
        self._held.clear()

    def hold_while_full(self, link: Link) -> None:
        """Read no more from `link` until this client has taken what is there."""
        if self._full and link not in self._held:
            self._held.add(link)
            link.transport.pause_reading()

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def abort(self) -> None:
        self._closing = True
        self.transport.abort()

    # parsing

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._ignore_upgrade()
                if data and not self._closing:
                    continue
            except httptools.HttpParserError:
                if not self._closing:
                    self._refuse(400, "The request is not valid HTTP/1.1.")
            break
        if self._in_head and not self._closing:
            # What came together with the head's first bytes may belong to the request before.
            if self._began:
                self._began = False
            else:
                self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                self._refuse(431, "The request's headers are too large.")

    def _ignore_upgrade(self) -> None:
        """Go on as if no upgrade had been asked for: the parser stops after the head, be there a body or not."""
        self._parser = httptools.HttpRequestParser(self)
        if self._reading is not None:
            framing = self._framing(self._reading)
            self._resuming = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
            self._resuming = False

    @staticmethod
    def _framing(exchange: Exchange) -> bytes:
        """The header that says how long the body is, or nothing without one."""
        if b"transfer-encoding" in exchange.fields:
            return b"Transfer-Encoding: %b" % exchange.fields[b"transfer-encoding"]
        length = exchange.fields.get(b"content-length", b"0")
        return b"Content-Length: %b" % length if length.strip(b"0") else b""

    def on_message_begin(self) -> None:
        if self._resuming:
            return
        self._in_head = self._began = True
        self._head_size = 0
        self._target = b""
        self._headers = []
        self._since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        if self._resuming:
            return
        self._target += url
        if len(self._target) > MAX_TARGET and not self._closing:
            self._refuse(414, f"The request's URL is longer than {MAX_TARGET} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._closing or self._resuming:
            return
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            self._refuse(400, "The request is not valid HTTP/1.1.")
            return
        headers = self._headers
        if len(headers) > MAX_HEADERS:
            self._refuse(431, f"The request has more than {MAX_HEADERS} headers.")
            return
        fields: dict[bytes, bytes] = {}
        size = 0
        for name, value in headers:
            size += len(name) + len(value)
            key = name.lower()
            fields[key] = b"%b, %b" % (fields[key], value) if key in fields else value
        if size > MAX_HEAD:
            self._refuse(431, "The request's headers are too large.")
            return
        parser = self._parser
        exchange = Exchange(
            self,
            parser.get_method().decode("latin-1"),
            self._target.decode("latin-1"),
            headers,
            fields,
            parser.get_http_version(),
            parser.should_keep_alive(),
        )
        self._reading = exchange
        length = fields.get(b"content-length", b"0")
        size = int(length) if length.isdigit() else 0
        if self._within_limits(exchange, size, size) and fields.get(b"expect", b"").lower() == b"100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _within_limits(self, exchange: Exchange, size: int, more: int) -> bool:
        """Whether a body of `size` bytes may be, `more` of which are to come; else the answer is given."""
        limit = self.service.max_body_bytes
        if size > limit:
            self._reject(exchange, 413, f"The body is larger than {limit} bytes.")
        elif size and not self.service.has_room(more):
            self._reject(exchange, 503, "The server is busy. Try again later.", b"Retry-After: 1\r\n")
        else:
            return True
        return False

    def on_body(self, body: bytes) -> None:
        exchange = self._reading
        if exchange is None or self._closing:
            return
        self._received += len(body)
        self.service.buffered_bytes += len(body)
        if self._within_limits(exchange, self._received, 0):
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        exchange = self._reading
        if exchange is None or self._closing or (self._parser.should_upgrade() and self._framing(exchange)):
            return
        self._reading = None
        chunks = self._chunks
        if chunks:
            exchange.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._chunks = []
            self._received = 0
        if self._current is None:
            self._current = exchange
            self.service.handle(exchange)
            return
        self._waiting.append(exchange)
        if len(self._waiting) >= _MAX_PIPELINED and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    # answers

    def exchange_done(self, exchange: Exchange) -> None:
        """`exchange` has been answered: close, or go on with the next."""
        self._forget(len(exchange.body))
        if exchange is not self._current:
            return
        self._current = None
        self._since = self._loop.time()
        if not exchange.keep_alive:
            for waiting in self._waiting:
                self._forget(len(waiting.body))
            self._waiting.clear()
            self.close()
        elif self._waiting:
            # In another turn of the loop: a long pipeline must not become a deep recursion.
            self._current = self._waiting.popleft()
            self._loop.call_soon(self._next, self._current)

    def _next(self, exchange: Exchange) -> None:
        if self._paused and len(self._waiting) < _MAX_PIPELINED:
            self._paused = False
            self.transport.resume_reading()
        if exchange.gone:
            self._forget(len(exchange.body))
        else:
            self.service.handle(exchange)

    def _forget(self, size: int) -> None:
        self.service.buffered_bytes -= size

    def _reject(self, exchange: Exchange, status: int, message: str, head: bytes = b"") -> None:
        """Answer before the body is here, and read no more of it."""
        self._reading = None
        self._forget(self._received)
        self._received = 0
        self._chunks = []
        exchange.keep_alive = False
        if self._current is None:
            self._current = exchange
            exchange.error(status, message, head)
        else:
            self.close()  # earlier requests are still being answered; this one cannot be before them

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that could not be parsed."""
        exchange = Exchange(self, "GET", self._target.decode("latin-1") or "-", [], {}, "1.1", False)
        self._reject(exchange, status, message)

    def close(self) -> None:
        """Close so that the client gets what was written, even if it is still sending: a reset could overtake it."""
        if self.transport.is_closing():
            return
        if self._current is not None and not self._current.finished:
            self._current.keep_alive = False
            return
        self._closing = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._loop.call_later(_LINGER_S, self.transport.abort)
        else:
            self.transport.close()

    # time

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        if self._current is None and self._reading is None and not self._in_head:
            self.close()

    def check_time(self, now: float) -> None:
        """Close when the client has been silent or slow for too long."""
        pending = self.transport.get_write_buffer_size()
        if pending:
            if pending != self._buffered[0]:
                self._buffered = (pending, now)
            elif now - self._buffered[1] > 2 * self.service.read_timeout_s:
                self.abort()
            return
        if self._current is not None or self._closing:
            return
        spent = now - self._since
        if self._reading is not None or self._in_head:
            if spent > self.service.read_timeout_s + self._received / MIN_RATE:
                self._refuse(408, "The request did not arrive in time.")
        elif spent > self.service.keep_alive_s:
            self.close()
