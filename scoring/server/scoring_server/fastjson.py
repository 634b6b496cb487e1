"""``json.loads`` on msgspec, wherever the result is provably the standard library's.

msgspec refuses what Python takes beyond JSON (NaN, Infinity, overflowing floats, lone surrogates, encodings other than
UTF-8): the standard library then decides, and raises its own errors. Where msgspec would take what the standard library
does not, or could take it otherwise, it is not asked:

* nesting near Python's recursion limit, where the two end at different depths: more than 200 open brackets at once go
  to the standard library;
* anything but an exact str, bytes or bytearray, and any keyword argument, goes straight to the standard library.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

_standard_loads = json.loads
_decode = msgspec.json.Decoder().decode
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_DEPTH = 200


def _few(text: str, bracket: str) -> bool:
    """Whether `bracket` is in `text` at most half as often as levels are allowed. Stops looking when it is not."""
    position = -1
    for _ in range(_DEPTH // 2 + 1):
        position = text.find(bracket, position + 1)
        if position < 0:
            return True
    return False


def _may_be_deep(text: str) -> bool:
    """Whether brackets may nest beyond the depth allowed; brackets within strings count, to be on the safe side."""
    if _few(text, "[") and _few(text, "{"):
        return False
    brackets = text.encode().translate(_ONE_KIND, _NOT_BRACKETS)
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
        text = s if kind is str else s.decode()
        if not _may_be_deep(text):
            return _decode(text)
    except (ValueError, msgspec.MsgspecError):
        pass
    return _standard_loads(s)


def install() -> None:
    """Put `loads` in the place of ``json.loads`` for this process; ``json.load`` goes through it."""
    loads.__doc__ = _standard_loads.__doc__
    json.loads = loads
