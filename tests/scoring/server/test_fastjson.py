from __future__ import annotations

import io
import json
import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_server import fastjson

standard_loads = fastjson._standard_loads


def outcome(loads: Any, text: Any) -> tuple[str, Any]:
    """What `loads` makes of `text`: a value with its types, or an error with its text and position."""
    try:
        return "value", fingerprint(loads(text))
    except Exception as error:
        return type(error).__name__, (str(error), getattr(error, "pos", None), getattr(error, "doc", None))


def fingerprint(value: Any) -> Any:
    """A form in which 1, 1.0 and True differ, as do 0.0 and -0.0, key order and NaN; made without recursion."""
    result: list[Any] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            result.append(("list", len(item)))
            stack.extend(item)
        elif isinstance(item, dict):
            result.append(("dict", list(item)))
            stack.extend(item.values())
        elif isinstance(item, float):
            result.append(("nan",) if math.isnan(item) else ("float", item.hex()))
        else:
            result.append((type(item).__name__, item))
    return result


NUMBERS = st.from_regex(r"-?[0-9]{1,24}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
WORDS = st.sampled_from(["NaN", "Infinity", "-Infinity", "null", "true", "false", "-", "01", "1.", ".5", "+1", "nul"])
STRINGS = st.from_regex(r'"(\\u[dD][89a-fA-F][0-9a-f]{2}|\\[nrt"\\/bfx]|[^"\\]|[0-9]{20})*"', fullmatch=True)
ATOMS = NUMBERS | WORDS | STRINGS | st.text(max_size=5)
SPACE = st.sampled_from(["", " ", "\n\t", "\r", "\x0b", "\ufeff"])


def _lists(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.lists(items, max_size=4), SPACE).map(lambda pair: f"[{(',' + pair[1]).join(pair[0])}{pair[1]}]")


def _objects(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(STRINGS | st.sampled_from(['"a"', '"b"', "a"]), items), max_size=4)
    return pairs.map(lambda found: "{" + ",".join(f"{key}:{value}" for key, value in found) + "}")


DOCUMENTS = st.recursive(ATOMS, lambda items: _lists(items) | _objects(items), max_leaves=12)


@given(st.tuples(SPACE, DOCUMENTS, SPACE).map("".join))
def test_equals_the_standard_library_on_text(text: str) -> None:
    assert outcome(fastjson.loads, text) == outcome(standard_loads, text)


@given(
    st.tuples(SPACE, DOCUMENTS).map("".join), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le", "latin-1"])
)
def test_equals_the_standard_library_on_bytes(text: str, encoding: str) -> None:
    data = text.encode(encoding, "replace")
    assert outcome(fastjson.loads, data) == outcome(standard_loads, data)
    assert outcome(fastjson.loads, bytearray(data)) == outcome(standard_loads, bytearray(data))


@given(st.binary(max_size=30))
def test_equals_the_standard_library_on_any_bytes(data: bytes) -> None:
    assert outcome(fastjson.loads, data) == outcome(standard_loads, data)


@given(st.floats())
def test_every_float_survives(number: float) -> None:
    text = json.dumps([number])
    assert outcome(fastjson.loads, text) == outcome(standard_loads, text)


@given(st.floats(min_value=0, max_value=1.7e308), st.integers(16, 800), st.sampled_from(["", "1"]))
def test_numbers_between_two_floats_round_the_same(number: float, digits: int, more: str) -> None:
    """The middle between two neighbours, cut short or made a little larger, is where parsers of floats err."""
    middle = (Fraction(number) + Fraction(math.nextafter(number, math.inf))) / 2
    with localcontext() as context:
        context.prec = digits
        mantissa, _, exponent = str(Decimal(middle.numerator) / Decimal(middle.denominator)).partition("E")
    text = f"{mantissa}{more}e{exponent or 0}"
    assert outcome(fastjson.loads, text) == outcome(standard_loads, text)


@given(st.integers(min_value=-(2**70), max_value=2**70))
def test_every_integer_survives(number: int) -> None:
    assert fastjson.loads(f'{{"n": {number}}}') == {"n": number}
    assert type(fastjson.loads(str(number))) is int


@pytest.mark.parametrize(
    "text",
    [
        "18446744073709551616",
        "[-9223372036854775809]",
        "9" * 5000,  # beyond the standard library's own limit on digits
        "1" + "0" * 400,
        "0." + "1" * 40,
        '"' + "1" * 40 + '"',
        "1e400",
        "-0",
        "[" * 150 + "]" * 150,
        *("[" * depth + "1" + "]" * depth for depth in (7, 8, 9)),
        *('{"a":[' * depth + "1" + "]}" * depth for depth in (4, 5)),
        '["]",' * 5000 + "1" + ',"["]' * 5000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 5000 + "1" + "}" * 5000,
        "[" * 100_000,
        "[" + "[1]," * 500 + "[1]]",
        '["' + "[" * 500 + '"]',
        '{"a": 1, "b": 2, "a": 3}',
        "[1e-400, 0e999, -0e5, -0.0, 1e308, 1.7976931348623159e308, 5e-324, 2e-324]",
        "[1e18446744073709551616, 1e-18446744073709551616]",
        r'["\ud83d\ude00", "\u0000", "\/"]',
        r'"\ud83d"',
        r'"\ude00\ud83d"',
        '"\x7f\u2028"',
        '"\x1f"',
        '"\ud800"',
        "",
    ],
    ids=lambda text: text[:20] or "empty",
)
def test_edges(text: str) -> None:
    assert outcome(fastjson.loads, text) == outcome(standard_loads, text)


@pytest.mark.parametrize("given", [None, 1, memoryview(b"1"), ["1"], object])
def test_other_types_get_the_standard_error(given: Any) -> None:
    assert outcome(fastjson.loads, given) == outcome(standard_loads, given)


def test_options_go_to_the_standard_library() -> None:
    assert fastjson.loads("[1.5]", parse_float=str) == ["1.5"]
    assert fastjson.loads('{"a": 1}', object_pairs_hook=list) == [("a", 1)]
    assert fastjson.loads('["\n"]', strict=False) == ["\n"]
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        fastjson.loads("1", other=None)


@pytest.mark.parametrize("depth", [0, 7, 8, 9, 200, 990, 1000, 5000])
def test_the_end_of_deep_nesting_is_the_standard_librarys(depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}"), ('["]",', ',"["]')):
        text = opening * depth + "1" + closing * depth
        assert outcome(fastjson.loads, text) == outcome(standard_loads, text)


def test_json_load_is_fast_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", fastjson.loads)
    assert json.load(io.StringIO("[1.5]"), parse_float=str) == ["1.5"]
    with pytest.raises(json.JSONDecodeError, match="Expecting value: line 1 column 2"):
        json.load(io.StringIO("[nul]"))

    def refuse(*_args: Any, **_options: Any) -> Any:
        raise AssertionError("fell back")

    monkeypatch.setattr(fastjson, "_standard_loads", refuse)
    assert json.load(io.StringIO('{"a": [1]}')) == {"a": [1]}
    assert json.load(io.BytesIO(b'{"a": [1]}')) == {"a": [1]}


def test_plain_numbers_do_not_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> Any:
        raise AssertionError("fell back")

    monkeypatch.setattr(fastjson, "_standard_loads", refuse)
    rows = [[0.0012345678901234567, 1 / 3, 255, -1e-30, 2**64] for _ in range(500)]
    assert fastjson.loads(json.dumps({"data": rows})) == {"data": rows}
    assert fastjson.loads(json.dumps({"é": rows}, ensure_ascii=False).encode()) == {"é": rows}
    nested: Any = {"signature": "a", "inputs": [{"image": [[[[1, 2.5, None, True]]]]}]}
    assert fastjson.loads(json.dumps(nested)) == nested
