"""What the figures have to be, and what is said of them: pure but for `closing`, which all benchmarks end with."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

Figures = Mapping[str, "float | Mapping[str, float]"]
"""A benchmark's figures; those that belong together are an object of their own, as in its last line."""


class Bound(NamedTuple):
    """What a figure has to be.

    Attributes:
        key: the figure's name; of an object, each of its figures is meant.
        limit: the bound, in the figure's unit.
        least: whether the figure must not be smaller, rather than not larger.
    """

    key: str
    limit: float
    least: bool = False


def at_least(**limits: float) -> list[Bound]:
    """Return bounds that the figures named must reach."""
    return [Bound(key, limit, least=True) for key, limit in limits.items()]


def at_most(**limits: float) -> list[Bound]:
    """Return bounds that the figures named must not exceed."""
    return [Bound(key, limit) for key, limit in limits.items()]


def missed(figures: Figures, bounds: Sequence[Bound]) -> list[str]:
    """Return a line for each figure that is not within its bound, with both."""
    lines = []
    for key, limit, least in bounds:
        found = figures[key]
        parts = {f" ({part})": value for part, value in found.items()} if isinstance(found, Mapping) else {"": found}
        for part, value in parts.items():
            if value < limit if least else value > limit:
                lines.append(f"{key}{part}: {value:.3f}, the bound is at {'least' if least else 'most'} {limit:g}")
    return lines


def add_check(parser: argparse.ArgumentParser) -> None:
    """Add the flag that makes a missed bound an error."""
    parser.add_argument("--check", action="store_true", help="exit with 1 when a figure misses its bound")


def closing(
    figures: Figures, bounds: Sequence[Bound], say: Callable[[str], None], *, check: bool, keys: Sequence[str] = ()
) -> int:
    """Say which bounds are missed, then the figures as one JSON object; return the exit code.

    Args:
        figures: everything that has a bound.
        bounds: what they have to be.
        say: prints a line.
        check: whether a missed bound is an error.
        keys: the figures of the last line; all when there are none.
    """
    lines = missed(figures, bounds)
    for line in lines:
        say(f"missed: {line}")
    if not lines:
        say(f"all {len(bounds)} bounds hold")
    say(json.dumps({key: rounded(figures[key]) for key in keys or figures}))
    return 1 if check and lines else 0


def rounded(value: "float | Mapping[str, float]") -> "float | dict[str, float]":
    """Return a figure, or each of an object's, with three decimals."""
    if isinstance(value, Mapping):
        return {part: round(number, 3) for part, number in value.items()}
    return round(value, 3)
