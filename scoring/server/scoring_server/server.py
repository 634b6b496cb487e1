"""The front process: listens, serves, drains."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import resource
import socket
from typing import TYPE_CHECKING, NamedTuple

import uvloop

from . import logs, scheduling, signals
from .keys import Keys
from .listening import Listener
from .log_stream import patient_output
from .metrics import Metrics
from .pool import Pool
from .processes import Launcher, WorkerProcess
from .service import HEALTH_PLACES, Service
from .settings import Settings
from .tls import Certificate

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from concurrent.futures import Future

    from .request_log import RequestLog
    from .verification import ModelChangedError

logger = logging.getLogger(logs.LOGGER)

_LAST_S = 2.0  # of the time to stop in: for the workers' end, the last answers and the request log
_CLOSE_S = 1.0
_OTHER_FILES, _FILES_OF_A_WORKER = 40, 6


class Access(NamedTuple):
    """Who may call, and how the connection is secured."""

    keys: Keys
    certificate: Certificate | None


async def serve(
    settings: Settings,
    launcher: Launcher,
    processes: list[WorkerProcess],
    sockets: list[socket.socket],
    access: Access,
    request_log: RequestLog | None,
    verified: Future[ModelChangedError | None],
) -> int:
    """Serve until SIGTERM or SIGINT; the exit status: 0, or that of a worker whose init() failed.

    No worker runs init(), and so none is ready, before the models are verified. Raises ModelChangedError.
    """
    loop = asyncio.get_running_loop()
    stop = signals.stop_event(loop)
    own_logging = logs.configure(settings) is not None
    settings = _fitting(settings)
    pool = Pool(settings, launcher, processes, Metrics())
    log_format = "own" if own_logging else settings.log_format
    access_log = logs.AccessLog(loop, log_format)
    service = Service(settings, pool, access_log, access.keys, request_log)
    context = access.certificate.context if access.certificate else None
    # Health checks are asked where nobody knows the certificate's name: their own port has no TLS.
    listeners = [
        Listener(sock, service, None if number else context, settings.read_timeout_s, for_health=number > 0)
        for number, sock in enumerate(sockets)
    ]
    pool.failed.add_done_callback(lambda _failed: stop.set())
    if settings.unknown_keys:
        logger.warning("The config file has keys without a meaning here: %s", ", ".join(settings.unknown_keys))
    if settings.unknown_variables:
        logger.warning("Variables without a meaning here: %s", ", ".join(settings.unknown_variables))
    if not settings.listen_when_ready:
        await _listen(listeners, sockets, stop)
    await pool.start()
    reading: asyncio.Future[ModelChangedError | None] = asyncio.wrap_future(verified)
    await _first(reading, stop.wait())
    changed = verified.result() if verified.done() else None
    if verified.done() and changed is None:
        launcher.let_init()
    else:
        stop.set()
    if settings.listen_when_ready:
        await _first(pool.first_ready.wait(), stop.wait())
        await _listen(listeners, sockets, stop)
    await stop.wait()
    status = 0
    can_serve = pool.ready or pool.outstanding > 0
    if pool.failed.done():
        status = pool.failed.result()
        can_serve = False
        logger.error("The entry script cannot be served: no worker is ready")
    if can_serve:
        await _await_notice(settings.lame_duck_s, service, stop)
    budget = Budget(settings.drain_s)
    service.draining = True
    await asyncio.gather(*(listener.stop(budget.left(budget.last)) for listener in listeners))
    if can_serve:
        logger.info("Stopping: %d connections, %d requests to finish", len(service.connections), pool.outstanding)
        await _drain(service, budget.left(budget.last))
    await pool.stop(budget.left(budget.last * 0.6))
    await _close_all(service, budget.left(budget.last * 0.3))
    access_log.flush()
    if request_log is not None:
        request_log.close(budget.left(budget.last * 0.2))
    if changed is not None:
        raise changed
    return status


def _fitting(settings: Settings) -> Settings:
    """The settings with no more connections than this process may have files open: beyond that, clients are reset."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    health = HEALTH_PLACES if settings.health_port else 0
    places = max(1, limit - _OTHER_FILES - health - _FILES_OF_A_WORKER * settings.worker_count)
    if limit == resource.RLIM_INFINITY or places >= settings.max_connections:
        return settings
    logger.warning(
        "SCORING_MAX_CONNECTIONS is %d, and %d at the same time are taken: this process may have %d files open. "
        "Raise that limit (ulimit -n, docker run --ulimit nofile=...), or lower the setting.",
        settings.max_connections,
        places,
        limit,
    )
    return dataclasses.replace(settings, max_connections=places)


class Budget:
    """The time from the signal to the exit, all of it: whoever sent the signal kills what is there afterwards."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + seconds
        self.last = min(_LAST_S, seconds / 2)  # what is to be left when requests are no longer waited for

    def left(self, reserve: float) -> float:
        """Seconds left without `reserve`, which is for what comes after."""
        return max(0.0, self._end - reserve - self._loop.time())


async def _listen(listeners: list[Listener], sockets: list[socket.socket], stop: asyncio.Event) -> None:
    """Take connections, unless it is time to stop."""
    if not stop.is_set():
        for listener in listeners:
            await listener.start()
        addresses = ", ".join(f"{sock.getsockname()[0]}:{sock.getsockname()[1]}" for sock in sockets)
        logger.info("Listening on %s", addresses)


async def _first(*events: Awaitable[object]) -> None:
    """Wait until one of `events` has come."""
    tasks = [asyncio.ensure_future(event) for event in events]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _await_notice(seconds: float, service: Service, stop: asyncio.Event) -> None:
    """Serve on for `seconds`, so that what balances the load notices by `/` that it has to go elsewhere.

    A second signal ends this.
    """
    if not seconds:
        return
    logger.info("Stopping in %g s: until then requests are served, and health checks fail", seconds)
    service.draining = True
    stop.clear()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _drain(service: Service, patience: float) -> None:
    """Answer what was asked, for `patience` seconds at most. Idle clients get a moment to send what is on its way."""
    loop = asyncio.get_running_loop()
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


async def _close_all(service: Service, patience: float) -> None:
    """Let the last answers go out, and break off what remains."""
    for connection in list(service.connections):
        connection.end()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_no_connections(service), min(_CLOSE_S, patience))
    for connection in list(service.connections):
        connection.abort()
    await _no_connections(service)


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
    verified: Future[ModelChangedError | None],
) -> int:
    """Run `serve` on uvloop."""
    scheduling.give_way()
    loop = uvloop.new_event_loop()
    with patient_output():
        try:
            return loop.run_until_complete(serve(settings, launcher, processes, sockets, access, request_log, verified))
        finally:
            loop.close()
