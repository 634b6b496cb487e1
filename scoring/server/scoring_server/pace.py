"""Whether bytes keep moving: a client may be slow, but not silent."""

from __future__ import annotations

MIN_RATE = 1024  # bytes/s that a client must send of a body, and take of an answer, on average over a window


class Pace:
    """Watches a growing count of bytes, over one window of time after the other."""

    __slots__ = ("_count", "_since", "_window")

    def __init__(self, window: float, now: float) -> None:
        self._window = window
        self._count = 0
        self._since = now

    def restart(self, count: int, now: float) -> None:
        self._count, self._since = count, now

    def is_kept(self, count: int, now: float) -> bool:
        """Whether `count` has grown enough; always true before the end of a window."""
        spent = now - self._since
        if spent < self._window:
            return True
        kept = count - self._count >= MIN_RATE * spent
        self.restart(count, now)
        return kept
