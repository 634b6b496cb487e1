"""A connection's way out: what its client has yet to take is counted, bounded in time, and sent before the end."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from typing import TYPE_CHECKING

from .pace import Pace

if TYPE_CHECKING:
    from .service import Service

# With TLS, what is written at once lies where it can be neither seen nor counted: it is written in pieces.
_PIECE = 64 * 1024
_LINGER_S = 1.0
_NO_LINGER = struct.pack("ii", 1, 0)
_NONE = struct.pack("i", 0)
_TCP_CLOSE = b"\x07"


class Outgoing(asyncio.Protocol):
    """Writes, and closes so that the client gets all of it."""

    transport: asyncio.Transport

    def __init__(self, service: Service) -> None:
        self.service = service
        self.secure = False
        self.ended = False  # the client has said that it sends no more
        self._loop = service.loop
        self._full = False  # the client takes less than it gets
        self._backlog: list[memoryview] = []
        self._backlog_size = 0
        self._weight = 0  # bytes that the service counts for this connection, beside bodies
        self._shared = 0  # bytes that are to be taken and cost nothing, as others are sent the same
        self._written = 0
        self._closing = False
        self._lingering: asyncio.TimerHandle | None = None
        self._taking = Pace(2 * service.read_timeout_s, self._loop.time())

    def secure_writing(self) -> None:
        """Write with TLS."""
        self.secure = True
        self.transport.set_write_buffer_limits(high=_PIECE)

    def write(self, data: bytes) -> None:
        if self._closing or self.transport.is_closing():
            return
        self._written += len(data)
        if self.secure and (self._backlog or len(data) > _PIECE):
            view = memoryview(data)
            self._backlog.extend(view[start : start + _PIECE] for start in range(0, len(data), _PIECE))
            self._backlog_size += len(data)
            self._push()
        else:
            self.transport.write(data)
        if self._full:
            self.weigh()

    def write_shared(self, data: bytes) -> None:
        """Write what is kept in memory anyway, and so is not counted."""
        self._shared = len(data)
        self.write(data)
        if not self._full:
            self._shared = 0

    def _push(self) -> None:
        while self._backlog and not self._full:
            piece = self._backlog.pop(0)
            self._backlog_size -= len(piece)
            self.transport.write(piece)

    def pause_writing(self) -> None:
        self._full = True
        self.weigh()

    def resume_writing(self) -> None:
        self._full = False
        self._push()
        self.weigh()
        if self._full:
            return
        self._shared = 0
        if self._closing:
            self._shut_down()
        else:
            self.all_taken()

    def all_taken(self) -> None:
        """The client has caught up."""

    # what lies here

    def pending(self) -> int:
        """Bytes that the client has yet to take, beside those that the kernel has."""
        return self._backlog_size + self.transport.get_write_buffer_size()

    @property
    def unread(self) -> int:
        """The same, of a connection that is there for more."""
        return 0 if self.transport.is_closing() else self.pending()

    def held_bytes(self) -> int:
        """Bytes that the service is to count for this connection, beside bodies."""
        return max(0, self.pending() - self._shared) if self._full else 0

    def weigh(self) -> None:
        size = self.held_bytes()
        self.service.buffered_bytes += size - self._weight
        self._weight = size

    def is_taking(self, now: float) -> bool:
        """Whether all is taken; a client that has been too slow at it is left."""
        if self._lingering is not None:
            return True
        pending = self.pending()
        if not pending:
            self._taking.restart(self._written, now)
            return True
        self.weigh()
        if not self._taking.is_kept(self._written - pending, now):
            self._reset()
        return False

    # the end

    def finish(self) -> None:
        """Close when all is taken."""
        if self._closing or self.transport.is_closing():
            return
        self._closing = True
        # From now on, the transport says when its buffer is empty; that with TLS, by its own account, when it is not.
        self.transport.set_write_buffer_limits(high=1 if self.secure else 0, low=0)
        if not self._full:
            self._shut_down()

    def _shut_down(self) -> None:
        """All is with the kernel. The client may still be sending: a reset could overtake what it has yet to read."""
        if self.secure or self.ended:
            self.transport.close()
        else:
            self.transport.write_eof()
        if not self.ended:
            self._start_lingering()

    def flush(self) -> None:
        """Give the transport all that is left, as it is about to close: it sends that, and takes no more."""
        self._closing = True
        for piece in self._backlog:
            self.transport.write(piece)
        self._backlog.clear()
        self._backlog_size = 0
        self._start_lingering()

    def _start_lingering(self) -> None:
        self._stop_lingering()
        left = self._unacknowledged()
        self._taking.restart(self._written - left, self._loop.time())
        self._lingering = self._loop.call_later(_LINGER_S, self._linger, left or 1)

    def _linger(self, before: int) -> None:
        """Leave the client, who has had time to, once it has taken all."""
        left = self._unacknowledged()
        if before and (not left or self._taking.is_kept(self._written - left, self._loop.time())):
            self._lingering = self._loop.call_later(_LINGER_S, self._linger, left)
        else:
            self.abort()

    def _unacknowledged(self) -> int:
        """Bytes that the kernel still holds for the client."""
        sock = self.transport.get_extra_info("socket")
        try:
            return int(struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, _NONE))[0])
        except OSError:
            return 0

    def leave_if_gone(self) -> None:
        """Close if the client has broken the connection off, which shows by itself only where there is reading."""
        if self._closing or self.transport.is_closing():
            return
        sock = self.transport.get_extra_info("socket")
        if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == _TCP_CLOSE:
            self.abort()

    def abort(self) -> None:
        self._closing = True
        self._stop_lingering()
        self.transport.abort()

    def _reset(self) -> None:
        """Abort, so that what the kernel still holds for this client goes, too."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.abort()

    def _stop_lingering(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    def connection_lost(self, _exc: Exception | None) -> None:
        self._closing = True
        self._stop_lingering()
        self._full = False
        self._backlog.clear()
        self._backlog_size = 0
        self.service.buffered_bytes -= self._weight
        self._weight = 0
