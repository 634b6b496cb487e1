"""Cross-origin headers, for the origins of ``AML_CORS_ORIGINS``; see the Fetch standard, "CORS protocol"."""

from __future__ import annotations

from collections.abc import Mapping

METHODS = b"GET, POST"


class Cors:
    """Header lines for the origins allowed; ``*`` allows all."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self.enabled = bool(origins)
        self._any = "*" in origins
        self._origins = {origin.lower().encode("latin-1") for origin in origins}

    def lines(self, method: str, fields: Mapping[bytes, bytes]) -> bytes:
        """The header lines of the answer to a request with these headers (lower-case names)."""
        if not self.enabled:
            return b""
        origin = fields.get(b"origin", b"")
        vary = b"" if self._any else b"Vary: Origin\r\n"
        if not self._any and origin.lower() not in self._origins:
            return vary
        lines = b"Access-Control-Allow-Origin: %b\r\n" % (b"*" if self._any else origin)
        if method == "OPTIONS" and b"access-control-request-method" in fields:
            lines += b"Access-Control-Allow-Methods: %b\r\n" % METHODS
            wanted = fields.get(b"access-control-request-headers")
            if wanted:
                lines += b"Access-Control-Allow-Headers: %b\r\n" % wanted
        return lines + vary
