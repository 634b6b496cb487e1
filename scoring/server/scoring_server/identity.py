"""The ids of a request, and the header lines that give them back."""

from __future__ import annotations

import os
from collections.abc import Mapping

ID_LIMIT = 100

_random = b""
_position = 0


def new_id() -> str:
    """A random (version 4) UUID; random bytes are drawn 4 KiB at a time."""
    global _random, _position
    if _position >= len(_random):
        _random, _position = os.urandom(4096), 0
    digits = _random[_position : _position + 16].hex()
    _position += 16
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def identify(fields: Mapping[bytes, bytes]) -> tuple[str, bytes, str]:
    """(request id, header lines of the answer, error) for a request's headers (lower-case names).

    ``x-request-id`` is echoed or made. ``x-ms-request-id`` is echoed, else the client's id, else the request's.
    ``x-ms-client-request-id`` is echoed, else copied from ``x-ms-request-id``, else absent. ``TraceId`` is echoed.
    The error is empty, or the message of the answer 431.
    """
    if b"x-request-id" not in fields and b"x-ms-request-id" not in fields and b"x-ms-client-request-id" not in fields:
        request_id = new_id()
        lines = f"x-request-id: {request_id}\r\nx-ms-request-id: {request_id}\r\n".encode()
        return request_id, lines + _trace(fields), ""
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
