"""The front process: listens, serves, drains."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import sys
from typing import TYPE_CHECKING, NamedTuple

import uvloop

from . import logs
from .connection import Connection
from .keys import Keys
from .metrics import Metrics
from .pool import Pool
from .processes import Launcher, WorkerProcess
from .service import Service
from .settings import Settings
from .tls import Certificate

if TYPE_CHECKING:
    from .request_log import RequestLog

logger = logging.getLogger(logs.LOGGER)

_BACKLOG = 1024


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


class Access(NamedTuple):
    """Who may call, and how the connection is secured."""

    keys: Keys
    certificate: Certificate | None


class Listener:
    """A listening socket that can stop without losing what has connected already."""

    def __init__(self, sock: socket.socket, service: Service, context: ssl.SSLContext | None) -> None:
        self._socket = sock
        self._context = context
        self._service = service
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._service), sock=self._socket.dup(), ssl=self._context, backlog=_BACKLOG
        )

    async def stop(self) -> None:
        """Accept what waits in the backlog, then no more."""
        loop = asyncio.get_running_loop()
        if self._server is not None:
            self._server.close()
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                break
            client.setblocking(False)
            await loop.connect_accepted_socket(lambda: Connection(self._service), client, ssl=self._context)
        self._socket.close()


async def serve(
    settings: Settings,
    launcher: Launcher,
    processes: list[WorkerProcess],
    sockets: list[socket.socket],
    access: Access,
    request_log: RequestLog | None,
) -> int:
    """Serve until SIGTERM or SIGINT; the exit status: 0, or that of a worker whose init() failed."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    own_logging = logs.configure(settings) is not None
    pool = Pool(settings, launcher, processes, Metrics())
    log_format = "own" if own_logging else settings.log_format
    access_log = logs.AccessLog(loop, log_format)
    service = Service(settings, pool, access_log, access.keys, request_log)
    context = access.certificate.context if access.certificate else None
    # Health checks are asked where nobody knows the certificate's name: their own port has no TLS.
    listeners = [Listener(sock, service, None if number else context) for number, sock in enumerate(sockets)]
    pool.failed.add_done_callback(lambda _failed: stop.set())
    await pool.start()
    if settings.listen_when_ready:
        await _first(pool.first_ready, stop)
    if not stop.is_set():
        for listener in listeners:
            await listener.start()
        addresses = ", ".join(f"{sock.getsockname()[0]}:{sock.getsockname()[1]}" for sock in sockets)
        logger.info("Listening on %s", addresses)
    if settings.unknown_keys:
        logger.warning("The config file has keys without a meaning here: %s", ", ".join(settings.unknown_keys))
    await stop.wait()
    status = 0
    if pool.failed.done():
        status = pool.failed.result()
        logger.error("The entry script cannot be served: no worker is ready")
    patience = loop.time() + settings.drain_s
    for listener in listeners:
        await listener.stop()
    if pool.ready or pool.in_flight:
        logger.info("Stopping: %d connections, %d requests to finish", len(service.connections), pool.in_flight)
        await _drain(service, settings.drain_s)
    await pool.stop(max(0.5, patience - loop.time()))
    access_log.flush()
    if request_log is not None:
        request_log.close()
    return status


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of `events` is set."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _drain(service: Service, patience: float) -> None:
    """Answer what was asked, for `patience` seconds at most. Idle clients get a moment to send what is on its way."""
    loop = asyncio.get_running_loop()
    service.draining = True
    timer = loop.call_later(min(1.0, patience / 4), _close_idle, service)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_no_connections(service), patience)
    timer.cancel()
    left = len(service.connections)
    if left:
        logger.warning("%d connections are broken off: their requests took longer than SCORING_DRAIN allows", left)


async def _no_connections(service: Service) -> None:
    while service.connections:
        service.changed.clear()
        await service.changed.wait()


def _close_idle(service: Service) -> None:
    for connection in list(service.connections):
        connection.close_if_idle()


def run(
    settings: Settings,
    launcher: Launcher,
    processes: list[WorkerProcess],
    sockets: list[socket.socket],
    access: Access,
    request_log: RequestLog | None,
) -> int:
    """Run `serve` on uvloop."""
    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(serve(settings, launcher, processes, sockets, access, request_log))
    finally:
        sys.stdout.flush()
        loop.close()
