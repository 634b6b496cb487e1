"""Ways to come by a part, tried in turn, and what is said when none works. Standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Way:
    """One way to come by a part.

    Attributes:
        name: the way's name among the part's.
        tried: what is tried, as it reads after "tried".
        obstacle: why it cannot work on this machine, empty if it can be tried.
        value: what the survey found, for the doing: a path, a version.
    """

    name: str
    tried: str
    obstacle: str = ""
    value: str = ""


class Unavailable(Exception):  # noqa: N818  one way's end, and not an error as long as another works
    """A way did not work on this machine; the text says why."""


class StepError(Exception):
    """No way to a part worked.

    Args:
        part: the part.
        attempts: what was tried and why it failed.
        fix: what the user can do, a sentence.
    """

    def __init__(self, part: str, attempts: Iterable[tuple[str, str]], fix: str) -> None:
        self.part = part
        self.attempts = tuple(attempts)
        self.fix = fix
        tried = "".join(f"\n  tried {what}: {why}" for what, why in self.attempts)
        super().__init__(f"{part} is missing.{tried}\n  {fix}")


def first_that_works(
    part: str, ways: Iterable[Way], actions: Mapping[str, Callable[[Way], T]], fix: str
) -> tuple[T, tuple[tuple[str, str], ...]]:
    """Go the ways in turn.

    Args:
        part: the part, as the error's first words.
        ways: looked at one by one, so that a later way is not even surveyed when an earlier one works.
        actions: by a way's name, what to do; raises Unavailable when it does not work.
        fix: what the user can do when no way works, a sentence.

    Returns:
        What the action returned, and the attempts before it as pairs of what was tried and why it failed.

    Raises:
        StepError: no way works.
    """
    attempts: list[tuple[str, str]] = []
    for way in ways:
        if way.obstacle:
            attempts.append((way.tried, way.obstacle))
            continue
        try:
            return actions[way.name](way), tuple(attempts)
        except Unavailable as error:
            attempts.append((way.tried, str(error)))
    raise StepError(part, attempts, fix)
