"""One client's connection: requests in order, limits on bodies and time, closing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from .exchange import RETRY, Exchange
from .heads import NOTHING_KNOWN, RequestHead
from .keys import CHALLENGE, UNAUTHORIZED
from .outgoing import Outgoing
from .pace import Pace
from .parsing import RequestParser

if TYPE_CHECKING:
    from .forwarding import Address
    from .service import Service

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_READ_AHEAD = 64 * 1024
_PROBE_S = 0.01


class Connection(Outgoing):
    """A client's connection. Requests are parsed and answered one after the other.

    What is behind the one in flight is kept as it came, and not read on beyond a bound. The same holds while the client
    does not take its answers.
    """

    def __init__(self, service: Service, *, for_health: bool = False) -> None:
        super().__init__(service)
        self.for_health = for_health  # of the port for health checks
        self.client: Address = ("", 0)
        self.scheme = "http"
        self.deaf = False  # what comes in is dropped
        self._parser = RequestParser(self)
        self._current: Exchange | None = None
        self._reading: Exchange | None = None
        self._chunks: list[bytes] = []
        self._received = 0
        self._unread = b""
        self._unread_at = 0
        self._scheduled = False
        self._paused = False
        self._state = 0, False  # bytes written, and whether a head was on its way, when that was looked at
        self._since = self._loop.time()  # then
        self._sending: tuple[Exchange, Pace] | None = None  # whose body was on its way when that was looked at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        peer = transport.get_extra_info("peername")
        self.client = (str(peer[0]), int(peer[1])) if peer else ("", 0)
        if isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject):
            self.scheme = "https"
            self.secure_writing()
        if not self.service.connected(self):
            self.refuse(503, "Too many connections.", NOTHING_KNOWN, RETRY)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._turn_deaf()
        if self._current is not None:
            self._current.gone = True
        self.service.disconnected(self)

    def caller(self, fields: Mapping[bytes, bytes]) -> tuple[Address, str]:
        """The address and the scheme of whoever sent a request with these headers (lower-case names)."""
        forwarding = self.service.forwarding
        return forwarding.caller(self.client, self.scheme, fields) if forwarding else (self.client, self.scheme)

    # what comes in

    @property
    def has_more(self) -> bool:
        """Whether more has come than the request in flight."""
        return bool(self._unread)

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        if self._current is None and not self._full and not self._unread:
            self._parse(data, 0)
        elif self._current is None or self._current.keep_alive:
            self._keep(self._unread[self._unread_at :] + data, 0)

    def _parse(self, data: bytes, start: int) -> None:
        end = self._parser.feed(data, start)
        if end < len(data) and not self.deaf:
            self._keep(data, end)
            if self._current is None:
                self._read_on_later()

    def _keep(self, data: bytes, start: int) -> None:
        if 2 * start > len(data):
            data, start = data[start:], 0  # what is parsed need not be held
        self._unread, self._unread_at = data, start
        self.weigh()
        if len(data) - start > _READ_AHEAD and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def _read_on_later(self) -> None:
        """Go on in another turn of the loop: a long pipeline must neither hold up others nor recurse."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._scheduled = False
        if self.deaf or self._full or self._current is not None:
            return
        data, start = self._unread, self._unread_at
        if data:
            self._unread, self._unread_at = b"", 0
            self._parse(data, start)
            self.weigh()
        if not self._unread:
            self._listen_again()
            if self.ended and self._current is None:
                self.close()

    def _listen_again(self) -> None:
        if self._paused:
            self._paused = False
            if not self.ended:
                self.transport.resume_reading()

    def all_taken(self) -> None:
        if self._unread or self.ended:
            self._read_on_later()

    def held_bytes(self) -> int:
        return super().held_bytes() + len(self._unread) - self._unread_at

    def eof_received(self) -> bool:
        """What has come is answered yet, but with TLS, where a client cannot end its side alone."""
        if self.secure:
            self.flush()
            return False
        self.ended = True
        exchange = self._current
        if exchange is not None:
            self._loop.call_later(_PROBE_S, self._probe, exchange)
        return exchange is not None or bool(self._unread)

    def _probe(self, exchange: Exchange) -> None:
        """Find out whether the client has left: whoever has only ended its side takes an interim answer."""
        if exchange is self._current and not exchange.streaming and exchange.http_version == "1.1":
            self.write(_CONTINUE)
            self._loop.call_later(_PROBE_S, self.leave_if_gone)

    # what the parser finds

    def request_head(self, head: RequestHead) -> None:
        exchange = self._reading = Exchange(self, head)
        if not self.service.admits(exchange, head):
            self._reject(exchange, 401, UNAUTHORIZED, CHALLENGE)
        elif (
            self._within_limits(exchange, head.length, head.length)
            and b"expect" in head.fields
            and head.http_version == "1.1"
        ):
            self._meet(exchange, head.fields[b"expect"])

    def _meet(self, exchange: Exchange, expectation: bytes) -> None:
        if expectation.lower() == b"100-continue":
            self.write(_CONTINUE)
        else:
            self._reject(exchange, 417, "Of the header Expect, only 100-continue can be met.")

    def request_body(self, data: bytes) -> None:
        exchange = self._reading
        if exchange is None:
            return
        service = self.service
        self._received += len(data)
        service.buffered_bytes += len(data)
        if self._received <= service.max_body_bytes and service.has_room(0):
            self._chunks.append(data)
        else:
            self._within_limits(exchange, self._received, 0)

    def request_complete(self) -> None:
        exchange, self._reading = self._reading, None
        if exchange is None:
            return
        chunks = self._chunks
        if chunks:
            exchange.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            self._chunks = []
            self._received = 0
        self._current = exchange
        if self.ended or self.service.draining:
            # The answer tells whether it is the last, which shows when it is known what else has come.
            self._loop.call_soon(self.service.handle, exchange)
        else:
            self.service.handle(exchange)

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

    def refuse(self, status: int, message: str, known: RequestHead, head: bytes = b"") -> None:
        """Answer what is no request, or not all of one, and close; `known` is what came of it."""
        self._reject(self._reading or Exchange(self, known), status, message, head)

    def _reject(self, exchange: Exchange, status: int, message: str, head: bytes = b"") -> None:
        """Answer before the body is here, and read no more."""
        self._turn_deaf()
        self._current = exchange
        exchange.error(status, message, head, close=True)

    def _turn_deaf(self) -> None:
        self.deaf = True
        self._reading = None
        self.service.buffered_bytes -= self._received
        self._received = 0
        self._chunks = []
        if self._unread:
            self._unread, self._unread_at = b"", 0
            self.weigh()
        self._listen_again()

    # answers

    def exchange_done(self, exchange: Exchange) -> None:
        """`exchange` has been answered: close, or go on with the next."""
        self.service.buffered_bytes -= len(exchange.body)
        if exchange is not self._current:
            return
        self._current = None
        if not exchange.keep_alive:
            self.close()
        elif self._unread or self.ended:
            self._read_on_later()

    def close(self) -> None:
        """Close when the request in flight is answered, and all answers are taken."""
        if self._current is not None:
            self._current.keep_alive = False
        else:
            self._turn_deaf()
            self.finish()

    def end(self) -> None:
        """Close now that no more can be done for the client than to answer what has come."""
        if not self._unread:
            self.close()

    def abort(self) -> None:
        self.deaf = True
        super().abort()

    # time

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        if not (self._current or self._reading or self._unread or self._parser.in_head):
            self.close()

    def check_time(self, now: float) -> None:
        """Close when the client has been silent or slow for too long."""
        reading = self._reading
        state = self._written, self._parser.in_head
        if state != self._state:
            self._state = state
            self._since = now
        if not self.is_taking(now):
            self._since = now
            self._sending = None
        elif self._current is not None:
            if self.ended or self._paused:
                self.leave_if_gone()
        elif reading is not None:
            if self._sending is None or self._sending[0] is not reading:
                self._sending = reading, Pace(self.service.read_timeout_s, now)
                self._sending[1].restart(self._received, now)
            elif not self._sending[1].is_kept(self._received, now):
                self._refuse_late()
        elif not self.deaf and not self._unread:
            if self._parser.in_head:
                if now - self._since > self.service.read_timeout_s:
                    self._refuse_late()
            elif now - self._since > self.service.keep_alive_s:
                self.close()

    def _refuse_late(self) -> None:
        self.refuse(408, "The request did not arrive in time.", self._parser.known)
