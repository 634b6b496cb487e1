"""HTTP/1.1 requests from bytes, by httptools, one at a time and with limits on their heads."""

from __future__ import annotations

import re
from typing import Protocol

import httptools

from .heads import NOTHING_KNOWN, RequestHead, by_name, frames_well, in_origin_form

MAX_HEAD = 64 * 1024
MAX_TARGET = 16 * 1024
MAX_HEADERS = 100

NOT_HTTP = "The request is not valid HTTP/1.1."
TOO_LARGE = "The request's headers are too large."
TOO_MANY = f"The request has more than {MAX_HEADERS} headers."
TOO_LONG = f"The request's URL is longer than {MAX_TARGET} bytes."

_EMPTY_LINE = b"\r\n\r\n"
# RFC 9110, 7.2, and RFC 3986, 3.2.2: a name or an address, and a port; some clients send zones, and names in UTF-8.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%\x80-\xff-]*|\[[0-9A-Fa-f:.]+(?:%[\w.~%-]+)?\])(?::[0-9]*)?[ \t]*")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) /[!-~]* HTTP/1\.[01]\r\n")
_ERRORS = (httptools.HttpParserError, httptools.HttpParserUpgrade)
_REPEATED = 4 * 1024  # bytes of a head that is remembered, in case that the next request has the same
# A byte in a chunk of its own takes six.
_WIRE_FACTOR = 8


class Receiver(Protocol):
    """Takes what the parser finds."""

    deaf: bool  # nothing more is wanted

    def request_head(self, head: RequestHead) -> None: ...
    def request_body(self, data: bytes) -> None: ...
    def request_complete(self) -> None: ...

    def refuse(self, status: int, message: str, known: RequestHead) -> None:
        """What came is no request, or one with too large a head; `known` is what could be made of it."""


class RequestParser:
    """Parses the requests of one connection. The methods `on_...` are called by httptools.

    httptools parses all that it is fed, so it is fed pieces that end where a request may: after an empty line, or with
    the last byte of a body whose length is known.
    """

    def __init__(self, receiver: Receiver) -> None:
        self.in_head = False  # a head has begun and is not complete
        self._receiver = receiver
        self._parser = httptools.HttpRequestParser(self)
        self._host = b""  # the latest that was right
        self._method = ""  # where httptools does not know it
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head: RequestHead | None = None  # of the request whose body is read
        self._head_size = 0  # bytes so far of a head that came in several pieces
        self._remaining = 0  # bytes to come of a body whose length is known
        self._body_size = 0  # bytes so far of a body in chunks
        self._body_wire = 0  # the same as sent: with chunk sizes, extensions and trailers
        self._tail = b""  # the last bytes that were fed, where an empty line may have begun
        self._complete = False
        self._resuming = False
        self._latest: RequestHead | None = None  # the head that was complete last
        self._repeated = b"", NOTHING_KNOWN  # a head that came in one piece, and what it says

    @property
    def known(self) -> RequestHead:
        """What is known of the request whose head is being read."""
        if not self._target:
            return NOTHING_KNOWN
        method = self._method or self._parser.get_method().decode("latin-1")
        target = self._target.decode("latin-1")
        return RequestHead(method, target, self._headers, by_name(self._headers), "1.1", False)

    def feed(self, data: bytes, start: int = 0) -> int:
        """Parse `data` from `start` on, up to the end of one request; gives the position behind what was parsed."""
        self._complete = False
        if self._head is None and not self._tail:
            piece, head = self._repeated
            if piece and data.startswith(piece, start):
                body_at = start + len(piece)
                if body_at + head.length <= len(data):
                    self._pass_on(head, data[body_at : body_at + head.length])
                    return body_at + head.length
            end = data.find(_EMPTY_LINE, start) + 4
            if 4 <= end <= start + MAX_HEAD:
                # Nearly always: a head, and its body or none. The same as in pieces, with less to look at.
                piece = data[start:end]
                try:
                    self._parser.feed_data(piece)
                    if self._remaining:
                        body = memoryview(data)[end : end + self._remaining]
                        end += len(body)
                        self._remaining -= len(body)
                        self._parser.feed_data(body)
                    latest = self._latest
                    if self._complete and latest is not None and latest.keep_alive and len(piece) <= _REPEATED:
                        self._repeated = piece, latest
                except _ERRORS as error:
                    self._recover(error, piece)
                if self._complete:
                    return end
                if self._head is None and piece.strip(b"\r\n"):
                    # The parser waits for more of a head that has ended, as for "SM" after HTTP/2's "PRI * HTTP/2.0".
                    self._refuse(400, NOT_HTTP)
                start = end
        return self._feed_pieces(data, start)

    def _pass_on(self, head: RequestHead, body: bytes) -> None:
        """Take a request whose head is byte for byte that of one before it, as clients that stay send them.

        Between requests the parser has nothing in mind: what it would find is known, and it need not see it.
        """
        receiver = self._receiver
        receiver.request_head(head)
        if body and not receiver.deaf:
            receiver.request_body(body)
        if not receiver.deaf:
            self._complete = True
            receiver.request_complete()

    def _feed_pieces(self, data: bytes, start: int) -> int:
        first, size = start, len(data)
        tail, self._tail = self._tail, b""
        while start < size and not self._receiver.deaf:
            head = self._head
            if self._remaining:
                end = min(start + self._remaining, size)
                self._remaining -= end - start
            else:
                end = _end_of_piece(data, start, tail if start == first else b"")
            if head is None and end - start > MAX_HEAD - self._head_size:
                self._parse(data[start : start + MAX_HEAD - self._head_size])
                self._refuse(431, TOO_LARGE)
                break
            self._parse(data[start:end])
            if head is not None:
                self._check_framing(end - start)
            start = end
            if self._complete:
                return start
        if not self._remaining:
            self._remember(tail, data[first:])
        return start

    def _remember(self, tail: bytes, data: bytes) -> None:
        """Note the end of `data`, which came behind `tail`, and no request ended; bound the head that is being read."""
        self._tail = (tail + data[-3:])[-3:]
        if self._head is None and (self.in_head or data.strip(b"\r\n")):
            self.in_head = True
            self._head_size += len(data)
            if len(self._headers) > MAX_HEADERS:
                self._refuse(431, TOO_MANY)

    def _parse(self, piece: bytes) -> None:
        try:
            self._parser.feed_data(piece)
        except _ERRORS as error:
            self._recover(error, piece)

    def _recover(self, error: Exception, piece: bytes) -> None:
        if isinstance(error, httptools.HttpParserUpgrade):
            self._ignore_upgrade()
        elif isinstance(error, httptools.HttpParserInvalidMethodError):
            self._parse_unknown_method(piece)
        else:
            self._refuse(400, NOT_HTTP)

    def _parse_unknown_method(self, piece: bytes) -> None:
        """Have httptools parse the rest of a request whose method it does not know."""
        line = _REQUEST_LINE.match(piece)
        if line is None or self._method:
            self._refuse(400, NOT_HTTP)
            return
        self._parser = httptools.HttpRequestParser(self)
        self._method = line[1].decode()
        self._parse(b"GET" + piece[line.end(1) :])

    def _refuse(self, status: int, message: str, head: RequestHead | None = None) -> None:
        if not self._receiver.deaf:
            self._receiver.refuse(status, message, head or self.known)

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

    def on_url(self, url: bytes) -> None:
        if self._resuming or self._receiver.deaf:
            return
        self._target += url
        if len(self._target) > MAX_TARGET:
            self._refuse(414, TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is None:  # else it is a trailer: of no use here, and no header of the next request
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._receiver.deaf or self._resuming:
            return
        headers, self._headers = self._headers, []
        fields = by_name(headers)
        target, self._target = self._target.decode("latin-1"), b""
        self.in_head = False
        self._head_size = 0
        parser = self._parser
        version = parser.get_http_version()
        keep_alive = not self._method and parser.should_keep_alive()
        method, self._method = self._method or parser.get_method().decode("latin-1"), ""
        # With blanks, should there be any: llhttp takes them, too.
        length = int(fields[b"content-length"]) if b"content-length" in fields else 0
        head = RequestHead(method, target, headers, fields, version, keep_alive, length)
        if (
            version not in ("1.1", "1.0")
            or not self._names_host(fields.get(b"host", b""))
            or (b"transfer-encoding" in fields and not frames_well(head))
        ):
            self._refuse(400, NOT_HTTP, head)
            return
        if len(headers) > MAX_HEADERS:
            self._refuse(431, TOO_MANY, head)
            return
        head = self._head = self._latest = in_origin_form(head)
        self._body_size = self._body_wire = 0
        self._remaining = length
        self._receiver.request_head(head)

    def _names_host(self, host: bytes) -> bool:
        """Whether this is a Host header's value: most connections have but one."""
        if host != self._host:
            if not _HOST.fullmatch(host):
                return False
            self._host = host
        return True

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if not self._receiver.deaf:
            self._receiver.request_body(body)

    def on_message_complete(self) -> None:
        head = self._head
        if head is None or self._receiver.deaf or (self._parser.should_upgrade() and head.framing):
            return
        self._head = None
        self._complete = True
        self._receiver.request_complete()


def _end_of_piece(data: bytes, start: int, tail: bytes) -> int:
    """Where the first empty line in `data` ends that may have begun in `tail`, before it; else the end of `data`."""
    found = (tail + data[start : start + 3]).find(_EMPTY_LINE) if tail else -1
    if found >= 0:
        return start + found + 4 - len(tail)
    found = data.find(_EMPTY_LINE, start)
    return found + 4 if found >= 0 else len(data)
