"""From a user's mistake to what Pulumi prints: the message alone, without a traceback."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pulumi

from components.problems import Problem

T = TypeVar("T")
U = TypeVar("U")


error_of: Callable[[str], Exception] = pulumi.RunError
"""Makes the error that is printed by its message alone: in a program this one, in a plugin's host another."""


@contextmanager
def problems_reported(component: str) -> Iterator[None]:
    """Turn a `Problem` into the error of `error_of`, with the component's name before it."""
    try:
        yield
    except Problem as problem:
        raise error_of(f"{component}: {problem}") from None


def apply_reporting(
    output: "pulumi.Output[T]", component: str, function: Callable[[T], Awaitable[U]]
) -> "pulumi.Output[U]":
    """Apply a coroutine function to an output, with `problems_reported` around it."""

    async def wrapped(value: T) -> U:
        with problems_reported(component):
            return await function(value)

    applied: pulumi.Output[U] = output.apply(wrapped)
    return applied
