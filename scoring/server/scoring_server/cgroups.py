"""What the control group of this process, as a container's, allows it to use.

Inside a container the group's own files are at the root of the mount. See the kernel's documents ``cgroup-v2``
(``cpu.max``, ``memory.max``), ``sched-bwc``, and ``cgroup-v1/memory``.
"""

from __future__ import annotations

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 62  # version 1 has a number of about this size where there is none


def cpu_quota(root: Path = _ROOT) -> float | None:
    """The quota of CPUs, or None without one. Reads version 2, then version 1."""
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


def memory_limit(root: Path = _ROOT) -> int | None:
    """The limit of memory in bytes, or None without one. Reads version 2, then version 1."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limit = int((root / name).read_text())
        except (OSError, ValueError):
            continue
        return limit if 0 < limit < _NO_LIMIT else None
    return None
