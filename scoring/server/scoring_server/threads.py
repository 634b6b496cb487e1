"""How many threads a worker's numerical libraries may use: the container's CPU quota, split between the workers.

Must be set before numpy is imported. Under a quota of 1 CPU and with 2 CPUs visible, OpenMP threads that wait for each
other make a 1 ms prediction take most of a second.
"""

from __future__ import annotations

import os

from . import cgroups

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def threads_per_worker(workers: int, cpus: int, limit: float | None) -> int:
    """Whole threads for each of `workers`, of the smaller of `cpus` visible and the quota `limit`; at least 1."""
    available = float(cpus) if limit is None else min(float(cpus), limit)
    return max(1, int(available / workers))


def variables(workers: int, environ: dict[str, str]) -> dict[str, str]:
    """The thread variables that `environ` leaves open, for one of `workers` workers."""
    count = threads_per_worker(workers, len(os.sched_getaffinity(0)), cgroups.cpu_quota())
    if "OMP_NUM_THREADS" in environ:
        return {}
    return {name: str(count) for name in VARIABLES if name not in environ}
