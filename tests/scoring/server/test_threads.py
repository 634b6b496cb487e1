from __future__ import annotations

import pytest
from scoring_server.threads import VARIABLES, threads_per_worker, variables


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
