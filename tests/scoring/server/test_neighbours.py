"""Requests that are at a worker together: one that hangs or kills it harms none of the others, and none runs twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .process import Server, Together, running, write_script

SCRIPT = """
import json, os, pathlib, time
runs = open(pathlib.Path(__file__).parent / "runs", "a", buffering=1)
def init(): pass
def run(data):
    request = json.loads(data)
    runs.write(f"{request['n']}\\n")
    if request["do"] == "hang":
        time.sleep(600)
    if request["do"] == "slow":
        time.sleep(0.5)
    if request["do"] == "grab":  # the interpreter's lock, for good
        __import__("ctypes").PyDLL(None).pause()
    if request["do"] == "die.":
        os._exit(5)
    return request["n"]
"""
WARM = 1000


def quick(number: int) -> dict[str, Any]:
    return {"n": number, "do": "none"}


def doing(action: str, number: int) -> dict[str, Any]:
    """A request as long as a quick one: its size does not give it away."""
    return {"n": number, "do": action}


@contextmanager
def serving(root: Path, workers: int, timeout_ms: int) -> Iterator[Server]:
    """A server that has seen the script to be quick, so that it sends requests ahead."""
    environ = {"WORKER_COUNT": str(workers), "SCORING_TIMEOUT_MS": str(timeout_ms)}
    with running(write_script(root, SCRIPT), "score.py", environ, workers=workers) as server:
        for _ in range(40):
            assert server.score(quick(WARM)).status == 200
        yield server


def runs(root: Path) -> Counter[int]:
    found = Counter(int(line) for line in (root / "runs").read_text().split())
    del found[WARM]
    return found


@pytest.mark.parametrize("action", ["hang", "grab"])
def test_another_worker_takes_what_waits_behind_a_hang(tmp_path: Path, action: str) -> None:
    with serving(tmp_path, 2, 6000) as server, Together(server, 12) as together:
        requests = [doing(action, 0), *(quick(number) for number in range(1, 12))]
        hanging, *others = together.post(requests)
        assert not wait(others, 3).not_done
        assert [other.result().json() for other in others] == list(range(1, 12))
        assert not hanging.done()
        assert hanging.result().message == "Scoring timeout after 6000 ms"
    assert runs(tmp_path) == dict.fromkeys(range(12), 1)


@pytest.mark.parametrize("action", ["hang", "grab"])
def test_a_finished_request_is_answered_while_the_next_hangs(tmp_path: Path, action: str) -> None:
    with serving(tmp_path, 1, 6000) as server, Together(server, 8) as together:
        requests = [quick(0), quick(1), doing(action, 2), *(quick(number) for number in range(3, 8))]
        first, second, hanging, *later = together.post(requests)
        assert [first.result(3).json(), second.result(3).json()] == [0, 1]
        assert not hanging.done()
        assert hanging.result().status == 500
        assert [each.result().json() for each in later] == list(range(3, 8))
    assert runs(tmp_path) == dict.fromkeys(range(8), 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_others_have_taken_over_does_not_run_again(tmp_path: Path, workers: int) -> None:
    with serving(tmp_path, workers, 60_000) as server, Together(server, 12) as together:
        slow = {0, 5}
        requests = [doing("slow", number) if number in slow else quick(number) for number in range(12)]
        assert [each.result().json() for each in together.post(requests)] == list(range(12))
        assert server.score(quick(WARM)).json() == WARM
    assert runs(tmp_path) == dict.fromkeys(range(12), 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_killers_end_nobody_but_themselves(tmp_path: Path, workers: int) -> None:
    killers = {3, 4, 7, 8, 12}
    with serving(tmp_path, workers, 60_000) as server, Together(server, 16) as together:
        requests = [doing("die.", number) if number in killers else quick(number) for number in range(16)]
        answers = [each.result() for each in together.post(requests)]
    assert {number for number, answer in enumerate(answers) if answer.status == 500} == killers
    assert all(answer.json() == number for number, answer in enumerate(answers) if number not in killers)
    assert runs(tmp_path) == dict.fromkeys(range(16), 1)
