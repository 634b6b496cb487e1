"""Durations as Go writes them, CPUs as the engine reads them back, and sizes in MiB."""

from __future__ import annotations

import re
from decimal import Decimal

MIB = 1024 * 1024
_NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def nanoseconds(duration: str) -> int:
    """Read a duration such as `1m30s` or `500ms`.

    Raises:
        ValueError: not a duration.
    """
    if duration in ("", "0"):
        return 0
    if not re.fullmatch(f"(?:{_PART.pattern})+", duration):
        raise ValueError(f"{duration!r} is not a duration: write it as 30s, 1m30s or 500ms")
    return sum(int(Decimal(number) * _NANOSECONDS[unit]) for number, unit in _PART.findall(duration))


def duration(nanoseconds: int) -> str:
    """Write nanoseconds as Go does: `0s`, `30s`, `1m0s`, `1.5s`, `500ms`."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 10**9:
        unit = next(u for u in ("ms", "us", "ns") if nanoseconds >= _NANOSECONDS[u])
        return f"{_plain(Decimal(nanoseconds) / _NANOSECONDS[unit])}{'µs' if unit == 'us' else unit}"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = _plain(Decimal(rest) / 10**9) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def nano_cpus(cpus: str) -> int:
    """CPUs, as in `0.5`, to billionths of one.

    Raises:
        ValueError: not a positive number.
    """
    if not re.fullmatch(r"\d+(\.\d+)?", cpus) or Decimal(cpus) <= 0:
        raise ValueError(f"{cpus!r} is not a positive number of CPUs: write it as 0.5 or 2.0")
    return int(Decimal(cpus) * 10**9)


def cpus(nano_cpus: int) -> str:
    """Billionths of a CPU as the vendor's provider reads them back: `1.0`, `0.5`."""
    return str(nano_cpus / 10**9)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
