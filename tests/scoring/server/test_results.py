from __future__ import annotations

import functools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_server import results
from werkzeug.wrappers import Response

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


D64, T64 = np.datetime64, np.timedelta64
TIMES = [
    (D64("2024"), b'"2024"'),
    (D64("2024-05-01T02"), b'"2024-05-01T02"'),
    (D64("2024-05-01T02:03:04.5", "ms"), b'"2024-05-01T02:03:04.500"'),
    (D64("NaT"), b"null"),
    (np.array("2024-05-01", "datetime64[D]"), b'"2024-05-01"'),
    (np.array([["1969-12-31"], ["NaT"]], "datetime64[ns]"), b'[["1969-12-31T00:00:00.000000000"], [null]]'),
    (np.array([], "datetime64[s]"), b"[]"),
    (np.array(3, "timedelta64[D]"), b'"P3D"'),
    (T64(0, "s"), b'"PT0S"'),
    (T64(2, "Y"), b'"P2Y"'),
    (T64(2, "M"), b'"P2M"'),
    (T64(-2, "W"), b'"-P2W"'),
    (T64(25, "h"), b'"PT25H"'),
    (T64(2, "m"), b'"PT2M"'),
    (T64(3, "25s"), b'"PT75S"'),
    (T64(1001, "us"), b'"PT0.001001S"'),
    (T64(-1, "ns"), b'"-PT0.000000001S"'),
    (T64(10**18, "as"), b'"PT1S"'),
    (T64(7), b"7"),
    (T64("NaT"), b"null"),
    ({D64("2024-05-01"): T64(1, "s")}, b'{"2024-05-01": "PT1S"}'),
]


@pytest.mark.parametrize(("value", "expected"), TIMES, ids=map(repr, (value for value, _ in TIMES)))
def test_times_are_iso_8601(value: Any, expected: bytes) -> None:
    assert results.encode(value) == expected
    assert results.encode([value, np.float32("nan")], nan_as_null=True) == b"[" + expected + b", null]"


class Point:
    """A type that JSON does not have."""


def test_a_script_may_teach_json_its_types(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"points": [Point(), np.float32(0.5)]}
    with pytest.raises(TypeError, match="Object of type Point is not JSON serializable"):
        results.encode(value)
    with monkeypatch.context() as taught:
        taught.setattr(json.JSONEncoder, "default", lambda _self, value: type(value).__name__)
        assert results.encode(value) == b'{"points": ["Point", 0.5]}'
    monkeypatch.setattr(json, "dumps", functools.partial(json.dumps, default=str))
    assert results.encode({"set": {1}}) == b'{"set": "{1}"}'
    with pytest.raises(results.NanError):
        results.encode({"set": {1}, "nan": math.nan})
    assert results.encode({"set": {1}, "nan": math.nan}, nan_as_null=True) == b'{"set": "{1}", "nan": null}'


def test_a_stream_is_of_bytes() -> None:
    chunks = ["a", b"", b"b", bytearray(b"c"), memoryview(b"d")]
    assert list(results.stream(Response(iter(chunks)))) == [b"a", b"b", b"c", b"d"]  # type: ignore[arg-type,unused-ignore]
    with pytest.raises(TypeError, match="consists of text and bytes, not int"):
        list(results.stream(Response(iter([5]))))  # type: ignore[arg-type,list-item,unused-ignore]


@pytest.mark.parametrize("value", [np.dtype("f8"), np.random.default_rng(), np.void(b"1"), np.bytes_(b"1")])
def test_what_else_is_numpys_is_an_error(value: Any) -> None:
    with pytest.raises(TypeError, match="is not JSON serializable"):
        results.encode([value])


@pytest.mark.parametrize("value", [math.nan, [math.inf], {"a": (-math.inf,)}, np.float32("nan"), np.array([np.nan])])
def test_nan_is_an_error_or_null(value: Any) -> None:
    with pytest.raises(results.NanError):
        results.encode(value)
    assert b"null" in results.encode(value, nan_as_null=True)
