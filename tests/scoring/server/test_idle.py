"""A server without requests sleeps: a timer that looks for work now and then would cost each of many services CPU."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .process import running, write_script

SCRIPT = "def init(): pass\ndef run(data): return 1\n"
SETTLE_S = 1.5
WINDOW_S = 2.0
AT_MOST = 5  # in all processes together


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {pid}.union(*(family(int(child)) for child in children))


def waits(pids: set[int]) -> int:
    """How often the threads of these processes have gone to sleep."""
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    lines = [line for task in tasks for line in (task / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_idle_server_sleeps(tmp_path: Path, workers: int) -> None:
    root = write_script(tmp_path, SCRIPT)
    with running(root, "score.py", {"WORKER_COUNT": str(workers)}, workers=workers) as server:
        assert server.score(1).status == 200
        pids = family(server.process.pid)
        assert len(pids) == (2 if workers == 1 else 4)  # several workers have a template
        time.sleep(SETTLE_S)  # the log of the request, and a last look for slow clients
        before = waits(pids)
        time.sleep(WINDOW_S)
        assert waits(pids) - before <= AT_MOST
