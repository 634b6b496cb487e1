"""The front's side of its links, with workers that are played by the tests: who gets which reply, and when."""

from __future__ import annotations

import asyncio

import pytest
from scoring_server.bodies import INLINE
from scoring_server.frames import Flag, Kind, Reply
from scoring_server.metrics import Failure

from .played import Front, played, reply, result


@played(1)
async def test_replies_go_to_their_requests(front: Front) -> None:
    (worker,) = await front.start()
    first, second = front.submit(b"a", b"b")
    assert await worker.requests(2) == [(1, b"a"), (2, b"b")]
    worker.send(result(1, b"a"))
    worker.send(result(2, b"b"))
    await first.assert_echoed()
    await second.assert_echoed()


@played(1)
async def test_bodies_go_through_shared_memory_as_long_as_there_is_room(front: Front) -> None:
    (worker,) = await front.start()
    bodies = [bytes([65 + number]) * 300_000 for number in range(5)]
    requests = front.submit(*bodies)
    assert await worker.requests(5) == list(enumerate(bodies, 1))
    assert worker.places[-1] == INLINE
    assert {0, 300_000, 600_000} <= set(worker.places)
    worker.send(*(result(number, body[:9]) for number, body in enumerate(bodies[:4], 1)))
    assert [(await request.answer()).body for request in requests[:4]] == [body[:9] for body in bodies[:4]]
    (another,) = front.submit(b"x" * 300_000)
    assert await worker.requests(1) == [(6, another.body)]
    assert worker.places[-1] == 0, "what was there is answered"
    assert not requests[4].finished


@pytest.mark.parametrize(
    "surplus", [result(1, b"more"), reply(Kind.CHUNK, 2), reply(Kind.END, 2), reply(9, 2), result(9)]
)
def test_a_surplus_reply_reaches_nobody_and_ends_the_worker(surplus: Reply) -> None:
    @played(1)
    async def run(front: Front) -> None:
        (worker,) = await front.start()
        first, second, third = front.submit(b"a", b"b", b"c")
        await worker.requests(3)
        worker.progress.claim(1)
        worker.progress.claim(2)
        worker.send(result(1, b"a"), surplus, result(2, b"b"))
        await first.assert_echoed()
        assert (await second.answer()).status == 500
        assert second.failure == Failure.WORKER_LOST
        another = await front.launcher.get(1)
        another.ready()
        assert await another.requests(1) == [(1, b"c")]
        another.send(result(1, b"c"))
        await third.assert_echoed()

    run()


@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.START])
def test_a_second_answer_within_a_stream_breaks_it_off(kind: int) -> None:
    @played(1)
    async def run(front: Front) -> None:
        (worker,) = await front.start()
        (request,) = front.submit(b"a")
        await worker.requests(1)
        worker.progress.claim(1)
        worker.send(reply(Kind.START, 1), reply(Kind.CHUNK, 1, b"part"), reply(kind, 1, b"more"))
        assert (await request.answer()).flags == Flag.ABORTED
        assert [each.body for each in request.replies] == [b"", b"part", b""]
        await front.launcher.get(1)

    run()


@played(2)
async def test_what_waits_behind_a_slow_one_goes_to_others(front: Front) -> None:
    slow, other = await front.start()
    requests = front.submit(b"a", b"b", b"c", b"d")
    assert await slow.requests(2) == [(1, b"a"), (2, b"c")]
    assert await other.requests(2) == [(1, b"b"), (2, b"d")]
    assert slow.progress.claim(1)
    other.send(result(1, b"b"), result(2, b"d"))
    assert await other.requests(1) == [(3, b"c")]
    (late,) = front.submit(b"e")
    assert await other.requests(1) == [(4, b"e")], "the slow one gets no more"
    other.send(result(3, b"c"), result(4, b"e"))
    for request in (*requests[1:], late):
        await request.assert_echoed()
    assert not slow.progress.claim(2)
    slow.send(result(1, b"a"), reply(Kind.SKIPPED, 2))
    await requests[0].assert_echoed()
    (last,) = front.submit(b"f")
    assert await slow.requests(1) == [(3, b"f")], "it is one of them again"
    assert slow.progress.claim(3)
    slow.send(result(3, b"f"))
    await last.assert_echoed()


@played(2)
async def test_one_that_the_worker_begins_in_time_stays_with_it(front: Front) -> None:
    slow, other = await front.start()
    requests = front.submit(b"a", b"b", b"c", b"d", b"e")
    await slow.requests(3)
    await other.requests(2)
    assert slow.progress.claim(1)
    other.send(result(1, b"b"), result(2, b"d"))
    while not front.pool.links[0].stuck:
        await asyncio.sleep(0)
    # As if it had looked at what is revoked a moment earlier.
    slow.progress.start(2)
    assert await other.requests(1) == [(3, b"e")]
    slow.send(result(1, b"a"), result(2, b"c"), reply(Kind.SKIPPED, 3))
    other.send(result(3, b"e"))
    for request in requests:
        await request.assert_echoed()


@played(1)
async def test_one_that_the_front_takes_for_begun_is_sent_again_when_it_was_not(front: Front) -> None:
    (worker,) = await front.start()
    requests = front.submit(b"a", b"b", b"c")
    await worker.requests(3)
    assert worker.progress.claim(1)
    while not front.pool.links[0].stuck:
        await asyncio.sleep(0)
    assert not worker.progress.claim(2)
    worker.send(result(1, b"a"), reply(Kind.SKIPPED, 2), reply(Kind.SKIPPED, 3))
    assert await worker.requests(2) == [(4, b"b"), (5, b"c")]
    assert worker.progress.claim(4)
    worker.send(result(4, b"b"), result(5, b"c"))
    for request in requests:
        await request.assert_echoed()


@played(1)
async def test_what_was_skipped_is_not_lost_with_a_worker_that_cannot_be_trusted(front: Front) -> None:
    (worker,) = await front.start()
    requests = front.submit(b"a", b"b", b"c")
    await worker.requests(3)
    assert worker.progress.claim(1)
    while not front.pool.links[0].stuck:
        await asyncio.sleep(0)
    worker.send(result(1, b"a"), reply(Kind.SKIPPED, 2), result(1, b"a"))
    another = await front.launcher.get(1)
    another.ready()
    for _ in range(2):
        ((number, body),) = await another.requests(1)
        another.send(result(number, body))
    for request in requests:
        await request.assert_echoed()


@played(2)
async def test_a_worker_that_begins_nothing_keeps_the_first_alone(front: Front) -> None:
    """Else a machine without time for its workers would hand requests around for ever."""
    idle, other = await front.start()
    requests = front.submit(b"a", b"b", b"c", b"d")
    await idle.requests(2)
    await other.requests(2)
    other.send(result(1, b"b"), result(2, b"d"))
    assert await other.requests(1) == [(3, b"c")]
    other.send(result(3, b"c"))
    assert idle.progress.claim(1)
    assert not idle.progress.claim(2)
    idle.send(result(1, b"a"), reply(Kind.SKIPPED, 2))
    for request in requests:
        await request.assert_echoed()


@played(1)
async def test_a_reply_that_is_held_back_while_the_next_hangs_is_found(front: Front) -> None:
    (worker,) = await front.start()
    first, second, third = front.submit(b"a", b"b", b"c")
    await worker.requests(3)
    worker.progress.claim(1)
    worker.progress.hold(result(1, b"a").encode(1))
    worker.progress.finish(1)
    worker.progress.claim(2)
    await first.assert_echoed()
    assert not second.finished
    # In the end it comes after all.
    worker.send(result(1, b"a"), result(2, b"b"), reply(Kind.SKIPPED, 3))
    worker.progress.flushed()
    await second.assert_echoed()
    ((number, body),) = await worker.requests(1)
    worker.send(result(number, body))
    await third.assert_echoed()
    assert len(front.launcher.started) == 1


@played(1)
async def test_a_worker_that_was_stuck_twice_gets_requests_again(front: Front) -> None:
    (worker,) = await front.start()
    (link,) = front.pool.links
    first, second, *others = front.submit(b"a", b"b", b"c", b"d")
    await worker.requests(4)
    worker.progress.claim(1)
    worker.progress.hold(result(1, b"a").encode(1))
    worker.progress.finish(1)
    worker.progress.claim(2)
    while not link.stuck:
        await asyncio.sleep(0)
    worker.progress.hold(result(2, b"b").encode(2))
    worker.progress.finish(2)
    # Both are found where they are held, the others taken back: nothing is left that would show that it goes on.
    await first.assert_echoed()
    await second.assert_echoed()
    worker.send(result(1, b"a"), result(2, b"b"), reply(Kind.SKIPPED, 3), reply(Kind.SKIPPED, 4))
    worker.progress.flushed()
    for each in others:
        ((number, body),) = await worker.requests(1)
        worker.send(result(number, body))
        await each.assert_echoed()
    assert len(front.launcher.started) == 1


@played(1)
async def test_nothing_runs_twice_when_a_worker_dies(front: Front) -> None:
    (worker,) = await front.start()
    sent, held, lost, running, waiting = front.submit(b"a", b"b", b"c", b"d", b"e")
    await worker.requests(5)
    worker.send(result(1, b"a"))
    worker.progress.hold(result(2, b"b").encode(2))
    worker.progress.finish(3)
    worker.progress.claim(4)
    worker.link.close()
    await sent.assert_echoed()
    await held.assert_echoed()
    for each in (lost, running):
        assert (await each.answer()).status == 500
        assert each.failure == Failure.WORKER_LOST
    another = await front.launcher.get(1)
    another.ready()
    assert await another.requests(1) == [(1, b"e")]
    another.send(result(1, b"e"))
    await waiting.assert_echoed()


@played(1)
async def test_what_is_to_run_alone_stays_so_when_a_worker_dies_before_it_begins(front: Front) -> None:
    await front.pool.start()
    both = front.submit(b"a", b"b")
    (worker,) = front.launcher.started
    worker.ready(batches=True)
    assert await worker.requests(2) == [(1, b"a"), (2, b"b")]
    worker.progress.start(1)
    worker.progress.start(2)
    for following in (1, 2):
        worker.process.kill()
        worker = await front.launcher.get(following)
        worker.ready(batches=True)
        assert await worker.requests(1) == [(1, b"a")]
        assert [each.alone for each in both] == [True, True]


@played(1, scoring_timeout_ms=300)
async def test_a_worker_that_begins_nothing_in_time_fails_nobody(front: Front) -> None:
    (worker,) = await front.start()
    requests = front.submit(b"a", b"b")
    assert await worker.requests(2) == [(1, b"a"), (2, b"b")]
    another = await front.launcher.get(1)
    another.ready()
    for _ in requests:
        ((number, body),) = await another.requests(1)
        another.send(result(number, body))
    for request in requests:
        await request.assert_echoed()


@played(1, queue_timeout_ms=300)
async def test_a_request_that_was_taken_back_does_not_wait_for_ever(front: Front) -> None:
    (worker,) = await front.start()
    first, second, third = front.submit(b"a", b"b", b"c")
    await worker.requests(3)
    worker.progress.claim(1)
    third.gone = True
    answer = await second.answer()
    assert (answer.status, answer.head) == (503, b"Content-Type: application/json\r\nRetry-After: 1\r\n")
    assert answer.body == (b'{"message": "The server is busy: no worker was free within 300 ms. Try again later."}')
    assert (second.failure, second.begun) == (Failure.QUEUE_TIMEOUT, False)
    assert (await third.answer()).flags == Flag.ABORTED
    assert not first.finished
    worker.send(result(1, b"a"))
    await first.assert_echoed()
