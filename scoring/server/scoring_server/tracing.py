"""Ids of a request that logs carry, from its headers to the script's log lines.

A trace id is that of W3C's ``traceparent`` (see "Trace Context", level 1), else Azure's ``TraceId`` header.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_LIMIT = 128
_MARK = b"\0"


class Ids(NamedTuple):
    """The ids of a request, each empty where it has none."""

    request_id: str
    trace_id: str

    def pack(self) -> bytes:
        """As the head of a frame's meta, before what else is in it."""
        return b"\0%b\0%b\0" % (self.request_id.encode(), self.trace_id.encode())


NO_IDS = Ids("", "")
Packed = tuple[bytes, bytes]
"""Ids as they come from a frame: most requests have no log record that needs them as text."""

_current: Ids | Packed = NO_IDS


def trace_id(fields: Mapping[bytes, bytes]) -> str:
    """The trace id in a request's headers (lower-case names), or an empty string."""
    given = fields.get(b"traceparent")
    match = _TRACEPARENT.fullmatch(given.strip()) if given else None
    if match is not None:
        return match[1].decode()
    other = fields.get(b"traceid")
    return other[:_LIMIT].decode("latin-1").replace("\0", "") if other else ""


def split(meta: bytes) -> tuple[Ids | Packed, bytes]:
    """The ids at the head of a frame's meta, none where there are none, and the rest."""
    if not meta.startswith(_MARK):
        return NO_IDS, meta
    _, request, trace, rest = meta.split(_MARK, 3)
    return (request, trace), rest


class MarkedRecord(logging.LogRecord):
    """A log record that knows the request it belongs to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.request_id, self.trace_id = (each if isinstance(each, str) else each.decode() for each in _current)


def enter(ids: Ids | Packed) -> None:
    """Have the log records of this process carry `ids`, until others are entered."""
    global _current
    _current = ids


def mark_records() -> None:
    """Give every log record of this process the attributes ``request_id`` and ``trace_id``."""
    logging.setLogRecordFactory(MarkedRecord)
