"""What Linux knows of processes; see proc(5)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """CPU time in s, and memory in bytes."""

    cpu_seconds: float
    resident_bytes: int
    virtual_bytes: int


def usage(pid: int | str = "self") -> Usage | None:
    """What one process uses, or None where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field, the command's name in brackets, may hold anything.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    user, system, virtual, resident = (int(fields[index]) for index in (11, 12, 20, 21))
    return Usage((user + system) / _TICKS, resident * _PAGE, virtual)


def total(pids: Iterable[int]) -> Usage:
    """What these processes use together. Memory that they share counts for each."""
    found = [each for pid in pids if (each := usage(pid)) is not None]
    return Usage(
        sum(each.cpu_seconds for each in found),
        sum(each.resident_bytes for each in found),
        sum(each.virtual_bytes for each in found),
    )


def open_files() -> int | None:
    """How many files this process has open; None where one more, to look at them, cannot be."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # without the listing's own
    except OSError:
        return None
