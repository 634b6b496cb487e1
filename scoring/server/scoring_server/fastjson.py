"""``json.loads`` on orjson, wherever the result is provably the standard library's.

orjson refuses what Python takes beyond JSON (NaN, Infinity, overflowing floats, lone surrogates, encodings other than
UTF-8): the standard library then decides, and raises its own errors. Three cases are accepted by both with a different
outcome, and are looked for beforehand:

* integers of 2**64 and more become floats: a run of 19 digits or more that is no fraction leaves the text to the
  standard library;
* nesting past Python's recursion limit: more than 200 open brackets at once leave it, too;
* anything but an exact str, bytes or bytearray, and any keyword argument, goes straight to the standard library.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

_standard_loads = json.loads
_orjson_loads = orjson.loads
# Digits become zeros, the point stays, all else becomes a space, so that a long integer is found by a plain search.
_DIGITS = bytes(48 if 48 <= byte <= 57 else 46 if byte == 46 else 32 for byte in range(256))
_LONG_RUN = b"0" * 19
_LONG_INTEGER = b" " + _LONG_RUN
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_DEPTH = 200


def _may_be_deep(data: bytes | bytearray) -> bool:
    """Whether brackets may nest beyond the depth allowed; brackets within strings count, to be on the safe side."""
    if data.count(b"[") + data.count(b"{") <= _DEPTH:
        return False
    brackets = data.translate(_ONE_KIND, _NOT_BRACKETS)
    # Each round takes the innermost pairs away: what is left after eight rounds nests deeper, or is text.
    for _ in range(8):
        brackets = brackets.replace(b"[]", b"")
        if len(brackets) <= _DEPTH:
            return False
    return True


def loads(s: Any, **options: Any) -> Any:
    """``json.loads``, with the same results and errors."""
    kind = type(s)
    if options or not (kind is str or kind is bytes or kind is bytearray):
        return _standard_loads(s, **options)
    try:
        data = s.encode() if kind is str else s
        digits = data.translate(_DIGITS)
        # The short search first: the exact one is the slower of the two.
        may_be_long = _LONG_RUN in digits and (_LONG_INTEGER in digits or digits.startswith(_LONG_RUN))
        if not may_be_long and not _may_be_deep(data):
            return _orjson_loads(data)
    except ValueError:
        pass
    return _standard_loads(s)


def install() -> None:
    """Put `loads` in the place of ``json.loads`` for this process; ``json.load`` goes through it."""
    loads.__doc__ = _standard_loads.__doc__
    json.loads = loads
