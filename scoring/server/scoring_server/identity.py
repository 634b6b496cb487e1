"""The ids of a request, and the header lines that give them back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

ID_LIMIT = 100

_DRAWN = 256  # ids at a time
_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


def _draw_ids() -> Iterator[str]:
    """Random UUIDs, of version 4."""
    while True:
        drawn = bytearray(os.urandom(16 * _DRAWN))
        drawn[6::16] = drawn[6::16].translate(_VERSION)
        drawn[8::16] = drawn[8::16].translate(_VARIANT)
        x = drawn.hex()
        for i in range(0, len(x), 32):
            yield f"{x[i : i + 8]}-{x[i + 8 : i + 12]}-{x[i + 12 : i + 16]}-{x[i + 16 : i + 20]}-{x[i + 20 : i + 32]}"


new_id = _draw_ids().__next__


def identify(fields: Mapping[bytes, bytes]) -> tuple[str, bytes, str]:
    """(request id, header lines of the answer, error) for a request's headers (lower-case names).

    ``x-request-id`` is echoed or made. ``x-ms-request-id`` is echoed, else the client's id, else the request's.
    ``x-ms-client-request-id`` is echoed, else copied from ``x-ms-request-id``, else absent. ``TraceId`` is echoed.
    The error is empty, or the message of the answer 431.
    """
    if b"x-request-id" not in fields and b"x-ms-request-id" not in fields and b"x-ms-client-request-id" not in fields:
        request_id = new_id()
        lines = f"x-request-id: {request_id}\r\nx-ms-request-id: {request_id}\r\n".encode()
        return request_id, lines + _trace(fields) if b"traceid" in fields else lines, ""
    return _given(fields)


def _given(fields: Mapping[bytes, bytes]) -> tuple[str, bytes, str]:
    request_id = fields[b"x-request-id"].decode("latin-1") if b"x-request-id" in fields else new_id()
    if len(request_id) > ID_LIMIT:
        return "", _trace(fields), f"x-request-id must not exceed {ID_LIMIT} characters"
    legacy = fields.get(b"x-ms-request-id", b"").decode("latin-1")
    client = fields.get(b"x-ms-client-request-id", b"").decode("latin-1")
    client, legacy = client or legacy, legacy or client or request_id
    lines = f"x-request-id: {request_id}\r\n".encode("latin-1") if request_id else b""
    if len(client) > ID_LIMIT or len(legacy) > ID_LIMIT:
        message = f"x-ms-request-id and x-ms-client-request-id must not exceed {ID_LIMIT} characters"
        return request_id, lines + _trace(fields), message
    if legacy:
        lines += f"x-ms-request-id: {legacy}\r\n".encode("latin-1")
    if client:
        lines += f"x-ms-client-request-id: {client}\r\n".encode("latin-1")
    return request_id, lines + _trace(fields), ""


def _trace(fields: Mapping[bytes, bytes]) -> bytes:
    return b"TraceId: %b\r\n" % fields[b"traceid"] if b"traceid" in fields else b""
