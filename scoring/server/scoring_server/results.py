"""What run() returned, as a reply."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from .frames import Flag, Kind, Reply
from .times import is_time, iso

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

JSON_HEAD = b"Content-Type: application/json\r\n"
RUN_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
INTERNAL_ERROR = "An unexpected internal error occurred. Check the logs for more info."
NAN_ERROR = (
    "run() returned NaN or Infinity, which JSON does not have. "
    "Return other values, or set SCORING_NAN_AS_NULL=true to have them sent as null."
)

_NO_RESPONSES = frozenset([list, dict, str, int, float, bool, type(None)])  # most results; to look for others costs
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# The server's own: framing, and the ids that callers rely on.
_OWN_HEADERS = frozenset(
    [
        "connection",
        "content-length",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "trailer",
        "date",
        "x-request-id",
        "x-ms-request-id",
        "x-ms-client-request-id",
        "x-ms-server-version",
        "x-ms-run-fn-exec-ms",
    ]
)


class NanError(ValueError):
    """A result holds NaN or an infinity."""


def error(status: int, message: str, *, run_failed: bool = False, head: bytes = b"") -> Reply:
    """A reply ``{"message": ...}``, with more header lines in `head`."""
    flags = Flag.RUN_FAILED if run_failed else 0
    return Reply(Kind.RESULT, flags, status, 0, JSON_HEAD + head, json.dumps({"message": message}).encode())


def _encode_other(value: Any) -> Any:
    """numpy's arrays and scalars, pandas' series, frames and times, as plain values; a missing one of these is None."""
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    if module in ("numpy", "pandas") and not isinstance(value, type):
        if kind.__name__ == "DataFrame":
            return value.to_dict(orient="records")
        if kind.__name__ == "NAType":
            return None
        if is_time(value):
            return iso(value)
        if module == "numpy" and getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M"):
            return list(value) if value.ndim else value[()]  # tolist() would make integers of what datetime cannot hold
        for method in ("tolist", "item"):
            if hasattr(value, method):
                return getattr(value, method)()
    return json.JSONEncoder().default(value)  # which a script may have taught its own types; else a TypeError


def _plain(value: Any, nan_as_null: bool) -> Any:
    """`value` with plain dictionary keys and, where asked for, null for NaN and infinities."""
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item, nan_as_null) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, nan_as_null) for item in value]
    if isinstance(value, float):
        return None if nan_as_null and not math.isfinite(value) else value
    if value is None or isinstance(value, (str, int)):
        return value
    return _plain(_encode_other(value), nan_as_null)


def _plain_key(key: Any) -> Any:
    if type(key).__module__.partition(".")[0] in ("numpy", "pandas"):
        if is_time(key):
            return iso(key)
        if hasattr(key, "item"):
            key = key.item()
    if isinstance(key, float) and not math.isfinite(key):
        return json.dumps(key)  # keys are texts, so this is JSON
    return key


_dumps = json.dumps
_encoder = json.JSONEncoder(allow_nan=False, default=_encode_other)


def _quick_encode(encoder: json.JSONEncoder) -> Callable[[Any], str]:
    """`encoder`'s ``encode``, without its making the standard library's C encoder anew for each value.

    The one made here keeps no record of the containers that it is in, which calls would have to share: a circular
    reference is a RecursionError. So of any error, ``encode`` itself has to tell.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return encoder.encode
    separators = (encoder.key_separator, encoder.item_separator)
    options = (encoder.sort_keys, encoder.skipkeys, encoder.allow_nan)
    chunks = make(None, encoder.default, json.encoder.encode_basestring_ascii, None, *separators, *options)
    return lambda value: "".join(chunks(value, 0))


_quick = _quick_encode(_encoder)


def encode(value: Any, *, nan_as_null: bool = False) -> bytes:
    """`value` as ``json.dumps`` writes it, numpy's values included.

    Raises NanError for NaN and infinities unless `nan_as_null`, TypeError and ValueError as ``json.dumps`` does.
    """
    try:
        return _quick(value).encode()
    except Exception:  # noqa: S110
        pass
    try:
        return _encoder.encode(value).encode()
    except TypeError:
        try:
            return _encode_plain(value, nan_as_null)
        except TypeError:
            if json.dumps is _dumps:
                raise
            # The script has put its own in the place, which may write NaN.
            return _encode_plain(json.loads(json.dumps(value)), nan_as_null)
    except ValueError as failure:
        if "Circular" in str(failure):
            raise
        return _encode_plain(value, nan_as_null)


def _encode_plain(value: Any, nan_as_null: bool) -> bytes:
    plain = _plain(value, nan_as_null)
    try:
        return _encoder.encode(plain).encode()
    except ValueError as failure:
        json.JSONEncoder().encode(plain)  # has NaN and infinities, so for another cause it raises the same
        raise NanError(NAN_ERROR) from failure


def as_response(value: Any) -> Response | None:
    """`value` if it is a response object: of werkzeug, and so also AMLResponse and Flask's."""
    if type(value) in _NO_RESPONSES or "werkzeug" not in sys.modules:
        return None
    from werkzeug.wrappers import Response

    return value if isinstance(value, Response) else None


def response_head(response: Response) -> tuple[int, int, bytes]:
    """(status, flags, header lines) of a response object. Raises ValueError for what is no final status or header."""
    status = response.status_code
    if not 200 <= status <= 999:
        raise ValueError(
            f"run() returned a response with the status {status}. Allowed are 200 to 999: those below 200 are no final "
            "answers, and a status has three digits."
        )
    failed = status >= 500
    lines = []
    for name, value in response.headers.items():
        lowered = name.lower()
        if lowered == "x-ms-run-function-failed":
            failed = failed or value.lower() == "true"
        elif lowered not in _OWN_HEADERS:
            if not _TOKEN.fullmatch(name) or "\r" in value or "\n" in value:
                raise ValueError(f"run() returned a response with the header {name!r}: {value!r}, which HTTP forbids.")
            lines.append(f"{name}: {value}\r\n")
    return status, Flag.RUN_FAILED if failed else 0, "".join(lines).encode("latin-1")


def stream(response: Response) -> Iterator[bytes]:
    """The chunks of a streamed response, empty ones left out."""
    for chunk in response.iter_encoded():
        if isinstance(chunk, (bytearray, memoryview)):
            chunk = bytes(chunk)
        if not isinstance(chunk, bytes):
            raise TypeError(f"A streamed response consists of text and bytes, not {type(chunk).__name__}.")
        if chunk:
            yield chunk
