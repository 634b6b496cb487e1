"""From a user's mistake to what Pulumi prints: the message alone, without a traceback."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pulumi

from components.problems import Problem

T = TypeVar("T")
U = TypeVar("U")


@contextmanager
def problems_reported(component: str) -> Iterator[None]:
    """Turn a `Problem` into `pulumi.RunError`, with the component's name before it."""
    try:
        yield
    except Problem as problem:
        raise pulumi.RunError(f"{component}: {problem}") from None


def apply_reporting(
    output: "pulumi.Output[T]", component: str, function: Callable[[T], Awaitable[U]]
) -> "pulumi.Output[U]":
    """Apply a coroutine function to an output, with `problems_reported` around it."""

    async def wrapped(value: T) -> U:
        with problems_reported(component):
            return await function(value)

    applied: pulumi.Output[U] = output.apply(wrapped)
    return applied
