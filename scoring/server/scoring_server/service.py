"""The routes, and the state that all connections share."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from . import __version__, swagger
from .connection import Connection
from .cors import Cors
from .crowding import Crowding
from .exchange import JSON_HEAD, RETRY, Exchange
from .exposition import CONTENT_TYPE
from .inputs import with_single_slashes
from .json_logs import Answered
from .keys import Keys
from .logs import LOGGER, AccessLog
from .metrics import OTHER_METHOD, OTHER_ROUTE, Failure, status_failure
from .metrics_page import MetricsPage
from .models import served_models
from .pool import Pool
from .results import INTERNAL_ERROR
from .settings import Settings
from .tracing import NO_IDS
from .ui import Ui

if TYPE_CHECKING:
    from .heads import RequestHead
    from .request_log import RequestLog

logger = logging.getLogger(LOGGER)

NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling and "
    "try again."
)
NOT_ALLOWED = "The method is not allowed for the requested URL."
NOT_READY = "The service is not ready."
PLAIN = "This port answers health checks only: use the service's own, with https."
BUSY = "The server is busy. Try again later."
METRICS = "/metrics"
_HTML = b"Content-Type: text/html; charset=utf-8\r\n"
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"])  # RFC 9110, 5789
_SWEEP_S = 1.0
HEALTH_PLACES = 64


class Service:
    """Answers requests; what takes the script goes to the pool."""

    def __init__(
        self, settings: Settings, pool: Pool, access_log: AccessLog, keys: Keys, request_log: RequestLog | None = None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.pool = pool
        self.metrics = pool.metrics
        self.keys = keys
        self.cors = Cors(settings.cors_origins)
        self.own_lines = _own_lines(settings)
        self.forwarding = None
        if settings.forwarded_allow_ips:
            from .forwarding import Forwarding  # here, as few servers need it

            self.forwarding = Forwarding(settings.forwarded_allow_ips)
        self.max_body_bytes = settings.max_body_bytes
        self.read_timeout_s = settings.read_timeout_s
        self.keep_alive_s = settings.keep_alive_s
        self.buffered_bytes = 0
        self.draining = False
        self.connections: set[Connection] = set()
        self._health_connections = 0  # of the health port: who fills the other must not make checks fail
        self.changed = asyncio.Event()  # a connection has gone
        self._max_buffered = settings.max_buffered_bytes
        self._max_connections = settings.max_connections
        self._crowding = Crowding(pool.metrics, settings.max_connections)
        self._access_log = access_log
        self._marks = access_log.marks
        self._request_log = request_log
        self.recorded_bytes = request_log.body_bytes if request_log else 0
        self._model = " ".join(model.id for model in served_models(settings))
        self._metrics_page = MetricsPage(settings, pool, request_log)
        self._tls = bool(settings.tls_certificate)
        self._style = ""
        self._needs_meta = True
        self._swagger: dict[str, bytes] = {}
        self._sweeping = False
        prefix = settings.path_prefix
        self._score = f"{prefix}/score"
        self._routes = {
            f"{prefix}/": (self._health, ("GET", "HEAD", "OPTIONS")),
            self._score: (self._handle_score, ("GET", "HEAD", "OPTIONS", "POST")),
            f"{prefix}/swagger.json": (self._handle_swagger, ("GET", "HEAD", "OPTIONS")),
        }
        self._open_paths: set[str] = set()
        if settings.metrics:
            self._routes[f"{prefix}{METRICS}"] = (self._show_metrics, ("GET", "HEAD", "OPTIONS"))
            if settings.metrics_open:
                self._open_paths.add(f"{prefix}{METRICS}")
        self._ui = Ui(settings, keys_required=keys.required)
        self._routes.update(self._ui.routes)
        # Health checks need not know the prefix.
        self._routes["/"] = self._routes[prefix or "/"] = self._routes[f"{prefix}/"]
        self._health_paths = {"/", f"{prefix}/", prefix}
        self._spared = {*self._health_paths, f"{prefix}{METRICS}"}  # answered however much is held
        self._labels = {path: path.removeprefix(prefix) or "/" for path in self._routes}
        self._labels.update(dict.fromkeys(self._ui.routes, "/ui"))
        pool.on_ready = self._describe
        pool.unread = lambda: sum(connection.unread for connection in self.connections)

    def _describe(self, description: dict[str, Any]) -> None:
        self._style = description["style"]
        self._needs_meta = description["needs_meta"]
        self._swagger = {version: json.dumps(document).encode() for version, document in description["swagger"].items()}

    # requests

    def admits(self, exchange: Exchange, head: RequestHead) -> bool:
        """Whether the caller may go on. Health checks and the test page need no key; a preflight cannot have one.

        None of these has a body, which would have to be held.
        """
        if not self.keys.required or self._has_key(exchange):
            return True
        return not head.has_body and (
            exchange.method == "OPTIONS"
            or self._is_health_check(exchange)
            or exchange.target in self._open_paths
            or self._ui.admits(exchange)
        )

    def handle(self, exchange: Exchange) -> None:
        """Answer `exchange`, now or when the script is through."""
        if exchange.id_error:
            exchange.error(431, exchange.id_error)
            return
        if self._tls and exchange.connection.scheme != "https" and not self._may_be_plain(exchange):
            exchange.error(403, PLAIN)
            return
        path = _path(exchange.target)
        route = self._routes.get(path)
        if route is None:
            exchange.error(404, NOT_FOUND)
            return
        answer, methods = route
        if exchange.method not in methods:
            exchange.error(405, NOT_ALLOWED, _allow(methods))
        elif exchange.method == "OPTIONS" and answer != self._handle_score:
            exchange.respond(200, _HTML + _allow(methods), b"", failed=None)
        elif self.buffered_bytes > self._max_buffered and path not in self._spared:
            exchange.error(503, BUSY, RETRY)
        else:
            try:
                answer(exchange)
            except Exception:  # to the parser it would be one of the request's
                logger.exception("The request could not be answered")
                if exchange.finished:  # what failed came after the answer
                    exchange.connection.abort()
                else:
                    exchange.error(500, INTERNAL_ERROR)

    def _health(self, exchange: Exchange) -> None:
        if self.pool.ready and not self.draining:
            exchange.respond(200, _HTML, b"Healthy", failed=None)
        else:
            self._not_ready(exchange)

    def _not_ready(self, exchange: Exchange) -> None:
        exchange.failure = Failure.NOT_READY
        exchange.error(503, NOT_READY, RETRY)

    def _show_metrics(self, exchange: Exchange) -> None:
        exchange.respond(200, CONTENT_TYPE, self._metrics_page.render(len(self.connections)), failed=None)

    def _handle_swagger(self, exchange: Exchange) -> None:
        query = exchange.target.partition("?")[2]
        version = parse_qs(query, keep_blank_values=True).get("version", ["2"])[0]
        document = self._swagger.get(swagger.ALIASES.get(version, ""))
        if document is not None:
            exchange.respond(200, JSON_HEAD, document, shared=True)
        elif not self._style:
            self._not_ready(exchange)
        else:
            exchange.error(404, swagger.not_found_message(version, list(self._swagger)))

    def _handle_score(self, exchange: Exchange) -> None:
        if not self._style:
            self._not_ready(exchange)
            return
        method = exchange.method
        # A preflight without a key must not reach the script.
        open_to_script = self._style == "raw" and (method != "OPTIONS" or self._has_key(exchange))
        if not open_to_script and method not in ("GET", "POST"):
            if method == "OPTIONS":
                exchange.respond(200, _HTML, b"")
            else:
                exchange.error(405, NOT_ALLOWED, _allow(("GET", "OPTIONS", "POST")))
            return
        if self._needs_meta or method != "POST":
            exchange.encode_meta()
        if self._marks:
            exchange.meta = exchange.ids.pack() + exchange.meta
        if not self.pool.submit(exchange):
            exchange.error(503, BUSY, RETRY)

    def _is_health_check(self, exchange: Exchange) -> bool:
        target = exchange.target
        health = target in self._health_paths or ("?" in target and target.partition("?")[0] in self._health_paths)
        return health and exchange.method in ("GET", "HEAD")

    def _may_be_plain(self, exchange: Exchange) -> bool:
        """Whether the health port answers without TLS: what is open to everyone, and takes no key."""
        return self._is_health_check(exchange) or exchange.target in self._open_paths

    def _has_key(self, exchange: Exchange) -> bool:
        return self.keys.allow(exchange.fields.get(b"authorization", b""))

    def finished(self, exchange: Exchange, status: int, size: str) -> None:
        """Account for an answered request."""
        seconds = time.perf_counter() - exchange.started
        label = self._labels.get(exchange.target) or self._label(exchange.target)
        method = exchange.method if exchange.method in _METHODS else OTHER_METHOD
        self.metrics.seconds[method, label, status].observe(seconds)
        failure = status_failure(status) if exchange.failure is None else exchange.failure
        if failure:
            self.metrics.failures[failure] += 1
        scraped = status == 200 and label == METRICS
        if not scraped and not self._is_health_check(exchange):
            ids = exchange.ids if self._marks else NO_IDS
            self._access_log.write(
                Answered(time.time(), exchange.method, exchange.target, status, seconds * 1000, size, ids, failure)
            )
        if self._request_log is not None and exchange.begun and self._request_log.chosen():
            self._request_log.offer(
                self._record(exchange, status, seconds), exchange.body, exchange.answer, exchange.sent
            )

    def _record(self, exchange: Exchange, status: int, seconds: float) -> dict[str, Any]:
        """What the request log says of a request beside its bodies. Headers may hold keys and are left out."""
        run_ns = exchange.run_ns
        request_id, trace = exchange.ids
        return {
            "request_id": request_id,
            "client_request_id": exchange.fields.get(b"x-ms-client-request-id", b"").decode("latin-1"),
            "trace_id": trace,
            "model": self._model,
            "method": exchange.method,
            "target": exchange.target,
            "content_type": exchange.fields.get(b"content-type", b"").decode("latin-1"),
            "status": status,
            "failure": exchange.failure,
            "ms": round(seconds * 1000, 3),
            "run_ms": None if run_ns is None else round(run_ns / 1e6, 3),
        }

    def _label(self, target: str) -> str:
        """The route of a target that is no route as it stands: with a query, with escapes, or unknown."""
        return self._labels.get(_path(target), OTHER_ROUTE)

    # connections

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes of bodies may be held."""
        return self.buffered_bytes + size <= self._max_buffered

    def has_place(self, coming: int = 0) -> bool:
        """Whether there may be one more connection, with as many others on their way."""
        return len(self.connections) - self._health_connections + coming < self._max_connections

    def refuse_connection(self) -> None:
        """Account for a connection that there is no place for."""
        self._crowding.refused(self.loop.time())

    def connected(self, connection: Connection) -> bool:
        """Count `connection` in; False where there are too many."""
        if connection.for_health:
            if self._health_connections >= HEALTH_PLACES:
                self.metrics.refused_connections += 1
                return False
            self._health_connections += 1
        elif not self.has_place():
            self.refuse_connection()
            return False
        self.connections.add(connection)
        if not self._sweeping:
            self._sweeping = True
            self.loop.call_later(_SWEEP_S, self._sweep)
        return True

    def disconnected(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
            self._health_connections -= connection.for_health
        self.changed.set()

    def _sweep(self) -> None:
        """Look for slow and silent clients, as long as there are clients."""
        now = self.loop.time()
        for connection in list(self.connections):
            connection.check_time(now)
        self._sweeping = bool(self.connections)
        if self._sweeping:
            self.loop.call_later(_SWEEP_S, self._sweep)


def _path(target: str) -> str:
    """The path of a target, with its escapes as what they stand for and repeated slashes as one."""
    path = target.partition("?")[0]
    if "%" in path:
        path = unquote(path)
    return with_single_slashes(path)


def _own_lines(settings: Settings) -> dict[bool | None, bytes]:
    """The header lines of the server's own, by whether run() failed; None where that is not to be told."""
    version = f"x-ms-server-version: azmlinfsrv/{__version__}\r\n".encode() if settings.server_version_header else b""
    lines: dict[bool | None, bytes] = {None: version}
    for failed in (False, True):
        lines[failed] = version + f"x-ms-run-function-failed: {failed}\r\n".encode()
    return lines


def _allow(methods: tuple[str, ...]) -> bytes:
    return f"Allow: {', '.join(methods)}\r\n".encode()
