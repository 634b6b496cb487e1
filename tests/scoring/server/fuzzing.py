"""How much is fuzzed, how many cases were, and what they have cost the server.

``FUZZ=30`` tries thirty times as many cases, drawn anew at each run; by default they are few, and always the same.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings

from .process import Server
from .processes import processes

FACTOR = int(os.environ.get("FUZZ", "1"))
RSS_TOLERANCE_KB = 16 * 1024


@dataclass
class Tried:
    """How many cases one test has tried."""

    count: int = 0


def cases(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Settings for `count` cases, times FUZZ."""
    return settings(
        max_examples=count * FACTOR,
        derandomize=FACTOR == 1,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def use(pids: set[int]) -> tuple[int, int]:
    """(resident memory in kB, open files) of these processes together."""
    memory = files = 0
    for folder in (Path(f"/proc/{pid}") for pid in pids):
        status = (folder / "status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        memory += int(resident.split()[1])
        files += len(list((folder / "fd").iterdir()))
    return memory, files


@contextlib.contextmanager
def bounded(server: Server, warm_up: Callable[[], object]) -> Iterator[None]:
    """See the front and its workers live on, with as many files and about as much memory afterwards as before."""
    for _ in range(100):
        warm_up()
    pids = processes(server.process.pid)
    assert len(pids) > 1
    memory, files = use(pids)
    yield
    assert server.process.poll() is None
    assert server.request("GET", "/").body == b"Healthy"
    assert processes(server.process.pid) == pids, "a worker was replaced"
    memory_now, files_now = use(pids)
    assert memory_now - memory < RSS_TOLERANCE_KB, f"from {memory} kB to {memory_now} kB"
    assert files_now - files <= 5, f"from {files} files to {files_now}"
