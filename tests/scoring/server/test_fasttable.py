"""Tables of numbers by simdjson beside json and numpy: the same arrays, or none."""

from __future__ import annotations

import json
import re
import threading
from typing import Any

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scoring_server import fasttable
from scoring_server.fasttable import FastTable

from .arrays import outcome


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have short texts looked at, too, and every one of them."""
    monkeypatch.setattr(fasttable, "_LEAST", 1)
    monkeypatch.setattr(fasttable, "_LONGEST_PAUSE", 0)


def two_steps(text: Any) -> Any:
    return numpy.array(json.loads(text)["data"])


def read(text: Any) -> Any:
    return FastTable().read(numpy, text, "data")


@pytest.mark.parametrize(
    "text",
    [
        '{"data": [[1.5, 2.5], [3.5, 4.5]]}',
        '{"data": [[1.5], [2], [-3]]}',
        '{"data": [[1, 2.5], [3, 4]]}',
        '{"data": [1, 2, 3]}',
        '{"data": [1.5, 2e3, -0.0, 5e-324, 1e-400, 0.1, 0.30000000000000004, 1e22, 123456789012345678.5]}',
        '{"data": [-0, -0.0]}',
        '{"data": [9007199254740993, 0.5]}',
        '{"data": [0.5, 9223372036854775808, 18446744073709551615]}',
        '{"data": [-9223372036854775808, 9223372036854775807]}',
        '{"data": [1, 0.5, 9223372036854775808, -1]}',
        '{"a": 1, "data": [[1.5]], "b": "text", "c": null, "d": true}',
        '{"d\\u0061ta": [1.5]}',
        '{ "data" :\n[ [ 1.5 ,\t2 ]\r] } ',
        '{"data": [[' + ", ".join(["0.25"] * 784) + "]]}",
        '{"data": [' + ", ".join(["[1.5, 2.5]"] * 1000) + "]}",
        '{"other": "' + "é" * 300_000 + '", "data": [1.5]}',
        '{"pad": "' + "x" * 1_100_000 + '", "data": [1.5]}',
    ],
)
def test_tables_are_read(text: str) -> None:
    assert outcome(read, text) == outcome(two_steps, text)
    assert read(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1.5]",
        "{}",
        '{"data": []}',
        '{"data": [[]]}',
        '{"data": {"a": 1.5}}',
        '{"data": 1.5}',
        '{"data": "1.5"}',
        '{"data": [[1.5], [2.5, 3.5]]}',
        '{"data": [[1.5], 2.5]}',
        '{"data": [1.5, [2.5]]}',
        '{"data": [[1.5, [2.5]]]}',
        '{"data": [[[1.5]]]}',
        '{"data": [[1.5], "a"]}',
        '{"data": [[1.5], {}]}',
        '{"data": [1.5, "2"]}',
        '{"data": [1.5, true]}',
        '{"data": [true, 1]}',
        '{"data": [1, false]}',
        '{"data": [1.5, null]}',
        '{"data": [NaN, 1.5]}',
        '{"data": [1.5, 1e400]}',
        '{"data": [1.5, Infinity]}',
        '{"data": [1.5, 18446744073709551616]}',
        '{"data": [1, 9223372036854775808]}',
        '{"data": [9223372036854775808, 0.5]}',
        '{"data": [1, 9223372036854775808, 0.5]}',
        '{"data": [-1, 9223372036854775808]}',
        '{"data": [1.5], "data": [2.5]}',
        '{"data": [1.5], "a": 1, "a": 2}',
        '{"data": [1.5], "a": []}',
        '{"data": [1.5], "a": {}}',
        '{"data": [1.5], "a": "["}',
        '{"data": [1.5], "a": "{"}',
        '{"data": [1.5], "\\ud800": 1}',
        '{"data": [1.5], "a": "\ud800"}',
        '\ufeff{"data": [1.5]}',
        ' {"data": [1.5]}',
        '{"data": [1.5]} x',
        '{"data": [1.5,]}',
        '{"data": [01.5]}',
        '{"data": [1.]}',
        '{"data": [.5]}',
        '{"data": [+1.5]}',
        '{"data": [1.5], "a": "\t"}',
        '{"data": [1.5], "a": "\\x"}',
        '{"other": [1.5]}',
        '{"data": [1.5], "a": ' + "[" * 1010 + "]" * 1010 + "}",
        '{"data": [1.5, ' + "1" * 5000 + "]}",
        b'{"data": [1.5]}',
        bytearray(b'{"data": [1.5]}'),
        None,
    ],
)
def test_all_else_is_left_to_the_two_steps(text: Any) -> None:
    assert read(text) is None


NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.integers(-(2**65), 2**65).map(str)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
)
FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(e.*)?")
ODD = st.sampled_from(["true", "false", "null", '"1"', "NaN", "-Infinity", "1e999", "[]", "[1.5]", "{}", "01", "-", ""])
ITEMS = st.one_of(*[NUMBERS] * 12, ODD)
ROWS = st.integers(1, 6).flatmap(
    lambda width: st.lists(st.lists(ITEMS, min_size=width, max_size=width), min_size=1, max_size=5)
)
TABLES = (ROWS | st.lists(st.lists(ITEMS, max_size=3), max_size=3)).map(
    lambda rows: "[" + ", ".join("[" + ",".join(row) + "]" for row in rows) + "]"
) | st.lists(ITEMS, max_size=20).map(lambda row: "[" + ",".join(row) + "]")
KEYS = st.sampled_from(["data", "data", "a", "d\\u0061ta", "é", "\\ud83d"])
MEMBERS = st.tuples(KEYS, TABLES | ITEMS).map(lambda pair: f'"{pair[0]}": {pair[1]}')
TEXTS = TABLES.map('{{"data": {}}}'.format) | st.lists(MEMBERS, max_size=3).map(lambda found: f"{{{', '.join(found)}}}")


@given(TEXTS)
@example('{"data": [0.5, 18446744073709551615, -9223372036854775808]}')
def test_whatever_is_read_is_what_json_and_numpy_make(text: str) -> None:
    if read(text) is not None:
        assert outcome(read, text) == outcome(two_steps, text)


@given(ROWS)
def test_most_tables_of_floats_are_read(rows: list[list[str]]) -> None:
    rows = [[item if FLOAT.fullmatch(item) else "1.5" for item in row] for row in rows]
    text = '{"data": [' + ", ".join("[" + ",".join(row) + "]" for row in rows) + "]}"
    expected = two_steps(text)
    if numpy.isfinite(expected).all():
        assert read(text) is not None


def test_a_key_with_a_nul_is_not_cut() -> None:
    assert FastTable().read(numpy, '{"data": [1.5]}', "data\0x") is None


def test_short_and_endless_texts_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"data": [1.5]}'
    for name, value in (("_LEAST", len(text) + 1), ("_MOST", len(text) - 1)):
        with monkeypatch.context() as changed:
            changed.setattr(fasttable, name, value)
            assert read(text) is None
    assert read(text) is not None


def test_texts_without_tables_are_looked_at_less_and_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasttable, "_LONGEST_PAUSE", 7)
    good, bad = '{"data": [1.5]}', '{"data": ["a"]}'
    table = FastTable()
    looked: list[int] = []
    own = fasttable._read
    monkeypatch.setattr(fasttable, "_read", lambda *given: looked.append(number) or own(*given))
    for number, text in enumerate([bad] * 30 + [good] * 4):
        assert (table.read(numpy, text, "data") is None) == (text == bad)
        if number == 29:
            assert looked == [0, 2, 6, 14, 22]
    assert looked[5:] == [30, 31, 32, 33]


def test_arrays_are_their_callers_own() -> None:
    table = FastTable()
    first = table.read(numpy, '{"data": [1.5, 2.5]}', "data")
    second = table.read(numpy, '{"data": [3.5, 4.5]}', "data")
    first[0] = 9.5
    assert (first.tolist(), second.tolist()) == ([9.5, 2.5], [3.5, 4.5])
    first.resize(3, refcheck=True)


def test_threads_get_their_own_arrays() -> None:
    table = FastTable()
    wrong: list[Any] = []

    def read_often(value: float) -> None:
        text = json.dumps({"data": [[value] * 100] * 20})
        for _ in range(200):
            found = table.read(numpy, text, "data")
            if found is not None and (found.shape != (20, 100) or not (found == value).all()):
                wrong.append(found)

    threads = [threading.Thread(target=read_often, args=(number + 0.5,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
