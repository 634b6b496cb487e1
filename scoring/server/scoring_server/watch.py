"""The watch on a worker that has requests: is it stuck with one while others wait behind, does one take too long?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .progress import Held

if TYPE_CHECKING:
    from .link import Link

# A request that takes this long lets go of those behind it at the next look, and at the one after that they are gone.
_LOOK_S = 0.025


class Watch:
    """Looks at a worker every now and then, as long as it has requests."""

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
        self._link = link
        self._loop = loop
        self._limit_s = limit_s
        self._timer: asyncio.TimerHandle | None = None
        self._state = (0, 0)  # begun and ended, as seen last
        self._held: Held | None = None  # as seen last

    def begin(self) -> None:
        if self._timer is None:
            self._next()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> None:
        due = min(self._loop.time() + _LOOK_S, self._link.since + self._limit_s)
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        link = self._link
        if link.in_flight:
            self._look_for_stuck()
            link.look_at_stream()
            if self._loop.time() >= link.since + self._limit_s:
                if not link.ready:
                    return  # it was too late before
                link.out_of_time()
        if link.in_flight:
            self._next()

    def _look_for_stuck(self) -> None:
        """Between two looks without any headway: find replies that are held back, and take back what is not begun.

        All that came of the first look shows at the second one: that is what both are safe by.
        """
        link = self._link
        state = (link.process.progress.started, link.process.progress.finished)
        if link.batches and state[0] < self._state[0]:
            link.since = self._loop.time()  # a batch has failed, and its requests are begun again, each alone
        if state != self._state or link.batches or len(link.in_flight) < 2:
            self._state, self._held = state, None
            return
        held = link.process.progress.held()
        if held == self._held:
            link.deliver_held(held)
        self._held = held
        if not link.in_flight:
            return
        if link.stuck:
            link.take_back(started=state[0])
        else:
            link.revoke(started=state[0])
