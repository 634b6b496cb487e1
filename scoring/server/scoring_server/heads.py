"""What the first line and the headers of a request say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

UNKNOWN = "-"  # the method or target of what is no request
_ABSOLUTE = re.compile("https?://(?P<host>[^/?#@]+)(?P<rest>[/?].*)?$", re.IGNORECASE)


@dataclass(slots=True)
class RequestHead:
    """A request's first line and headers. Requests that have the same share it: it is not to be changed.

    `headers` are as sent; `fields` are the same by lower-case name, repeated ones joined with a comma. `length` is the
    body's as announced, 0 without announcement.
    """

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    fields: dict[bytes, bytes]
    http_version: str
    keep_alive: bool
    length: int = 0

    @property
    def has_body(self) -> bool:
        """Whether a body is announced that is not empty."""
        return self.length > 0 or b"transfer-encoding" in self.fields

    @property
    def framing(self) -> bytes:
        """The header that says where the body ends, or nothing without a body."""
        if b"transfer-encoding" in self.fields:
            return b"Transfer-Encoding: %b" % self.fields[b"transfer-encoding"]
        return b"Content-Length: %d" % self.length if self.length else b""


NOTHING_KNOWN = RequestHead(UNKNOWN, UNKNOWN, [], {}, "1.1", False)


def by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The values by lower-case name, repeated ones joined with a comma."""
    fields = {name.lower(): value for name, value in headers}
    if len(fields) < len(headers):
        fields.clear()
        for name, value in headers:
            key = name.lower()
            fields[key] = b"%b, %b" % (fields[key], value) if key in fields else value
    return fields


def frames_well(head: RequestHead) -> bool:
    """Whether a proxy and this server must see the same end of a body in chunks; see RFC 9112, section 6.1.

    llhttp has refused whatever else is doubtful: both framings at once, lengths that differ or are no numbers.
    """
    return head.http_version == "1.1" and head.fields[b"transfer-encoding"].lower() == b"chunked"


def in_origin_form(head: RequestHead) -> RequestHead:
    """`head` as clients send it to servers. To proxies they send a whole URL; what it names counts, not the header.

    See RFC 9112, section 3.2.2.
    """
    found = _ABSOLUTE.match(head.target) if head.target[0] not in "/*" else None
    if found is None:
        return head
    host, rest = found["host"].encode("latin-1"), found["rest"] or ""
    target = rest if rest.startswith("/") else f"/{rest}"
    headers = [(b"Host", host), *(pair for pair in head.headers if pair[0].lower() != b"host")]
    return replace(head, target=target, headers=headers, fields={**head.fields, b"host": host})
