from __future__ import annotations

import pytest
from scoring_server.tracing import NO_IDS, Ids, MarkedRecord, Packed, enter, split, trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ""),
        ({b"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01".encode()}, TRACE),
        ({b"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01".encode(), b"traceid": b"azure"}, TRACE),
        ({b"traceparent": f"cc-{TRACE}-00f067aa0ba902b7-01-later".encode()}, TRACE),
        # what is no traceparent counts as none
        ({b"traceparent": f"ff-{TRACE}-00f067aa0ba902b7-01".encode()}, ""),
        ({b"traceparent": f"00-{TRACE.upper()}-00f067aa0ba902b7-01".encode()}, ""),
        ({b"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01".encode()}, ""),
        ({b"traceparent": f"00-{TRACE}-{'0' * 16}-01".encode()}, ""),
        ({b"traceparent": b"00-1-2-3", b"traceid": b"azure"}, "azure"),
        ({b"traceid": b"x" * 1000}, "x" * 128),
        ({b"traceid": "é".encode("latin-1")}, "é"),
    ],
)
def test_trace_ids(fields: dict[bytes, bytes], expected: str) -> None:
    assert trace_id(fields) == expected


def recorded(ids: Ids | Packed) -> Ids:
    """What a log record carries once these ids are entered."""
    enter(ids)
    try:
        record = vars(MarkedRecord("name", 20, "path", 1, "message", (), None))
    finally:
        enter(NO_IDS)
    return Ids(record["request_id"], record["trace_id"])


@pytest.mark.parametrize("rest", [b"", b'{"method": "POST"}', b"\0\0"])
@pytest.mark.parametrize("ids", [NO_IDS, Ids("one", ""), Ids("é", "two")])
def test_ids_travel_before_the_rest(ids: Ids, rest: bytes) -> None:
    packed, after = split(ids.pack() + rest)
    assert (recorded(packed), after) == (ids, rest)


@pytest.mark.parametrize("meta", [b"", b"{}"])
def test_without_ids_all_is_the_rest(meta: bytes) -> None:
    assert split(meta) == (NO_IDS, meta)


def test_records_carry_the_ids_that_were_entered() -> None:
    assert recorded(Ids("one", "two")) == ("one", "two")
    assert recorded(NO_IDS) == NO_IDS
