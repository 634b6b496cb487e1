"""Where bodies lie in shared memory: never on one that may yet be read, and again from the start when all are."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st
from scoring_server import bodies
from scoring_server.bodies import INLINE, LEAST, Bodies

ROOM = 10 * LEAST


@given(st.lists(st.tuples(st.integers(LEAST - 1, 6 * LEAST), st.integers(0, 3)), max_size=60))
def test_no_body_is_written_over_before_its_request_is_answered(steps: list[tuple[int, int]]) -> None:
    memory = memoryview(bytearray(ROOM))
    front = Bodies(memory)
    waiting: deque[tuple[int, int, bytes]] = deque()
    for number, (size, answered) in enumerate(steps, 1):
        body = number.to_bytes(1, "big") * size
        place = front.put(number, body, waiting[0][0] if waiting else number)
        waiting.append((number, place, body))
        for _, at, content in waiting:
            assert at == INLINE or memory[at : at + len(content)] == content
        for _ in range(min(answered, len(waiting))):
            waiting.popleft()


def test_small_and_huge_bodies_go_with_their_frames() -> None:
    front = Bodies(memoryview(bytearray(ROOM)))
    assert front.put(1, b"x" * (LEAST - 1), 1) == INLINE
    assert front.put(2, b"x" * (ROOM + 1), 2) == INLINE
    assert front.put(3, b"x" * ROOM, 3) == 0
    assert front.put(4, b"x" * LEAST, 3) == INLINE
    assert front.put(5, b"x" * LEAST, 4) == 0, "the first is answered"


def test_the_room_is_used_in_turns() -> None:
    front = Bodies(memoryview(bytearray(ROOM)))
    third = b"x" * (4 * LEAST)
    assert [front.put(number, third, 1) for number in (1, 2, 3)] == [0, 4 * LEAST, INLINE]
    assert front.put(4, third, 2) == 0
    assert front.put(5, third, 2) == INLINE
    assert front.put(6, third, 4) == 4 * LEAST
    assert front.put(7, third, 7) == 0, "none waits: the memory that was touched already"


def test_there_is_room_for_all_that_is_sent_ahead() -> None:
    from scoring_server.link import MAX_WINDOW

    assert bodies.SIZE >= MAX_WINDOW * 64 * 1024
