"""``numpy.array(json.loads(text)[key])`` for tables of numbers, with the same result; nothing for all else.

A table is a list of rows that are as long as each other, or one row. simdjson reads its numbers to where the array
takes them from, without an object of Python for each. What it would read otherwise than `json` and numpy do is left to
them: keys that come twice, containers that are no part of the table (and so nesting that Python refuses), a byte order
mark, integers that do not fit.
"""

from __future__ import annotations

from typing import Any

# Not the package simdjson, which would take the place of a module of that name beside the script.
from csimdjson import Array, Parser  # type: ignore[import-not-found]

_LEAST = 1000  # characters: for shorter texts the two steps are as fast
_MOST = 16 * 1024 * 1024  # simdjson counts no more than 2^24 - 1 elements
_KEPT = 256 * 1024  # a parser keeps the memory that its largest text took, some 13 times as much
_SPARSE = 400  # characters between two that are looked for: to find them is faster than to count them
_LONGEST_PAUSE = 63

_parser = Parser()


class FastTable:
    """Reads tables, as long as no other thread is at it: the process has one parser.

    Texts without one cost the look for it. So after each, the next ones are not looked at: one, then three, seven, and
    at last 63 in a row.
    """

    def __init__(self) -> None:
        self._pause = self._left = 0

    def read(self, numpy: Any, text: Any, key: str) -> Any:
        """The array, or None where it takes the two steps to tell what there is."""
        if type(text) is not str or not _LEAST <= len(text) <= _MOST:
            return None
        if self._left > 0:
            self._left -= 1
            return None
        try:
            array = _read(numpy, text, key)
        except Exception:
            array = None  # no table; or too large a number, no JSON, no memory: the two steps say what it is
        self._pause = self._left = 0 if array is not None else min(_LONGEST_PAUSE, 2 * self._pause + 1)
        return array


def _read(numpy: Any, text: str, key: str) -> Any:
    if text[0] != "{" or _is_more(text, "{", 1) or "\0" in key:  # where simdjson ends a key
        return None
    parser = _parser if len(text) <= _KEPT else Parser()
    document: Any = parser.parse(text)
    if len(document) > 1 and len(set(document)) < len(document):
        return None
    table = document[key]
    first = table[0]
    shape: tuple[int, ...] = (len(table),)
    arrays = 1
    if type(first) is Array:
        shape, arrays = (len(table), len(first)), 1 + len(table)
        first = first[0]
        if any(len(row) != shape[1] for row in table):
            return None
    if _is_more(text, "[", arrays):
        return None
    if type(first) is float:
        return _array(numpy, table, shape, float)
    if type(first) is not int:
        return None
    try:
        return _array(numpy, table, shape, int)
    except TypeError:
        # It is no integer that did not fit, which is a ValueError: it is a float, or nothing for this.
        return _array(numpy, table, shape, float)


def _array(numpy: Any, table: Any, shape: tuple[int, ...], kind: type) -> Any:
    """The table as an array of its own. TypeError: an element of another kind; ValueError: one too large."""
    return numpy.ndarray(shape, kind, table.as_buffer(of_type="d" if kind is float else "i")).copy()


def _is_more(text: str, character: str, times: int) -> bool:
    """Whether a character that is there at least so many times is there once more."""
    if times * _SPARSE > len(text):
        return text.count(character) > times
    at = -1
    for _ in range(times):
        at = text.find(character, at + 1)
    return text.find(character, at + 1) >= 0
