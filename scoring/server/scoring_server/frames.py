"""The frames between the front and a worker, over a Unix stream socket pair.

A request frame is ``REQUEST`` (more, meta length, body length, both in bytes), then meta, then body. Where ``more`` is
1, the next frame belongs to the same batch. Meta is empty for a POST to a script that needs the body alone, else a JSON
object. A reply frame is ``REPLY`` (kind, flags, status, run time in ns, head length, body length), then head, then
body. Head is the response's own header lines, ready for the wire, each ending in CRLF.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
from typing import NamedTuple

REQUEST = struct.Struct("<BII")
REPLY = struct.Struct("<BBHQII")
_PROGRESS = struct.Struct("<QQQ")
_COUNTER = struct.Struct("<Q")

READ_SIZE = 256 * 1024


class Kind:
    """What a reply frame holds. Plain numbers: an enum's cost more than all else that is done with a frame."""

    READY = 1  # head: JSON object with what the front needs to know of the script
    RESULT = 2  # a whole answer
    START = 3  # head of a streamed answer, followed by CHUNK frames and one END
    CHUNK = 4
    END = 5


class Flag:
    """Properties of a reply, to be added up."""

    RUN_FAILED = 1
    TIMED = 2  # run() returned, and its time counts
    ABORTED = 4  # on END: the stream broke off


class Reply(NamedTuple):
    """One reply frame; ``nanoseconds`` is the time spent in run()."""

    kind: int
    flags: int
    status: int
    nanoseconds: int
    head: bytes
    body: bytes

    def encode(self) -> bytes:
        return b"".join(
            (
                REPLY.pack(self.kind, self.flags, self.status, self.nanoseconds, len(self.head), len(self.body)),
                self.head,
                self.body,
            )
        )


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
            kind, flags, status, nanoseconds, head_size, body_size = REPLY.unpack_from(source, position)
            head_at = position + REPLY.size
            body_at = head_at + head_size
            if end - body_at < body_size:
                self._needed = REPLY.size + head_size + body_size
                break
            position = body_at + body_size
            replies.append(
                Reply(kind, flags, status, nanoseconds, bytes(source[head_at:body_at]), bytes(source[body_at:position]))
            )
        else:
            self._needed = REPLY.size
        if position or not self._rest:
            self._rest = bytearray(source[position:])
        return replies


class RequestReader:
    """Reads request frames from a blocking socket into one reused buffer."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._buffer = bytearray(READ_SIZE)
        self._start = self._end = 0
        self.more = False  # the next frame belongs to the same batch

    def ahead(self) -> tuple[int, int]:
        """Of the next two frames, how many are here already, and the size of the largest of these in bytes."""
        position, largest = self._start, 0
        for count in range(2):
            body_at = position + REQUEST.size
            if body_at > self._end:
                return count, largest
            _, meta_size, body_size = REQUEST.unpack_from(self._buffer, position)
            position = body_at + meta_size + body_size
            if position > self._end:
                return count, largest
            largest = max(largest, meta_size + body_size)
        return 2, largest

    def read(self) -> tuple[bytes, memoryview] | None:
        """The next frame's meta and body, or None at the end of the stream. The body is valid until the next call."""
        if not self._fill(REQUEST.size):
            return None
        more, meta_size, body_size = REQUEST.unpack_from(self._buffer, self._start)
        size = REQUEST.size + meta_size + body_size
        if not self._fill(size):
            return None
        meta_at = self._start + REQUEST.size
        body_at = meta_at + meta_size
        self._start += size
        self.more = more == 1
        return bytes(self._buffer[meta_at:body_at]), memoryview(self._buffer)[body_at : self._start]

    def _fill(self, size: int) -> bool:
        """Have `size` bytes at the start of the buffer; False at the end of the stream."""
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
            count = self._link.recv_into(view[self._end :])
            if not count:
                return False
            self._end += count
        return True


class Progress:
    """Counters that a worker and the front share, so that a death is blamed on the request that was running.

    ``started`` and ``finished`` count requests; ``cancelled`` is the number of the newest whose caller has gone.
    """

    SIZE = mmap.PAGESIZE

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, self.SIZE)

    @classmethod
    def create(cls) -> Progress:
        fd = os.memfd_create("progress")
        os.ftruncate(fd, cls.SIZE)
        return cls(fd)

    def start(self, number: int) -> None:
        _COUNTER.pack_into(self._memory, 0, number)

    def finish(self, number: int) -> None:
        _COUNTER.pack_into(self._memory, 8, number)

    def cancel(self, number: int) -> None:
        _COUNTER.pack_into(self._memory, 16, number)

    def read(self) -> tuple[int, int, int]:
        """(started, finished, cancelled)."""
        started, finished, cancelled = _PROGRESS.unpack_from(self._memory, 0)
        return started, finished, cancelled

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)
