"""Listening sockets that can stop without losing a client."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import ssl
import struct

from .connection import Connection
from .service import Service

_BACKLOG = 1024
_REST_S = 0.05
_HANDSHAKE_S = 0.1  # TCP's
_LATE_HANDSHAKE_S = 1.0  # TLS's, of who came last
_NEVER_S = 1e6

# A classic BPF program (linux/filter.h) over a TCP segment: drop it when SYN is set, else let it through.
_SO_ATTACH_FILTER = 26
_NO_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte with the flags
        (0x45, 0, 1, 0x02),  # SYN?
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # take all
    )
)


def bind(host: str, port: int, *, refuse: bool = False) -> socket.socket:
    """A listening socket; one that refuses connections until `Listener.start`. Raises OSError, naming the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if not refuse:
            sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"Cannot listen on {host}:{port}: {error.strerror}") from None
    return sock


def begin_no_more(sock: socket.socket) -> bool:
    """Let no new connection begin on a listening socket, while those that have begun still come about.

    Closing it at once would reset those between their handshake and accept(). Who is kept out tries again after a
    second, and is refused then. False where the kernel has no such filter.
    """
    program = ctypes.create_string_buffer(_NO_SYN, len(_NO_SYN))
    option = struct.pack("HP", len(_NO_SYN) // 8, ctypes.addressof(program))
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
    except OSError:
        return False
    return True


class Listener:
    """Takes the connections of one socket for the service.

    Those with TLS are accepted here and not by the loop's server: that one knows nothing of connections that have yet
    to finish their handshake, so that they could neither be limited nor closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        service: Service,
        context: ssl.SSLContext | None,
        handshake_s: float,
        *,
        for_health: bool = False,
    ) -> None:
        self._socket = sock
        self._service = service
        self._context = context
        self._for_health = for_health
        self._handshake_s = handshake_s if context else None
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        if self._context is None:
            self._server = await self._loop.create_server(
                lambda: Connection(self._service, for_health=self._for_health),
                sock=self._socket.dup(),
                backlog=_BACKLOG,
            )
        else:
            self._socket.listen(_BACKLOG)
            self._listen_on()

    async def stop(self, patience: float) -> None:
        """Accept what has begun to connect, then no more; within about `patience` seconds."""
        if begin_no_more(self._socket):
            await asyncio.sleep(min(_HANDSHAKE_S, patience))
        if self._server is not None:
            self._server.close()
        else:
            self._loop.remove_reader(self._socket)
        while self._accept():
            pass
        self._socket.close()
        if self._handshakes:
            _, late = await asyncio.wait(self._handshakes, timeout=min(_LATE_HANDSHAKE_S, patience / 2))
            for handshake in late:
                handshake.cancel()
            if late:
                await asyncio.wait(late)

    def _listen_on(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept_or_rest)

    def _accept_or_rest(self) -> None:
        """Accept one connection. Where the process has no room for it, others wait a moment in the kernel."""
        if not self._accept():
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_REST_S, self._listen_on)

    def _accept(self) -> bool:
        try:
            client = self._socket.accept()[0]
        except OSError:
            return False
        if not self._service.has_place(len(self._handshakes)):
            self._service.refuse_connection()
            client.close()  # an answer would take a handshake first
            return True
        client.setblocking(False)
        task = self._loop.create_task(self._take(client))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)
        return True

    async def _take(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # a client that knows no TLS, leaves, or is too slow
            await self._loop.connect_accepted_socket(
                lambda: Connection(self._service),
                client,
                ssl=self._context,
                ssl_handshake_timeout=self._handshake_s,
                ssl_shutdown_timeout=_NEVER_S,  # type: ignore[call-arg]  # uvloop's; the connection sees to it
            )
