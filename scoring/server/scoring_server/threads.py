"""How many threads a worker's numerical libraries may use: the container's CPU quota, split between the workers.

Must be set before numpy is imported. Under a quota of 1 CPU and with 2 CPUs visible, OpenMP threads that wait for each
other make a 1 ms prediction take most of a second.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """The CPU quota of this process's control group in CPUs, or None without one. Reads version 2, then version 1.

    Inside a container the group's own files are at the root of the mount. See the kernel's documents ``cgroup-v2``
    (``cpu.max``) and ``sched-bwc``.
    """
    try:
        allowed, period = (root / "cpu.max").read_text().split()[:2]
        return None if allowed == "max" else int(allowed) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    for controller in ("cpu", "cpu,cpuacct", "cpuacct,cpu"):
        try:
            allowed = (root / controller / "cpu.cfs_quota_us").read_text()
            period = (root / controller / "cpu.cfs_period_us").read_text()
            return int(allowed) / int(period) if int(allowed) > 0 else None
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return None


def threads_per_worker(workers: int, cpus: int, limit: float | None) -> int:
    """Whole threads for each of `workers`, of the smaller of `cpus` visible and the quota `limit`; at least 1."""
    available = float(cpus) if limit is None else min(float(cpus), limit)
    return max(1, int(available / workers))


def variables(workers: int, environ: dict[str, str]) -> dict[str, str]:
    """The thread variables that `environ` leaves open, for one of `workers` workers."""
    count = threads_per_worker(workers, len(os.sched_getaffinity(0)), quota())
    if "OMP_NUM_THREADS" in environ:
        return {}
    return {name: str(count) for name in VARIABLES if name not in environ}
