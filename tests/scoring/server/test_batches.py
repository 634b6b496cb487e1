"""Requests that run_batch() answers together: each gets its own result, whatever becomes of the others."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from scoring_server.batches import BatchError, outcomes

from .process import Answer, Server, app_root, launch, running

INPUTS = ["a", "b", "c"]


def raising(failure: BaseException) -> Callable[[list[str]], Any]:
    def run_batch(inputs: list[str]) -> Any:
        if "b" in inputs:
            raise failure
        return inputs

    return run_batch


@pytest.mark.parametrize(
    ("run_batch", "expected", "retried"),
    [
        (lambda inputs: [each.upper() for each in inputs], ["A", "B", "C"], []),
        (lambda inputs: (each for each in inputs), INPUTS, []),
        (lambda inputs: tuple(inputs), INPUTS, []),
        (lambda inputs: [None, KeyError("x"), 0], [None, KeyError, 0], []),
        (raising(ValueError()), ["a", ValueError, "c"], [0, 1, 2]),
        (raising(SystemExit()), ["a", SystemExit, "c"], [0, 1, 2]),
        (lambda inputs: inputs[1:], [BatchError] * 3, []),
        (lambda inputs: [*inputs, "d"], [BatchError] * 3, []),
        (lambda inputs: "abc", [BatchError] * 3, []),
        (lambda inputs: None, [BatchError] * 3, []),
        (lambda inputs: dict.fromkeys(inputs), [BatchError] * 3, []),
    ],
)
def test_outcomes(run_batch: Callable[[list[str]], Any], expected: list[Any], retried: list[int]) -> None:
    tried: list[int] = []
    found = list(outcomes(run_batch, INPUTS, tried.append))
    assert [type(each.error) if each.error else each.value for each in found] == expected
    assert all((each.nanoseconds > 0) == (each.error is None) for each in found)
    assert tried == retried


def test_each_is_tried_when_its_outcome_is_asked_for() -> None:
    tried: list[int] = []
    found = outcomes(raising(ValueError()), INPUTS, tried.append)
    assert tried == []
    assert next(found).value == "a"
    assert tried == [0]


def test_a_single_input_is_tried_once() -> None:
    calls: list[list[str]] = []

    def run_batch(inputs: list[str]) -> Any:
        calls.append(inputs)
        raise ValueError

    (outcome,) = outcomes(run_batch, ["a"], lambda _index: pytest.fail("tried again"))
    assert isinstance(outcome.error, ValueError)
    assert calls == [["a"]]


class Together:
    """Holds the worker at a gate while requests are sent, so that they are there together when it is free."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._numbers = itertools.count()
        self._threads = ThreadPoolExecutor(40)

    def close(self) -> None:
        self._threads.shutdown()

    def post(self, request: Any) -> Future[Answer]:
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        headers = {"x-request-id": f"id {request.get('n')}"} if isinstance(request, dict) else {}
        return self._threads.submit(self.server.request, "POST", "/score", body, headers)

    def value(self, name: str) -> float:
        page = self.server.request("GET", "/metrics").body.decode()
        found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
        assert found, page
        return float(found[1])

    def wait_for_in_flight(self, count: int) -> None:
        deadline = time.monotonic() + 20
        while self.value("scoring_requests_in_flight") != count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def send(self, *requests: Any) -> list[Future[Answer]]:
        gate = self._folder / f"gate{next(self._numbers)}"
        first = self.post({"do": "gate", "path": str(gate)})
        self.wait_for_in_flight(1)
        futures = [self.post(request) for request in requests]
        self.wait_for_in_flight(1 + len(requests))
        gate.touch()
        assert first.result().json() == {"n": None, "of": 1}
        return futures

    def answers(self, *requests: Any) -> list[Answer]:
        return [future.result() for future in self.send(*requests)]


@contextlib.contextmanager
def batching(folder: Path, **environ: str) -> Iterator[Together]:
    with running(app_root(folder / "app", "batched.py"), "batched.py", environ) as server:
        together = Together(server, folder)
        with contextlib.closing(together):
            yield together


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Together]:
    with batching(tmp_path_factory.mktemp("batching"), SCORING_BATCH_DELAY_MS="0") as found:
        yield found


def assert_alone_failed(answers: list[Answer], failed: int, size: int) -> None:
    """All but one have their own result, of a batch of `size`."""
    for number, answer in enumerate(answers):
        assert answer.header("x-request-id") == f"id {number}"
        if number == failed:
            assert answer.status == 500
            assert answer.message == "An unexpected error occurred in scoring script. Check the logs for more info."
            assert answer.header("x-ms-run-function-failed") == "True"
            assert answer.header("x-ms-run-fn-exec-ms") is None
            assert b"secret" not in answer.body
        else:
            assert answer.json() == {"n": number, "of": size}
            assert answer.header("x-ms-run-function-failed") == "False"
            assert float(answer.header("x-ms-run-fn-exec-ms") or "") >= 0


def test_results_go_to_their_callers(together: Together) -> None:
    answers = together.answers(*({"n": number} for number in range(12)))
    assert_alone_failed(answers, -1, 12)
    assert together.server.score({"n": 1}).json() == {"n": 1, "of": 1}
    assert together.server.request("GET", "/score?n=2").json() == {"n": 2, "of": 1}


def test_batch_sizes_are_counted(together: Together) -> None:
    together.answers({"n": 0}, {"n": 1}, {"n": 2})
    page = together.server.request("GET", "/metrics").body.decode()
    counts = dict(re.findall(r'^scoring_batch_size_bucket\{le="([^"]+)"\} (\S+)$', page, re.MULTILINE))
    assert float(counts["4"]) > float(counts["2"]) > 0


@pytest.mark.parametrize(("action", "size"), [("raise", 1), ("exit", 1), ("return an error", 4), ("die", 1)])
def test_a_bad_input_fails_alone(together: Together, action: str, size: int) -> None:
    answers = together.answers({"n": 0}, {"n": 1}, {"do": action, "n": 2}, {"n": 3})
    assert_alone_failed(answers, 2, size)
    assert together.server.score({"n": 9}).json() == {"n": 9, "of": 1}


def test_answers_without_a_result_stay_with_their_requests(together: Together) -> None:
    broken, responded, unencodable, plain = together.answers(
        b"\xff", {"do": "respond", "n": 1}, {"do": "unencodable", "n": 2}, {"n": 3}
    )
    assert broken.status == 400
    assert broken.message.startswith("Input cannot be decoded as UTF-8")
    assert (responded.status, responded.body, responded.header("x-own")) == (201, b"1 of 3", "yes")
    assert unencodable.message == "An unexpected internal error occurred. Check the logs for more info."
    assert plain.json() == {"n": 3, "of": 3}


def test_an_input_that_hangs_fails_alone(tmp_path: Path) -> None:
    with batching(tmp_path, SCORING_TIMEOUT_MS="1500") as together:
        first, hung, last = together.answers({"n": 0}, {"do": "hang", "n": 1}, {"n": 2})
        assert hung.status == 500
        assert hung.message == "Scoring timeout after 1500 ms"
        assert first.json() == {"n": 0, "of": 1}
        assert last.json() == {"n": 2, "of": 1}


def test_nobody_waits_for_the_tries_after_the_own(tmp_path: Path) -> None:
    """Nor are they one request for the limit, though they take longer than that together."""
    with batching(tmp_path, SCORING_TIMEOUT_MS="5000") as together:
        apart = {"do": "raise", "apart": True, "seconds": 0}
        bad, *others = together.send(apart, *({"do": "sleep", "seconds": 0.5, "n": n} for n in range(15)))
        _, waiting = wait(others, return_when=FIRST_COMPLETED)
        assert len(waiting) > 10
        assert bad.result().status == 500
        assert [each.result().json() for each in others] == [{"n": n, "of": 1} for n in range(15)]
        assert together.server.log.count("is replaced") == 0


def test_the_time_of_a_call_that_failed_is_not_that_of_the_first_try(tmp_path: Path) -> None:
    with batching(tmp_path, SCORING_TIMEOUT_MS="7000") as together:
        answers = together.answers(*({"do": "sleep", "seconds": 4, "apart": True, "n": n} for n in range(2)))
        assert [each.json() for each in answers] == [{"n": n, "of": 1} for n in range(2)]
        assert together.server.log.count("is replaced") == 0


def test_each_input_of_a_failed_batch_is_tried_once_more_whatever_becomes_of_the_others(tmp_path: Path) -> None:
    with batching(tmp_path) as together:
        kills = {"do": "die"}
        inputs = [{"n": 0}, kills, {"n": 2}, kills, {"n": 4}, {"do": "raise", "apart": True, "seconds": 0, "n": 5}]
        answers = together.answers(*inputs)
        assert [answer.status for answer in answers] == [200, 500, 200, 500, 200, 500]
        calls = [line.split("call of ")[1] for line in together.server.log.lines if "call of " in line]
        assert sorted(calls[1:]) == ["1"] * 6 + ["6"]


def test_a_try_that_hangs_fails_alone(tmp_path: Path) -> None:
    with batching(tmp_path, SCORING_TIMEOUT_MS="1500") as together:
        apart = {"do": "sleep", "seconds": 0, "apart": True, "n": 1}
        first, second, hung, last = together.answers({"n": 0}, apart, {"do": "hang"}, {"n": 3})
        assert hung.message == "Scoring timeout after 1500 ms"
        assert [each.json()["n"] for each in (first, second, last)] == [0, 1, 3]
        assert together.server.log.count("Scoring timeout after") == 1


def test_batches_are_bounded_and_a_lone_request_does_not_wait(tmp_path: Path) -> None:
    with batching(tmp_path, SCORING_BATCH_SIZE="2", SCORING_BATCH_DELAY_MS="10000") as together:
        answers = together.answers(*({"n": number} for number in range(5)))
        assert sorted(answer.json()["of"] for answer in answers) == [1, 2, 2, 2, 2]
        for number in range(3):
            assert together.server.score({"n": number}, timeout=5).json() == {"n": number, "of": 1}


def test_several_wait_for_as_many_as_came_lately(tmp_path: Path) -> None:
    with batching(tmp_path, SCORING_BATCH_DELAY_MS="10000") as together:
        assert_alone_failed(together.answers({"n": 0}, {"n": 1}, {"n": 2}), -1, 3)
        two = together.send({"n": 0}, {"n": 1})
        together.wait_for_in_flight(2)
        third = together.post({"n": 2})
        assert_alone_failed([future.result() for future in (*two, third)], -1, 3)
        # The delay is a bound: with fewer than lately, it ends the wait.
    with batching(tmp_path / "short", SCORING_BATCH_DELAY_MS="20") as together:
        assert_alone_failed(together.answers({"n": 0}, {"n": 1}, {"n": 2}), -1, 3)
        assert_alone_failed(together.answers({"n": 0}, {"n": 1}), -1, 2)


def test_a_wrong_number_of_results_is_said(tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(
        "def init(): pass\ndef run(data): return data\ndef run_batch(inputs): return inputs[1:]"
    )
    with running(tmp_path, "score.py") as server:
        assert server.score(1).status == 500
        assert server.log.wait_for("run_batch() returned 0 results for 1 inputs. Return one for each, in their order.")


IMPORT_SCHEMAS = """
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema
"""


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        ("from azureml.contrib.services.aml_request import rawhttp\n@rawhttp\ndef run(request)", "with @rawhttp"),
        ("def run(data, request_headers)", "that takes request_headers"),
        (
            f"{IMPORT_SCHEMAS}\n@input_schema('data', StandardPythonParameterType(1))\ndef run(data)",
            "with @input_schema",
        ),
    ],
)
def test_what_cannot_be_batched_is_said_at_start(tmp_path: Path, script_packages: Path, run: str, kind: str) -> None:
    (tmp_path / "score.py").write_text(f"{run}: return 1\ndef init(): pass\ndef run_batch(inputs): return inputs")
    server = launch(tmp_path, "score.py", {"PYTHONPATH": str(script_packages), "PYTHONWARNINGS": "ignore"})
    server.log.join()
    assert server.process.wait(10) == 3
    assert "run_batch() does not go with a run()" in server.log.text
    assert f"{kind}: it gets the bodies of requests as text, and no more." in server.log.text
