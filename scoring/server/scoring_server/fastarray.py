"""``numpy.array`` for the lists of floats that JSON bodies hold, with the same results; all else goes to numpy.

numpy looks at every element twice, through its general machinery. msgspec writes a list of floats as MessagePack at a
tenth of that cost, each element behind a mark of its type: where all marks are those of floats, what is between them is
the array. See the MessagePack specification, "float format family" and "array format family".

The mark of an `enum` member is that of its value, which numpy would not take. Such members cannot be added up, so rows
are, for nothing but that to fail.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

_MARK, _STEP = b"\xcb", 9  # of a float, and the bytes that it takes with its mark
_SHORT, _FEW = 32, 256  # floats in a row, and in all: for fewer, numpy is as fast
_MANY = 4_000_000  # for more, the bytes in between take too much memory
_PLACES = ("numpy._core.multiarray", "numpy.core.multiarray")  # of numpy's own, since 2.0 and before

_encode = msgspec.msgpack.Encoder().encode


class FastArray:
    """Stands for ``numpy.array``. No function, as those turn into methods where a class holds them."""

    def __init__(self, numpy: Any) -> None:
        self.__wrapped__ = numpy.array
        self.__name__ = self.__qualname__ = "array"
        self.__module__ = "numpy"
        self.__doc__ = numpy.array.__doc__
        self._view = numpy.ndarray
        self._big_endian = numpy.dtype(">f8")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """``numpy.array``, with the same results and errors."""
        if len(args) == 1 and not kwargs and type(args[0]) is list:
            value = args[0]
            first = value[0] if value else None
            array = None
            if type(first) is float:
                array = self._of_rows([value], (len(value),))
            elif type(first) is list:
                array = self._of_rows(value, (len(value), len(first)))
            if array is not None:
                return array
        return self.__wrapped__(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __reduce__(self) -> str:
        return self.__name__  # pickled as what it stands for

    def __repr__(self) -> str:
        return f"<faster {self.__wrapped__!r}>"

    def _of_rows(self, rows: list[Any], shape: tuple[int, ...]) -> Any:
        """The array of rows of floats, all as long as the first; None where they are not that."""
        length = shape[-1]
        if length < _SHORT or not _FEW <= len(rows) * length <= _MANY or type(rows[0][0]) is not float:
            return None
        marks = _MARK * length
        head = 3 if length < 2**16 else 5  # bytes before the elements
        size = head + _STEP * length
        parts = []
        try:
            for row in rows:
                if type(row) is not list or len(row) != length:
                    return None
                part = _encode(row)
                if len(part) != size or part[head::_STEP] != marks:
                    return None
                sum(row)
                parts.append(part)
        except Exception:
            return None
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        strides = (size, _STEP)[-len(shape) :]
        return self._view(shape, self._big_endian, data, head + 1, strides).astype(float)


def install() -> None:
    """Put it in the place of ``numpy.array`` for this process, if the script uses numpy.

    Not where numba does: it knows the functions that it compiles by their identity.
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and "numba" not in sys.modules and not isinstance(numpy.array, FastArray):
        own = numpy.array
        for place in _PLACES:
            if getattr(sys.modules.get(place), "array", None) is own:
                own.__module__ = place  # for who has it already: pickle looks for it there, and finds it
                break
        numpy.array = FastArray(numpy)
