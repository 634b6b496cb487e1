from __future__ import annotations

import socket

from hypothesis import given
from hypothesis import strategies as st
from scoring_server.bodies import INLINE
from scoring_server.frames import REQUEST, Kind, Reply, ReplyReader, RequestReader

from .fuzzing import Tried, cases

REPLIES = st.builds(
    Reply,
    st.sampled_from([Kind.RESULT, Kind.START, Kind.CHUNK, Kind.END]),
    st.integers(0, 7),
    st.integers(0, 999),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=40),
    st.binary(max_size=400),
    st.integers(0, 2**64 - 1),
)


@cases(100)
@given(st.lists(REPLIES, max_size=6), st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_replies_survive_any_cutting(tried: Tried, replies: list[Reply], sizes: list[int]) -> None:
    tried.count += 1
    stream = b"".join(reply.encode(reply.number) for reply in replies)
    reader = ReplyReader()
    found: list[Reply] = []
    position = turn = 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        found += reader.feed(stream[position : position + size])
        position, turn = position + size, turn + 1
    assert found == replies


def frame(meta: bytes, body: bytes, more: bool = False, number: int = 0) -> bytes:
    return REQUEST.pack(more, number, len(meta), len(body), INLINE) + meta + body


def test_requests_are_read_in_order_and_large_ones_whole() -> None:
    import threading

    mine, theirs = socket.socketpair()
    large = bytes(range(256)) * 8192  # 2 MiB: more than the buffer
    frames = [(b"", b"one"), (b"meta", large), (b"", b""), (b"m", b"x" * 300_000), (b"", b"last")]

    def send() -> None:
        mine.sendall(b"".join(frame(*pair, number=number) for number, pair in enumerate(frames, 1)))
        mine.close()

    sender = threading.Thread(target=send)
    sender.start()
    with theirs:
        reader = RequestReader(theirs, memoryview(b""))
        for number, (meta, body) in enumerate(frames, 1):
            assert reader.wait()
            assert reader.number == number
            found = reader.read()
            assert found is not None
            assert (found[0], bytes(found[1])) == (meta, body)
        assert not reader.wait()
    sender.join()


def test_a_body_may_lie_in_shared_memory() -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        reader = RequestReader(theirs, memoryview(b"..first..second.."))
        elsewhere = [REQUEST.pack(0, 1, 4, 5, 2) + b"meta", REQUEST.pack(0, 2, 0, 6, 9)]
        mine.sendall(elsewhere[0] + frame(b"", b"here", number=3) + elsewhere[1])
        assert reader.wait()
        assert reader.ahead() == (2, 9)
        expected = [(1, b"meta", b"first"), (3, b"", b"here"), (2, b"", b"second")]
        for number, meta, body in expected:
            assert reader.wait()
            found = reader.read()
            assert found is not None
            assert (reader.number, found[0], bytes(found[1])) == (number, meta, body)


def test_ahead_tells_of_the_next_two_frames() -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        reader = RequestReader(theirs, memoryview(b""))
        assert reader.ahead() == (0, 0)
        mine.sendall(frame(b"", b"a") + frame(b"m", b"b" * 9, True) + frame(b"", b"cc") + frame(b"", b"d" * 5)[:-1])
        expected = [((2, 10), False), ((1, 2), True), ((0, 0), False)]
        for ahead, more in expected:
            assert reader.wait()
            assert reader.read() is not None
            assert (reader.ahead(), reader.more) == (ahead, more)


def test_a_frame_that_breaks_off_is_the_end() -> None:
    mine, theirs = socket.socketpair()
    with theirs:
        mine.sendall(frame(b"", b"abc")[:-1])
        mine.close()
        reader = RequestReader(theirs, memoryview(b""))
        assert reader.wait()
        assert reader.read() is None
