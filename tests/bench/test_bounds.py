"""Bounds of figures: which are missed, what is said, and the exit code."""

import json

import pytest

from bench.bounds import Bound, at_least, at_most, closing, missed

FIGURES = {"ratio": 4.0, "seconds": 1.5, "lost": {"model": 0.0, "keys": 2.0}}


@pytest.mark.parametrize(
    ("bounds", "lines"),
    [
        (at_least(ratio=4), []),
        (at_least(ratio=4.5), ["ratio: 4.000, the bound is at least 4.5"]),
        (at_most(seconds=1.5), []),
        (at_most(seconds=1), ["seconds: 1.500, the bound is at most 1"]),
        (at_most(lost=0), ["lost (keys): 2.000, the bound is at most 0"]),
        (at_most(lost=2), []),
    ],
)
def test_each_figure_beyond_its_bound_is_named(bounds: list[Bound], lines: list[str]) -> None:
    assert missed(FIGURES, bounds) == lines


@pytest.mark.parametrize(("limit", "check", "code"), [(1, False, 0), (1, True, 1), (2, True, 0)])
def test_a_missed_bound_is_an_error_when_asked_for(limit: float, check: bool, code: int) -> None:
    said: list[str] = []
    assert closing(FIGURES, at_most(seconds=limit), said.append, check=check, keys=("ratio", "lost")) == code
    assert json.loads(said[-1]) == {"ratio": 4.0, "lost": {"model": 0.0, "keys": 2.0}}
    assert ("missed: seconds" in said[0]) == (limit == 1)
