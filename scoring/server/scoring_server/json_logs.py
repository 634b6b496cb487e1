"""Log lines as JSON objects, one a line."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from .tracing import NO_IDS, Ids

# What every record has; anything else was given by the caller as `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request_id", "trace_id", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record as an object: time, level, logger, pid, message, ids, exception, and what `extra` held."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            **head(record.created, record.levelname, record.name, record.process, record.getMessage()),
            **ids(getattr(record, "request_id", ""), getattr(record, "trace_id", "")),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        extra = {name: value for name, value in vars(record).items() if name not in _OWN and name not in fields}
        return json.dumps(fields | {name: plain(value) for name, value in extra.items()})


def plain(value: Any) -> Any:
    """`value` where JSON has it, with `str` for what it does not have; else its `repr`, as for NaN and odd keys."""
    try:
        return json.loads(json.dumps(value, default=str, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return repr(value)


MAX_TARGET = 1024  # characters of a line

quote: Callable[[str], str] = json.encoder.encode_basestring_ascii
"""A text as JSON writes it."""


class Answered(NamedTuple):
    """What an access line tells of a request. `seconds` count from 1970; `size` is the body's, in bytes, or "N/A"."""

    seconds: float
    method: str
    target: str
    status: int
    milliseconds: float
    size: str
    ids: Ids = NO_IDS
    failure: str = ""


def printable(target: str) -> str:
    """A target as lines have it: what is not printable ASCII is escaped, as clients may send anything, however long."""
    if len(target) > MAX_TARGET:
        target = f"{target[:MAX_TARGET]}..."
    return target if target.isascii() and target.isprintable() else ascii(target)[1:-1]


class AccessLines:
    """The lines of answered requests, made piece by piece: an object of each would cost four times as much."""

    def __init__(self, logger: str, pid: int) -> None:
        self._names = f'"level": "INFO", "logger": {quote(logger)}, "pid": {pid}, "message": '
        self._constant = lru_cache(maxsize=64)(self._pieces)

    def _pieces(self, method: str, target: str, status: int) -> tuple[str, str]:
        """What lines of the same kind have in common, up to the message's time, and after the ids."""
        said = printable(target)
        begin = self._names + quote(f"{method} {said} {status} ")[:-1]
        return begin, f'"method": {quote(method)}, "target": {quote(said)}, "status": {status}, "ms": '

    def line(self, answered: Answered) -> str:
        """One line. A size that is no number becomes null."""
        seconds, method, target, status, milliseconds, size, (request_id, trace_id), failure = answered
        begin, rest = self._constant(method, target, status)
        ms = f"{milliseconds:.3f}"
        return (
            f'{{"time": "{timestamp(seconds)}", {begin}{ms}ms {size}", '
            f"{_member('request_id', request_id, after=', ')}{_member('trace_id', trace_id, after=', ')}"
            f'{rest}{ms}, "bytes": {size if size.isdecimal() else "null"}'
            f"{_member('failure', failure, before=', ')}}}\n"
        )


def _member(name: str, value: str, before: str = "", after: str = "") -> str:
    """A member, with what separates it from the others; nothing without a value."""
    return f'{before}"{name}": {quote(value)}{after}' if value else ""


def head(seconds: float, level: str, logger: str, pid: int | None, message: str) -> dict[str, Any]:
    """What every line begins with. `seconds` count from 1970."""
    return {"time": timestamp(seconds), "level": level, "logger": logger, "pid": pid, "message": message}


def ids(request_id: str, trace_id: str) -> dict[str, Any]:
    """The ids that are known."""
    return {name: value for name, value in (("request_id", request_id), ("trace_id", trace_id)) if value}


def timestamp(seconds: float) -> str:
    """A time since 1970 as RFC 3339 writes it, in UTC, to the millisecond."""
    return clock(seconds, "%Y-%m-%dT%H:%M:%S", ".") + "Z"


def clock(seconds: float, form: str, point: str) -> str:
    """A time since 1970 in UTC: as strftime has it by `form`, then `point` and the milliseconds."""
    milliseconds = int(seconds * 1000)
    return f"{_second(milliseconds // 1000, form)}{point}{milliseconds % 1000:03d}"


@lru_cache(maxsize=4)
def _second(seconds: int, form: str) -> str:
    return time.strftime(form, time.gmtime(seconds))
