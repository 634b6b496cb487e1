"""One call of run_batch() for many inputs: what comes of each, and the second try of those that failed together."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .logs import LOGGER

logger = logging.getLogger(LOGGER)


class BatchError(TypeError):
    """run_batch() returned something else than a result for each input."""


class Outcome(NamedTuple):
    """What came of one input: `value`, or `error` where that is not None; `nanoseconds` is the time of its call."""

    value: Any
    error: BaseException | None
    nanoseconds: int


def outcomes(
    run_batch: Callable[[list[str]], Any], inputs: Sequence[str], retry: Callable[[int], None]
) -> Iterator[Outcome]:
    """Call `run_batch` with all `inputs`. If it raises, call it with each alone, after `retry` was told its index: not
    before its outcome is asked for, as nobody is to wait for the tries after one's own.

    A result that is an exception is the error of its input. A wrong number of results is a BatchError of all inputs.
    """
    try:
        return iter(_call(run_batch, inputs))
    except BatchError as failure:
        return itertools.repeat(Outcome(None, failure, 0), len(inputs))
    except BaseException as failure:  # SystemExit and KeyboardInterrupt of a script are errors of a request
        if len(inputs) == 1:
            return iter([Outcome(None, failure, 0)])
        logger.warning(
            "run_batch() raised %s for %d inputs: each is tried alone",
            type(failure).__name__,
            len(inputs),
            exc_info=True,
        )
    return _each_alone(run_batch, inputs, retry)


def _each_alone(
    run_batch: Callable[[list[str]], Any], inputs: Sequence[str], retry: Callable[[int], None]
) -> Iterator[Outcome]:
    for index, each in enumerate(inputs):
        retry(index)
        yield from outcomes(run_batch, [each], retry)


def _call(run_batch: Callable[[list[str]], Any], inputs: Sequence[str]) -> list[Outcome]:
    started = time.perf_counter_ns()
    results = run_batch(list(inputs))
    if isinstance(results, (str, bytes, dict)) or not hasattr(results, "__iter__"):
        raise BatchError(f"run_batch() returned {type(results).__name__}. Return a list with a result for each input.")
    values = list(results)
    spent = time.perf_counter_ns() - started
    if len(values) != len(inputs):
        raise BatchError(
            f"run_batch() returned {len(values)} results for {len(inputs)} inputs. Return one for each, in their order."
        )
    return [
        Outcome(None, value, 0) if isinstance(value, BaseException) else Outcome(value, None, spent) for value in values
    ]
