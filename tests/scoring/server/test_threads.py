from __future__ import annotations

from pathlib import Path

import pytest
from scoring_server.threads import VARIABLES, quota, threads_per_worker, variables


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_quota(tmp_path: Path, files: dict[str, str], expected: float | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert quota(tmp_path) == expected


@pytest.mark.parametrize(
    ("workers", "cpus", "limit", "expected"),
    [(1, 8, None, 8), (1, 8, 2.0, 2), (2, 8, 4.0, 2), (1, 8, 0.5, 1), (4, 2, None, 1), (1, 2, 1.9, 1), (1, 2, 16.0, 2)],
)
def test_threads_per_worker(workers: int, cpus: int, limit: float | None, expected: int) -> None:
    assert threads_per_worker(workers, cpus, limit) == expected


def test_what_the_user_has_set_stays() -> None:
    assert variables(1, {"OMP_NUM_THREADS": "3"}) == {}
    found = variables(1, {"MKL_NUM_THREADS": "3"})
    assert set(found) == set(VARIABLES) - {"MKL_NUM_THREADS"}
    assert all(int(value) >= 1 for value in found.values())
