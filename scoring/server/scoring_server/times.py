"""Times of numpy and pandas as ISO 8601 text. Neither package is imported before a script has done so."""

from __future__ import annotations

from typing import Any

_WHOLE = {"Y": "P{}Y", "M": "P{}M", "W": "P{}W", "D": "P{}D", "h": "PT{}H", "m": "PT{}M"}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9, "ps": 12, "fs": 15, "as": 18}


def is_time(value: Any) -> bool:
    """Whether `value`, of numpy or pandas, is a point in time, a duration, or the lack of one."""
    return type(value).__name__ in ("datetime64", "timedelta64", "Timestamp", "Timedelta", "NaTType")


def iso(value: Any) -> str | int | None:
    """The text of a time; None for NaT, and a bare number for a timedelta64 that has no unit.

    Points in time are as precise as their type: ``2024-05-01`` of datetime64[D], ``2024-05-01T00:00:00`` of a
    Timestamp, with its offset from UTC if it has one. Durations keep their unit: ``P2D``, ``PT90M``, ``-PT0.25S``.
    """
    kind = type(value).__name__
    if kind == "NaTType":
        return None
    if kind == "Timestamp":
        return str(value.isoformat())
    import numpy as np

    if kind == "Timedelta":
        value = value.to_timedelta64()
    if np.isnat(value):
        return None
    return str(value) if isinstance(value, np.datetime64) else _duration(int(value.astype(np.int64)), value.dtype)


def _duration(number: int, dtype: Any) -> str | int:
    """`number` units of `dtype`, a timedelta64, which may be such as 25 s."""
    import numpy as np

    unit, count = np.datetime_data(dtype)
    number *= count
    sign = "-" if number < 0 else ""
    if unit in _WHOLE:
        return sign + _WHOLE[unit].format(abs(number))
    if unit not in _DIGITS:
        return number
    digits = str(abs(number)).zfill(_DIGITS[unit] + 1)
    point = len(digits) - _DIGITS[unit]
    fraction = digits[point:].rstrip("0")
    return f"{sign}PT{digits[:point]}{'.' if fraction else ''}{fraction}S"
