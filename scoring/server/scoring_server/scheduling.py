"""How the front and its workers share CPUs."""

from __future__ import annotations

import contextlib
import os


def give_way() -> None:
    """Have this process, when it is woken, wait until whoever has the CPU waits or has had its share.

    Front and worker wake each other for every request. On one CPU each would interrupt the other's work to do one
    piece of its own, where soon after there are several: it is Linux's SCHED_BATCH that ends this. What it costs is a
    few milliseconds while a script is at work, and nothing while none is. Where it is not allowed, all is as before.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
