"""One client's connection: requests in order, limits on bodies and time, closing."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections import deque
from typing import TYPE_CHECKING, cast

from .exchange import RETRY, Exchange
from .keys import CHALLENGE, UNAUTHORIZED
from .parsing import RequestHead, RequestParser

if TYPE_CHECKING:
    from .service import Service

MIN_RATE = 1024  # bytes/s that a body must keep up with, on average, and a client that reads an answer
_MAX_PIPELINED = 8
_LINGER_S = 2.0
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """A client's connection. Requests are answered one after the other, in order."""

    transport: asyncio.Transport

    def __init__(self, service: Service) -> None:
        self.service = service
        self.client = ("", 0)
        self.scheme = "http"
        self._loop = service.loop
        self._parser = RequestParser(self)
        self._waiting: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._reading: Exchange | None = None
        self._chunks: list[bytes] = []
        self._received = 0
        self._closing = False
        self._paused = False
        self._written = 0
        self._since = self._loop.time()
        self._taken = (0, self._since)  # bytes that the client had taken, and when that was looked at

    # transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        peer = transport.get_extra_info("peername")
        self.client = (str(peer[0]), int(peer[1])) if peer else ("", 0)
        if isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject):
            self.scheme = "https"
        if not self.service.connected(self):
            self.refuse(503, "Too many connections.", RETRY)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._closing = True
        self._forget(self._received)
        self._received = 0
        if self._current is not None:
            self._current.gone = True
        for exchange in self._waiting:
            self._forget(len(exchange.body))
        self._waiting.clear()
        self.service.disconnected(self)

    @property
    def unread(self) -> int:
        """Bytes that the client has not taken yet."""
        return 0 if self.transport.is_closing() else self.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self._written += len(data)
            self.transport.write(data)

    def abort(self) -> None:
        self._closing = True
        self.transport.abort()

    def _reset(self) -> None:
        """Abort, so that what the kernel still holds for this client goes, too."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.abort()

    def data_received(self, data: bytes) -> None:
        if not self._closing:
            self._parser.feed(data)

    # what the parser finds

    @property
    def closing(self) -> bool:
        """Whether no more is to be read."""
        return self._closing

    def request_begins(self) -> None:
        self._since = self._loop.time()

    def request_head(self, head: RequestHead) -> None:
        exchange = self._reading = Exchange(self, head)
        size = head.length
        if not self.service.admits(exchange):
            self._reject(exchange, 401, UNAUTHORIZED, CHALLENGE)
        elif self._within_limits(exchange, size, size) and b"expect" in head.fields and head.http_version == "1.1":
            self._meet(exchange, head.fields[b"expect"])

    def _meet(self, exchange: Exchange, expectation: bytes) -> None:
        if expectation.lower() != b"100-continue":
            self._reject(exchange, 417, "Of the header Expect, only 100-continue can be met.")
        elif self._current is None:  # else it would be taken for the answer to an earlier request
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def request_body(self, data: bytes) -> None:
        exchange = self._reading
        if exchange is None:
            return
        self._received += len(data)
        self.service.buffered_bytes += len(data)
        if self._within_limits(exchange, self._received, 0):
            self._chunks.append(data)

    def request_complete(self) -> None:
        exchange, self._reading = self._reading, None
        if exchange is None:
            return
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

    def _within_limits(self, exchange: Exchange, size: int, more: int) -> bool:
        """Whether a body of `size` bytes may be, `more` of which are to come; else the answer is given."""
        limit = self.service.max_body_bytes
        if size > limit:
            self._reject(exchange, 413, f"The body is larger than {limit} bytes.")
        elif size and not self.service.has_room(more):
            self._reject(exchange, 503, "The server is busy. Try again later.", RETRY)
        else:
            return True
        return False

    def refuse(self, status: int, message: str, head: bytes = b"") -> None:
        """Answer a request that could not be parsed, and close."""
        exchange = Exchange(self, RequestHead("GET", self._parser.target or "-", [], {}, "1.1", False))
        self._reject(exchange, status, message, head)

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
        if self._current is None and self._reading is None and not self._parser.in_head:
            self.close()

    def check_time(self, now: float) -> None:
        """Close when the client has been silent or slow for too long."""
        pending = self.transport.get_write_buffer_size()
        taken, since = self._taken
        if not pending:
            self._taken = (self._written, now)
        elif now - since > 2 * self.service.read_timeout_s:
            if self._written - pending - taken < MIN_RATE * (now - since):
                self._reset()
            self._taken = (self._written - pending, now)
        if pending:
            return
        if self._current is not None or self._closing:
            return
        spent = now - self._since
        if self._reading is not None or self._parser.in_head:
            if spent > self.service.read_timeout_s + self._received / MIN_RATE:
                self.refuse(408, "The request did not arrive in time.")
        elif spent > self.service.keep_alive_s:
            self.close()
