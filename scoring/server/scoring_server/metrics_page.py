"""What ``/metrics`` shows: the counters, and the state at this moment."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import __version__, procfs
from .exposition import counter, gauge, histogram
from .models import served_models
from .settings import Settings

if TYPE_CHECKING:
    from .pool import Pool
    from .request_log import RequestLog


class MetricsPage:
    """The page's text, made anew for each call."""

    def __init__(self, settings: Settings, pool: Pool, request_log: RequestLog | None) -> None:
        self._metrics = pool.metrics
        self._pool = pool
        self._request_log = request_log
        self._workers = settings.worker_count
        self._static = "".join(_static(settings))

    def render(self, connections: int) -> bytes:
        """The page, with as many open `connections`."""
        parts = (self._requests(), self._load(connections), self._work(), self._records(), self._processes())
        return "".join((*(line for part in parts for line in part), self._static)).encode()

    def _requests(self) -> Iterator[str]:
        metrics = self._metrics
        yield from counter(
            "scoring_requests_total",
            "Answered requests.",
            (
                ({"method": method, "route": route, "code": str(code)}, sample.count)
                for (method, route, code), sample in sorted(metrics.seconds.items())
            ),
        )
        yield from histogram(
            "scoring_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            (({"route": route}, sample) for route, sample in metrics.by_route().items()),
        )
        yield from counter(
            "scoring_failures_total",
            "Requests that failed, by cause.",
            (({"kind": kind}, count) for kind, count in metrics.failures.items()),
        )

    def _load(self, connections: int) -> Iterator[str]:
        pool = self._pool
        yield from gauge(
            "scoring_requests_in_flight", "Requests for the script without an answer yet.", [({}, pool.outstanding)]
        )
        yield from gauge("scoring_queue_length", "Requests that wait for a worker.", [({}, pool.waiting)])
        yield from gauge("scoring_connections", "Open connections.", [({}, connections)])
        yield from counter(
            "scoring_connections_refused_total",
            "Connections beyond the limit: answered 503, with TLS closed.",
            [({}, self._metrics.refused_connections)],
        )

    def _work(self) -> Iterator[str]:
        metrics, pool = self._metrics, self._pool
        yield from histogram(
            "scoring_run_duration_seconds",
            "Time that run() took, where it returned; that of a batch counts for each request in it.",
            [({}, metrics.run_seconds)],
        )
        if metrics.batch_sizes.count:
            yield from histogram(
                "scoring_batch_size", "Requests that one call of run_batch() answered.", [({}, metrics.batch_sizes)]
            )
        yield from gauge("scoring_workers", "Workers that are to run.", [({}, self._workers)])
        yield from gauge("scoring_workers_up", "Workers that can take requests.", [({}, len(pool.worker_pids))])
        yield from counter(
            "scoring_worker_restarts_total", "Workers replaced after a time-out or their end.", [({}, metrics.restarts)]
        )
        workers = procfs.total(pool.worker_pids)
        yield from gauge(
            "scoring_workers_resident_memory_bytes",
            "Resident memory of the workers; what they share counts for each.",
            [({}, workers.resident_bytes)],
        )
        yield from gauge(
            "scoring_workers_cpu_seconds", "CPU time of the workers that are up.", [({}, workers.cpu_seconds)]
        )

    def _records(self) -> Iterator[str]:
        log = self._request_log
        if log is not None:
            yield from counter("scoring_request_log_records_total", "Requests recorded.", [({}, log.written)])
            yield from counter("scoring_request_log_dropped_total", "Records lost.", [({}, log.dropped)])

    def _processes(self) -> Iterator[str]:
        """The names that every Prometheus client library uses, of the process that answers here."""
        used = procfs.usage() or procfs.Usage(0.0, 0, 0)
        yield from counter("process_cpu_seconds_total", "CPU time of the front process.", [({}, used.cpu_seconds)])
        yield from gauge("process_resident_memory_bytes", "Resident memory, in bytes.", [({}, used.resident_bytes)])
        yield from gauge("process_virtual_memory_bytes", "Virtual memory, in bytes.", [({}, used.virtual_bytes)])
        open_files = procfs.open_files()
        if open_files is not None:
            yield from gauge("process_open_fds", "Open files.", [({}, open_files)])
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield from gauge("process_max_fds", "Files that may be open.", [({}, most)])
        yield from gauge(
            "process_start_time_seconds", "Start, in seconds since 1970.", [({}, round(self._metrics.started, 3))]
        )


def _static(settings: Settings) -> Iterator[str]:
    service = {
        "service": settings.service_name,
        "version": settings.service_version,
        "server_version": __version__,
        "python_version": ".".join(map(str, sys.version_info[:3])),
    }
    yield from gauge("scoring_service_info", "The service, in its labels.", [(service, 1)])
    yield from gauge(
        "scoring_model_info",
        "A model that is served, in its labels; sha256 is that of its content.",
        (
            ({"id": model.id, "name": model.name, "version": model.version, "sha256": model.sha256}, 1)
            for model in served_models(settings)
        ),
    )
