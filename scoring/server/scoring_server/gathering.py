"""How long a batch waits for more requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Gathering:
    """Lets several requests wait, for a bounded time, for as many as came together lately. A lone one never waits."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, batch_size: int, delay_s: float, on_end: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._batch_size = batch_size
        self._delay_s = delay_s
        self._on_end = on_end
        self._expected = 0.0  # how many come together, as seen lately
        self._timer: asyncio.TimerHandle | None = None
        self._over = False  # the time for more is up

    def waits(self, count: int) -> bool:
        """Whether `count` requests should wait for more; if not, they are taken to go now."""
        if 1 < count < min(self._expected, self._batch_size) and self._delay_s and not self._over:
            if self._timer is None:
                self._timer = self._loop.call_later(self._delay_s, self._end)
            return True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._over = False
        self._expected = max(count, self._expected * 0.75)
        return False

    def _end(self) -> None:
        self._timer = None
        self._over = True
        self._on_end()
