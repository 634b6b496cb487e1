"""The faster ``numpy.array`` beside numpy's own: the same arrays, the same errors, and that it is faster at all."""

from __future__ import annotations

import copy
import enum
import inspect
import pickle
import subprocess
import sys
import types
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scoring_server import fastarray
from scoring_server.fastarray import FastArray

from .arrays import numpy_untouched, outcome

FAST = FastArray(numpy)
COLUMNS = 256


class Level(enum.Enum):
    """Holds a float, and is none: numpy keeps it as an object."""

    LOW = 1.5


class Real(float, enum.Enum):
    """Is a float: numpy takes its value."""

    HIGH = 2.5


class Own(float):
    """A float of another class."""


ODD: list[Any] = [
    1, 0, -1, 2**53 + 1, 2**63, 2**64, 2**70, True, None, "1.5", b"1.5", [1.5], (1.5,), {}, {1.5}, 1j, Level.LOW,
    Real.HIGH, Own(1.5), numpy.float64(1.5), numpy.float32(1.5), numpy.int8(1), numpy.longdouble("1.5"), Decimal("1.5"),
    Fraction(3, 2), float, object(), numpy.array(1.5), numpy.array([1.5]), "x" * 8, b"\xcb" * 8,
]  # fmt: skip
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, float("nan"), float("inf"), 5e-324, 1e308])


@pytest.fixture
def untouched() -> Iterator[None]:
    with numpy_untouched():
        yield


def floats(rows: int, columns: int = COLUMNS) -> list[list[float]]:
    return [[row - column / 7 for column in range(columns)] for row in range(rows)]


@given(st.lists(st.lists(FLOATS, min_size=COLUMNS, max_size=COLUMNS), min_size=1, max_size=4))
def test_floats_of_all_kinds(rows: list[list[float]]) -> None:
    assert outcome(FAST, rows) == outcome(numpy.array, rows)
    assert outcome(FAST, rows[0]) == outcome(numpy.array, rows[0])


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, COLUMNS), st.sampled_from(ODD)), min_size=1, max_size=3),
    st.integers(-2, 2),
)
@example(1, [(0, 1, "x" * 8)], 0)
@example(1, [(0, COLUMNS - 1, Level.LOW)], 0)
@example(2, [(1, 0, b"\xcb" * 8)], -1)
def test_whatever_else_is_among_them(rows: int, odd: list[tuple[int, int, Any]], longer: int) -> None:
    value: list[Any] = floats(rows)
    for row, column, item in odd:
        value[row % rows].insert(column, item)
        del value[row % rows][-1 - longer :]
    assert outcome(FAST, value) == outcome(numpy.array, value)
    assert outcome(FAST, value[0]) == outcome(numpy.array, value[0])


@pytest.mark.parametrize("item", ODD)
def test_one_thing_that_is_no_float(item: Any) -> None:
    for value in ([*floats(1)[0], item], [floats(1)[0], [*floats(1)[0][1:], item]], [floats(1)[0], item]):
        assert outcome(FAST, value) == outcome(numpy.array, value)


@pytest.mark.parametrize(
    "value",
    [
        [], [[]], [[[]]], 1.5, "x", None, (1.5,) * 300, [(1.5,) * 300], [floats(1)[0], tuple(floats(1)[0])],
        [floats(2)], [floats(2), floats(2)], [*floats(2), [1.5] * 255], [*floats(2), []], floats(1, 31), floats(9, 31),
        floats(8, 32), floats(2, 65_535), floats(2, 65_536), floats(2, 70_000), [*floats(3), floats(1)],
        [[0.0] * 300] * 4, numpy.zeros((2, 300)), [numpy.zeros(300), [0.0] * 300],
    ],
    ids=repr,
)  # fmt: skip
def test_shapes(value: Any) -> None:
    assert outcome(FAST, value) == outcome(numpy.array, value)


def test_lists_of_another_class_are_numpys() -> None:
    class Rows(list[Any]):
        def __array__(self, *_args: object, **_kwargs: object) -> Any:
            return numpy.arange(3)

    assert FAST(Rows(floats(2))).tolist() == [0, 1, 2]
    assert FAST([Rows(floats(1)[0])]).tolist() == [[0, 1, 2]]


def test_a_list_in_itself() -> None:
    value: list[Any] = floats(2)
    value[1][3] = value
    assert outcome(FAST, value)[0] == outcome(numpy.array, value)[0]


def test_all_other_arguments_are_numpys() -> None:
    value = floats(2)
    assert FAST(value, dtype="f4").dtype == numpy.float32
    assert FAST(value, int).dtype == numpy.int64
    assert FAST(value, order="F").flags.f_contiguous
    assert FAST(value, ndmin=3).shape == (1, 2, COLUMNS)
    assert FAST(object=value).shape == (2, COLUMNS)
    for call in (lambda array: array(), lambda array: array(1, 2, 3, 4), lambda array: array(value, odd=1)):
        assert outcome(lambda _: call(FAST), None) == outcome(lambda _: call(numpy.array), None)  # noqa: B023


def test_floats_are_not_numpys_affair() -> None:
    class Watched:
        """numpy, with an array() that counts."""

        asked = 0
        ndarray, dtype = numpy.ndarray, numpy.dtype

        def array(self, *args: Any, **kwargs: Any) -> Any:
            self.asked += 1
            return numpy.array(*args, **kwargs)

    watched = Watched()
    fast = FastArray(watched)
    fast(floats(1))
    fast(floats(5))
    fast(floats(1)[0])
    fast(floats(8, 32))
    assert watched.asked == 0
    fast([1.5])
    fast([[1] * 300])
    assert watched.asked == 2


def test_it_passes_for_what_it_stands_for(untouched: None) -> None:
    own: Any = numpy.array
    numpy.array = FAST  # type: ignore[assignment]
    pickled = pickle.dumps(numpy.array)
    assert pickle.loads(pickled) is FAST
    numpy.array = own
    assert pickle.loads(pickled) is own, "in a process without it"
    assert copy.deepcopy(FAST) is FAST
    assert (FAST.__name__, FAST.__module__, FAST.__doc__) == ("array", "numpy", own.__doc__)
    assert inspect.signature(FAST) == inspect.signature(own)
    assert FAST.__text_signature__ == own.__text_signature__
    assert not hasattr(FAST, "__array__")

    class Holder:
        convert = FAST

    assert Holder().convert([1, 2]).tolist() == [1, 2]


def test_it_is_installed_once_and_where_numpy_is(untouched: None, monkeypatch: pytest.MonkeyPatch) -> None:
    own = numpy.array
    monkeypatch.setitem(sys.modules, "numba", types.ModuleType("numba"))
    fastarray.install()
    assert numpy.array is own
    monkeypatch.delitem(sys.modules, "numba")
    fastarray.install()
    installed: Any = numpy.array
    assert isinstance(installed, FastArray)
    fastarray.install()
    assert numpy.array is installed
    assert installed.__wrapped__ is own


def test_who_has_numpys_own_already_can_pickle_it(untouched: None) -> None:
    own = numpy.array
    fastarray.install()
    assert pickle.loads(pickle.dumps(partial(own, dtype=float)))([1]).tolist() == [1.0]
    assert pickle.loads(pickle.dumps(own)) is own


def test_it_does_not_import_numpy() -> None:
    code = "import sys; from scoring_server import fastarray; fastarray.install(); sys.exit('numpy' in sys.modules)"
    folder = fastarray.__file__.rpartition("/scoring_server/")[0]
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
