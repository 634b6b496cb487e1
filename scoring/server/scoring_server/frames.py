"""The frames between the front and a worker, over a Unix stream socket pair.

A request frame is ``REQUEST`` (more, number, meta length, body length, both in bytes, place), then meta, then body.
The body is not in the frame where ``place`` is not ``INLINE``: it lies so many bytes from the start of the memory that
both share for bodies. Where ``more`` is 1, the next frame belongs to the same batch. Requests are numbered from 1 on.
Meta is empty for a POST to a script that needs the body alone, else what `inputs.RequestMeta` reads. A reply frame is
``REPLY`` (kind, flags, status, head length, number of the request, run time in ns, body length), then head, then body.
Head is the response's own header lines, ready for the wire, each ending in CRLF. Replies come in the order of the
requests.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from typing import NamedTuple

from .bodies import INLINE

REQUEST = struct.Struct("<BQIII")
REPLY = struct.Struct("<BBHIQQQ")

READ_SIZE = 256 * 1024


class Kind:
    """What a reply frame holds. Plain numbers: an enum's cost more than all else that is done with a frame."""

    READY = 1  # head: JSON object with what the front needs to know of the script
    RESULT = 2  # a whole answer
    START = 3  # head of a streamed answer, followed by CHUNK frames and one END
    CHUNK = 4
    END = 5
    SKIPPED = 6  # the request was taken back before it was begun


class LinkLost(BaseException):
    """The other end of a worker's link is gone, or the script has closed this one. No error of a request."""


class Flag:
    """Properties of a reply, to be added up."""

    RUN_FAILED = 1
    TIMED = 2  # run() returned, and its time counts
    ABORTED = 4  # on END: the stream broke off
    SCRIPT = 8  # an internal error over what the script gave


class Reply(NamedTuple):
    """One reply frame; ``nanoseconds`` is the time spent in run(), ``number`` the request's, once it is on its way."""

    kind: int
    flags: int
    status: int
    nanoseconds: int
    head: bytes
    body: bytes
    number: int = 0

    def encode(self, number: int) -> bytes:
        """The frame, as the reply to request `number`."""
        kind, flags, status, nanoseconds, head, body, _ = self
        return b"".join((REPLY.pack(kind, flags, status, len(head), number, nanoseconds, len(body)), head, body))


class ReplyReader:
    """Cuts the byte stream of a worker into replies."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._needed = REPLY.size

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes, in order."""
        source: bytes | bytearray = data
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            source = self._rest
        replies = []
        position, end = 0, len(source)
        while end - position >= REPLY.size:
            kind, flags, status, head_size, number, nanoseconds, body_size = REPLY.unpack_from(source, position)
            head_at = position + REPLY.size
            body_at = head_at + head_size
            if end - body_at < body_size:
                self._needed = REPLY.size + head_size + body_size
                break
            position = body_at + body_size
            head, body = bytes(source[head_at:body_at]), bytes(source[body_at:position])
            replies.append(Reply(kind, flags, status, nanoseconds, head, body, number))
        else:
            self._needed = REPLY.size
        if position < end:
            if position or not self._rest:
                self._rest = bytearray(source[position:])
        elif self._rest:
            self._rest = bytearray()
        return replies


class RequestReader:
    """Reads request frames from a blocking socket into one reused buffer, their bodies also from shared memory."""

    def __init__(self, link: socket.socket, bodies: memoryview) -> None:
        self._link = link
        self._bodies = bodies
        self._buffer = bytearray(READ_SIZE)
        self._start = self._end = 0
        self._whole: deque[tuple[int, int, int, int, int]] = deque()  # the heads of all frames that are here
        self.number = 0  # of the frame
        self.more = False  # the next frame belongs to the same batch

    def ahead(self) -> tuple[int, int]:
        """Of the next two frames, how many are here already, and the size of the largest of these in bytes."""
        whole = self._whole
        if len(whole) < 2:
            return len(whole), sum(whole[0][2:4]) if whole else 0
        (_, _, meta_size, body_size, _), second = whole[0], whole[1]
        return 2, max(meta_size + body_size, second[2] + second[3])

    def wait(self) -> bool:
        """Wait for the next frame's beginning, which has its number; False at the end of the stream.

        read() must follow. The rest may be large, and be too much for the worker: it should be known whose it is.
        """
        if not self._whole and not self._fill(REQUEST.size):
            return False
        head = self._whole[0] if self._whole else REQUEST.unpack_from(self._buffer, self._start)
        self.more = head[0] == 1
        self.number = head[1]
        return True

    def read(self) -> tuple[bytes, memoryview] | None:
        """The frame's meta and body, or None at the end of the stream. The body is valid until it is answered."""
        if not self._whole and not self._fill(_frame_size(REQUEST.unpack_from(self._buffer, self._start))):
            return None
        _, _, meta_size, body_size, place = self._whole.popleft()
        meta_at = self._start + REQUEST.size
        body_at = meta_at + meta_size
        self._start = body_at + (body_size if place == INLINE else 0)
        meta = bytes(self._buffer[meta_at:body_at]) if meta_size else b""
        if place != INLINE:
            return meta, self._bodies[place : place + body_size]
        return meta, memoryview(self._buffer)[body_at : self._start]

    def _look(self) -> None:
        """Find the frames that are here."""
        position = self._start
        while self._end - position >= REQUEST.size:
            head = REQUEST.unpack_from(self._buffer, position)
            position += _frame_size(head)
            if position > self._end:
                return
            self._whole.append(head)

    def _fill(self, size: int) -> bool:
        """Have `size` bytes at the start of the buffer, where no whole frame is; False at the end of the stream."""
        if self._end - self._start >= size:
            return True
        if self._start == self._end:
            self._start = self._end = 0
            if len(self._buffer) > READ_SIZE and size <= READ_SIZE:
                self._buffer = bytearray(READ_SIZE)
        if self._start + size > len(self._buffer):
            # A new buffer and not a resize: views of the old one may still be held by a script.
            rest = self._buffer[self._start : self._end]
            self._buffer = bytearray(max(READ_SIZE, size))
            self._buffer[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        view = memoryview(self._buffer)
        while self._end - self._start < size:
            try:
                count = self._link.recv_into(view[self._end :])
            except OSError as failure:
                raise LinkLost from failure
            if not count:
                return False
            self._end += count
        self._look()
        return True


def _frame_size(head: tuple[int, ...]) -> int:
    """The bytes of a request frame."""
    return REQUEST.size + head[2] + (head[3] if head[4] == INLINE else 0)
