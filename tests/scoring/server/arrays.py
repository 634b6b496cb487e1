"""Arrays, as the tests of the faster ways to make them need them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy


@contextmanager
def numpy_untouched() -> Iterator[None]:
    """Leave numpy as it was."""
    own, module = numpy.array, numpy.array.__module__
    try:
        yield
    finally:
        own.__module__ = module
        numpy.array = own


def outcome(array: Any, value: Any) -> Any:
    """What `array` makes of `value`: every property of the array and its bytes, or the error with its text."""
    try:
        made = array(value)
    except Exception as error:
        return type(error), str(error)
    if made.dtype == object:
        content: object = [id(item) for item in made.flat]
    elif made.dtype.char in "gG":  # of which some bytes are only there to fill up, with whatever was there
        content = [repr(item) for item in made.flat]
    else:
        content = made.tobytes()
    flags = made.flags
    layout = flags.c_contiguous, flags.f_contiguous, flags.owndata, flags.writeable, flags.aligned
    return made.dtype, made.dtype.isnative, made.shape, made.strides, layout, type(made), content
