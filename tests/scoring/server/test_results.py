from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_server import results

KEYS = (
    st.text(max_size=4) | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
)
PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_encodes_as_the_standard_library(value: Any) -> None:
    assert results.encode(value) == json.dumps(value).encode()


class Text(str):
    pass


class Number(int):
    def __repr__(self) -> str:
        return "seven"


@pytest.mark.parametrize("value", [Text("a"), Number(7), {Text("k"): Number(7)}, np.float64(0.1), [np.float64(-0.0)]])
def test_encodes_subclasses_as_the_standard_library(value: Any) -> None:
    assert results.encode(value) == json.dumps(value).encode()


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def circular() -> Any:
    value: list[Any] = []
    value.append({"a": value})
    return value


@pytest.mark.parametrize("value", [{1}, b"1", object(), [{"a": {1}}], {(1, 2): 3}, circular(), nested(100_000)])
def test_errors_are_the_standard_librarys(value: Any) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011
        json.dumps(value)
    with pytest.raises(type(expected.value)) as found:
        results.encode(value)
    if not isinstance(found.value, TypeError):
        assert str(found.value) == str(expected.value)
    assert results.encode([value, 1][1:]) == b"[1]", "the next is encoded as if nothing had been"


def test_a_value_that_is_met_twice_is_not_circular() -> None:
    inner = [1]
    assert results.encode([inner, inner]) == b"[[1], [1]]"
    with pytest.raises(TypeError):
        results.encode([inner, {1}])
    assert results.encode(inner) == b"[1]"


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": (-math.inf,)}, np.float32("nan"), np.array([np.nan])])
def test_nan_is_an_error_or_null(value: Any) -> None:
    with pytest.raises(results.NanError):
        results.encode(value)
    assert b"null" in results.encode(value, nan_as_null=True)
