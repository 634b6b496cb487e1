"""Waiting for what the outside world does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_SECONDS = 0.1
T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = 60) -> T:
    """Return what `condition` returns once that is true; fail when it is not within a time."""
    end = time.monotonic() + seconds
    while not (seen := condition()):
        assert time.monotonic() < end, f"it did not come true within {seconds:g} s"
        time.sleep(POLL_SECONDS)
    return seen
