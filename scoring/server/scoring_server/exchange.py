"""One request and its answer, on one connection."""

from __future__ import annotations

import http
import json
import logging
import time
from typing import TYPE_CHECKING

from .frames import Flag, Kind, Reply
from .identity import identify
from .logs import LOGGER
from .metrics import Failure, reply_failure
from .results import RUN_FAILED
from .tracing import Ids, trace_id

if TYPE_CHECKING:
    from .connection import Connection
    from .heads import RequestHead

logger = logging.getLogger(LOGGER)

JSON_HEAD = b"Content-Type: application/json\r\n"
RETRY = b"Retry-After: 1\r\n"
_PHRASES = {status.value: status.phrase.encode() for status in http.HTTPStatus}
_BODYLESS = (204, 304)
_JOINED = 64 * 1024  # a larger body is written beside its head: a copy would cost more than a system call
CALLER_GONE = 499  # logged for a caller who left; nginx's number


class StatusLines:
    """Status lines with the Date header, which is made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._lines: dict[int, bytes] = {}

    def get(self, status: int) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._lines.clear()
        line = self._lines.get(status)
        if line is None:
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(second)).encode()
            line = b"HTTP/1.1 %d %b\r\nDate: %b\r\n" % (status, _PHRASES.get(status, b"Unknown"), date)
            self._lines[status] = line
        return line


_status_lines = StatusLines()


class Exchange:
    """A request as parsed, and the means to answer it."""

    __slots__ = (
        "_ids",
        "_sent",
        "_status",
        "alone",
        "answer",
        "begun",
        "body",
        "connection",
        "expires",
        "failure",
        "fields",
        "finished",
        "gone",
        "headers",
        "http_version",
        "id_error",
        "id_lines",
        "keep_alive",
        "meta",
        "method",
        "number",
        "request_id",
        "run_ns",
        "started",
        "streaming",
        "target",
    )

    def __init__(self, connection: Connection, head: RequestHead) -> None:
        self.connection = connection
        self.method = head.method
        self.target = head.target
        self.headers = head.headers
        self.fields = head.fields
        self.http_version = head.http_version
        self.keep_alive = head.keep_alive
        self.body = b""
        self.meta = b""
        self.answer = b""  # of a stream, what the request log keeps
        self.run_ns: int | None = None
        self.begun = False
        self.number = 0
        self.expires = 0.0
        self.alone = False
        self.gone = False
        self.streaming = False
        self.failure: str | None = None
        self.finished = False
        self.started = time.perf_counter()
        self.request_id, self.id_lines, self.id_error = identify(head.fields)
        self._ids: Ids | None = None
        self._sent = 0
        self._status = 0

    @property
    def ids(self) -> Ids:
        """What logs carry of this request's ids."""
        ids = self._ids
        if ids is None:
            ids = self._ids = Ids(self.request_id, trace_id(self.fields))
        return ids

    @property
    def sent(self) -> int:
        """Bytes of the answer's body."""
        return self._sent

    @property
    def unread(self) -> int:
        """Bytes on the connection that the caller has not taken yet."""
        return self.connection.unread

    def encode_meta(self) -> None:
        """Fill `meta` with what `inputs.RequestMeta` holds."""
        from .inputs import RequestMeta  # late: with a plain script, this process needs none of its packages

        client, scheme = self.connection.caller(self.fields)
        self.meta = RequestMeta(self.method, self.target, self.http_version, self.headers, client, scheme).encode()

    def error(self, status: int, message: str, head: bytes = b"", *, close: bool = False) -> None:
        """Answer ``{"message": message}``."""
        if close:
            self.keep_alive = False
        self.respond(status, JSON_HEAD + head, json.dumps({"message": message}).encode())

    def respond(
        self,
        status: int,
        head: bytes,
        body: bytes,
        *,
        failed: bool | None = False,
        nanoseconds: int | None = None,
        shared: bool = False,
    ) -> None:
        """Answer with header lines `head` and `body`, which may be `shared` by many answers.

        `failed` None leaves the run-function-failed header out.
        """
        parts = self._lines(status, head, failed, nanoseconds)
        self._status, self._sent, self.answer = status, len(body), body
        if status in _BODYLESS:
            parts.append(b"%b\r\n" % self._connection_line())
        else:
            parts.append(b"Content-Length: %d\r\n%b\r\n" % (len(body), self._connection_line()))
            if self.method != "HEAD":
                if len(body) > _JOINED:
                    self._write_large(parts, body, shared)
                    parts.clear()
                else:
                    parts.append(body)
        if parts:
            self.connection.write(b"".join(parts))
        self._finish(str(len(body)))

    def _write_large(self, parts: list[bytes], body: bytes, shared: bool) -> None:
        self.connection.write(b"".join(parts))
        if shared:
            self.connection.write_shared(body)
        else:
            self.connection.write(body)

    def _lines(self, status: int, head: bytes, failed: bool | None, nanoseconds: int | None) -> list[bytes]:
        service = self.connection.service
        parts = [_status_lines.get(status), self.id_lines, service.own_lines[failed], head]
        if nanoseconds is not None:
            parts.append(b"x-ms-run-fn-exec-ms: %.3f\r\n" % (nanoseconds / 1e6))
        if service.cors.enabled and b"access-control-allow-origin:" not in head.lower():
            parts.append(service.cors.lines(self.method, self.fields))
        return parts

    def receive(self, reply: Reply) -> None:
        """Take a worker's reply."""
        if self.finished:
            return
        if self.gone:
            if reply.kind in (Kind.RESULT, Kind.END):
                self._status = CALLER_GONE
                self.failure = Failure.CLIENT_GONE
                self._finish("N/A")
            return
        nanoseconds = None
        if reply.flags & Flag.TIMED:
            nanoseconds = self.run_ns = reply.nanoseconds
            self.connection.service.metrics.run_seconds.observe(nanoseconds / 1e9)
        if self.failure is None:
            self.failure = reply_failure(reply) if reply.flags != Flag.TIMED else Failure.NONE
        failed = bool(reply.flags & Flag.RUN_FAILED)
        if reply.kind == Kind.RESULT or reply.kind == Kind.START:
            if not 200 <= reply.status <= 999:
                self._refuse_status(reply)
            elif reply.kind == Kind.RESULT:
                self.respond(reply.status, reply.head, reply.body, failed=failed, nanoseconds=nanoseconds)
            else:
                self._start_stream(reply, failed, nanoseconds)
        elif reply.kind == Kind.CHUNK:
            self._stream(reply.body)
        elif reply.flags & Flag.ABORTED:
            # The caller must see that the body is incomplete: no last chunk, and the connection breaks.
            self.failure = self.failure or Failure.STREAM_BROKEN
            self.connection.abort()
            self._finish("N/A")
        else:
            if self.http_version != "1.0" and self._has_body:
                self.connection.write(b"0\r\n\r\n")
            self._finish("N/A")

    @property
    def _has_body(self) -> bool:
        return self.method != "HEAD" and self._status not in _BODYLESS

    def _start_stream(self, reply: Reply, failed: bool, nanoseconds: int | None) -> None:
        self.streaming = True
        self._status = reply.status
        if self.http_version == "1.0":
            self.keep_alive = False  # the end of the connection ends the body
        parts = self._lines(reply.status, reply.head, failed, nanoseconds)
        if self.http_version != "1.0" and reply.status not in _BODYLESS:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        parts += (self._connection_line(), b"\r\n")
        self.connection.write(b"".join(parts))

    def _refuse_status(self, reply: Reply) -> None:
        """Answer where the script's status is none of a final answer: callers would take what follows for another."""
        logger.error("The script answered with the status %d. Allowed are 200 to 999.", reply.status)
        self.failure = Failure.SCRIPT_ERROR
        self.gone = reply.kind == Kind.START  # so that its stream is broken off
        self.respond(500, JSON_HEAD, json.dumps({"message": RUN_FAILED}).encode(), failed=True)

    def _stream(self, chunk: bytes) -> None:
        if not self._has_body:
            return
        self._sent += len(chunk)
        room = self.connection.service.recorded_bytes - len(self.answer)
        if room > 0:
            self.answer += chunk[:room]
        if self.http_version == "1.0":
            self.connection.write(chunk)
        else:
            self.connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))

    def _connection_line(self) -> bytes:
        connection = self.connection
        if (connection.ended or connection.service.draining) and not connection.has_more:
            self.keep_alive = False
        if not self.keep_alive:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if self.http_version == "1.0" else b""

    def _finish(self, size: str) -> None:
        self.finished = True
        self.connection.service.finished(self, self._status, size)
        self.connection.exchange_done(self)
        self.body = self.answer = b""
