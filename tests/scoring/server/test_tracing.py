from __future__ import annotations

import pytest
from scoring_server.tracing import NO_IDS, Ids, MarkedRecord, enter, split, trace_id, unpack

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


@pytest.mark.parametrize("rest", [b"", b'{"method": "POST"}', b"\0\0"])
@pytest.mark.parametrize("ids", [NO_IDS, Ids("one", ""), Ids("é", "two")])
def test_ids_travel_before_the_rest(ids: Ids, rest: bytes) -> None:
    packed, after = split(ids.pack() + rest)
    assert (unpack(packed), after) == (ids, rest)


@pytest.mark.parametrize("meta", [b"", b"{}"])
def test_without_ids_all_is_the_rest(meta: bytes) -> None:
    packed, rest = split(meta)
    assert (unpack(packed), rest) == (NO_IDS, meta)


@pytest.mark.parametrize("packed", [False, True])
def test_records_carry_the_ids_that_were_entered(packed: bool) -> None:
    ids = Ids("one", "two")
    enter(ids.pack() if packed else ids)
    try:
        record = MarkedRecord("name", 20, "path", 1, "message", (), None)
    finally:
        enter(NO_IDS)
    assert (vars(record)["request_id"], vars(record)["trace_id"]) == ids
