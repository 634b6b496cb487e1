from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from scoring_server import bodies
from scoring_server.progress import Held, Progress


@pytest.fixture
def sides() -> Iterator[tuple[Progress, Progress]]:
    """The front's and the worker's."""
    front = Progress.create()
    worker = Progress(os.dup(front.fd))
    yield front, worker
    worker.close()
    front.close()


def test_each_side_sees_what_the_other_notes(sides: tuple[Progress, Progress]) -> None:
    front, worker = sides
    large = 2**60
    worker.start(large + 1)
    worker.finish(large)
    assert (front.started, front.finished) == (large + 1, large)
    assert not worker.is_cancelled(7)
    front.cancel(7)
    assert worker.is_cancelled(7)
    assert not worker.is_cancelled(8)
    front.allow(large)
    assert worker.allowed == large
    front.allow(-1)
    assert worker.allowed == 0


def test_what_is_revoked_cannot_be_claimed(sides: tuple[Progress, Progress]) -> None:
    front, worker = sides
    assert worker.claim(1)
    front.revoke(4, kept=3)
    assert not worker.claim(2)
    assert front.started == 1, "it was not begun"
    assert worker.claim(3)
    assert not worker.claim(4)
    assert front.started == 3
    assert worker.claim(5)
    assert front.started == 5


def test_held_replies_are_in_sight_until_they_are_sent(sides: tuple[Progress, Progress]) -> None:
    front, worker = sides
    assert worker.hold(b"one")
    first = front.held()
    assert worker.hold(b"two")
    assert front.held() == Held(first.flushes, b"onetwo")
    assert bytes(worker.holding) == b"onetwo"
    room = Progress.SIZE - bodies.SIZE - 64 - 6
    assert not worker.hold(b"x" * (room + 1))
    assert front.held() == Held(first.flushes, b"onetwo")
    assert worker.hold(b"x" * room)
    worker.flushed()
    assert not worker.holding
    assert worker.hold(b"one")
    assert front.held().data == first.data
    assert front.held() != first, "the same bytes, and yet others"


def test_bodies_lie_behind_all_else(sides: tuple[Progress, Progress]) -> None:
    front, worker = sides
    worker.hold(b"x" * (Progress.SIZE - bodies.SIZE - 64))
    front.bodies[:4] = b"body"
    assert bytes(worker.bodies[:4]) == b"body"
    assert len(worker.bodies) == bodies.SIZE
    assert set(front.held().data) == {ord("x")}
