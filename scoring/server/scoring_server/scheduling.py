"""How the front and its workers share CPUs."""

from __future__ import annotations

import contextlib
import os

_SLOW_NS, _QUICK_NS = 2_000_000, 1_000_000  # of run(); in between, all stays as it is


def give_way() -> None:
    """Have this process, when it is woken, wait until whoever has the CPU waits or has had its share.

    Front and worker wake each other for every request. On one CPU each would interrupt the other's work to do one
    piece of its own, where soon after there are several: it is Linux's SCHED_BATCH that ends this. What it costs is a
    few milliseconds while a script is at work, and nothing while none is. Where it is not allowed, all is as before.
    """
    _set("SCHED_BATCH")


def be_ordinary() -> None:
    """Undo what this process has inherited from one that gives way."""
    _set("SCHED_OTHER")


class Front:
    """Whether the front gives way, as its workers do: not to several that are slow.

    One that is through would stand idle, its next request at the front, and the front behind another worker that has
    yet to have its share of that CPU: with 7 ms a request, a tenth of the time of all CPUs.
    """

    def __init__(self, workers: int) -> None:
        self._several = workers > 1
        self._gives_way = True  # see `server.run`

    def adapt(self, run_ns: float) -> None:
        """Go by how long a worker's run() takes."""
        if not self._several:
            return
        gives_way = run_ns <= _SLOW_NS if self._gives_way else run_ns < _QUICK_NS
        if gives_way != self._gives_way:
            self._gives_way = gives_way
            (give_way if gives_way else be_ordinary)()


def _set(policy: str) -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, getattr(os, policy), os.sched_param(0))
