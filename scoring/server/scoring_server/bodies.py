"""Bodies of requests in the memory that a worker shares with the front: a copy costs half of the way through a socket.

The front puts a body behind those before it, from the beginning again at the end. Requests are answered in order, so
what lies there before the body of the oldest one that has no answer is free again. Where there is no room, or it is not
worth it, the body goes with the frame.
"""

from __future__ import annotations

from collections import deque

INLINE = 2**32 - 1  # the place of a body that goes with its frame
SIZE = 1024 * 1024
LEAST = 1024  # bytes: smaller bodies are as cheap in the frame


class Bodies:
    """The front's side: where there is room."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._placed: deque[tuple[int, int, int]] = deque()  # a request's number, where its body begins and ends

    def put(self, number: int, body: bytes, oldest: int) -> int:
        """Where the body of request `number` lies from now on, or INLINE.

        Args:
            number: of the request, greater than those before it.
            body: its body.
            oldest: the number of the oldest request that has no answer; `number` where all others have.
        """
        size = len(body)
        if size < LEAST:
            return INLINE
        placed = self._placed
        while placed and placed[0][0] < oldest:
            placed.popleft()
        place = self._room(size)
        if place != INLINE:
            end = place + size
            self._memory[place:end] = body
            placed.append((number, place, end))
        return place

    def _room(self, size: int) -> int:
        if not self._placed:
            return 0 if size <= len(self._memory) else INLINE
        first, last = self._placed[0][1], self._placed[-1][2]
        if last > first:
            if last + size <= len(self._memory):
                return last
            return 0 if size <= first else INLINE
        return last if last + size <= first else INLINE
