"""``json.loads`` on msgspec, wherever the result is provably the standard library's.

msgspec refuses what Python takes beyond JSON (NaN, Infinity, overflowing floats, lone surrogates, encodings other than
UTF-8): the standard library then decides, and raises its own errors. Where msgspec would take what the standard library
does not, or could take it otherwise, it is not asked:

* nesting near Python's recursion limit, where the two end at different depths: msgspec is told to take no more than
  eight levels, which costs nothing;
* anything but an exact str, bytes or bytearray, and any option, goes straight to the standard library.
"""

from __future__ import annotations

import json
from types import GenericAlias
from typing import Any

import msgspec

_standard_loads = json.loads
_DEPTH = 8  # more is rare; the decoder's size doubles with each


def _bounded(depth: int) -> Any:
    """The type of what JSON holds with at most `depth` containers in each other."""
    plain = None | bool | int | float | str
    if not depth:
        return plain
    inner = _bounded(depth - 1)
    return plain | GenericAlias(list, (inner,)) | GenericAlias(dict, (str, inner))


_decode = msgspec.json.Decoder(_bounded(_DEPTH)).decode


def loads(
    s: Any,
    *,
    cls: Any = None,
    object_hook: Any = None,
    parse_float: Any = None,
    parse_int: Any = None,
    parse_constant: Any = None,
    object_pairs_hook: Any = None,
    **kw: Any,
) -> Any:
    """``json.loads``, with the same results and errors."""
    kind = type(s)
    if (
        (kind is str or kind is bytes or kind is bytearray)
        and cls is None
        and object_hook is None
        and parse_float is None
        and parse_int is None
        and parse_constant is None
        and object_pairs_hook is None
        and not kw
    ):
        try:
            return _decode(s if kind is str else s.decode())
        except (ValueError, RecursionError, msgspec.MsgspecError):
            return _standard_loads(s)
    return _standard_loads(
        s,
        cls=cls,
        object_hook=object_hook,
        parse_float=parse_float,
        parse_int=parse_int,
        parse_constant=parse_constant,
        object_pairs_hook=object_pairs_hook,
        **kw,
    )


def install() -> None:
    """Put `loads` in the place of ``json.loads`` for this process; ``json.load`` goes through it."""
    loads.__doc__ = _standard_loads.__doc__
    json.loads = loads
