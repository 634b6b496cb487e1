"""What the server counts. Plain dictionaries and lists: a request must not pay for being counted."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict

from .frames import Flag, Reply

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
OTHER_ROUTE = OTHER_METHOD = "other"
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Failure:
    """Why a request was not answered as its caller wished. The values are those of the label `kind`."""

    NONE = ""
    SCRIPT_ERROR = "script_error"  # run() raised, gave what is no answer, or said of its own that it had failed
    TIMEOUT = "timeout"
    WORKER_LOST = "worker_lost"
    BUSY = "busy"  # refused: too many requests, connections or bytes
    QUEUE_TIMEOUT = "queue_timeout"  # no worker was free in time
    NOT_READY = "not_ready"
    STOPPING = "stopping"
    UNAUTHORIZED = "unauthorized"
    CLIENT_ERROR = "client_error"
    CLIENT_GONE = "client_gone"
    STREAM_BROKEN = "stream_broken"
    INTERNAL_ERROR = "internal_error"


FAILURES = tuple(value for name, value in sorted(vars(Failure).items()) if name.isupper() and value)


class Histogram:
    """Counts of values by upper bound (inclusive), and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)

    def add(self, other: Histogram) -> None:
        """Count what `other`, with the same bounds, has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Metrics:
    """Counters since the server's start."""

    def __init__(self) -> None:
        self.started = time.time()
        # By method, route and status: their counts are those of requests, too.
        self.seconds: defaultdict[tuple[str, str, int], Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self.run_seconds = Histogram(SECONDS)
        self.batch_sizes = Histogram(SIZES)
        self.failures = dict.fromkeys(FAILURES, 0)
        self.restarts = 0  # of workers
        self.refused_connections = 0

    def by_route(self) -> dict[str, Histogram]:
        """The durations by route alone."""
        merged: dict[str, Histogram] = {}
        for (_, route, _), sample in sorted(self.seconds.items()):
            merged.setdefault(route, Histogram(SECONDS)).add(sample)
        return merged


def reply_failure(reply: Reply) -> str:
    """The failure that a worker's reply tells of. A script's own answer is none unless it says that it failed."""
    if reply.flags & (Flag.RUN_FAILED | Flag.SCRIPT):
        return Failure.SCRIPT_ERROR
    if reply.status < 400 or reply.flags & Flag.TIMED:
        return Failure.NONE
    return Failure.CLIENT_ERROR if reply.status < 500 else Failure.INTERNAL_ERROR


def status_failure(status: int) -> str:
    """The failure that an answer of the front itself tells of, by its status."""
    if status < 400:
        return Failure.NONE
    if status == 401:
        return Failure.UNAUTHORIZED
    if status == 503:
        return Failure.BUSY
    return Failure.CLIENT_ERROR if status < 500 else Failure.INTERNAL_ERROR
