"""TLS 1.2 and newer, with a certificate that may be replaced while the server runs."""

from __future__ import annotations

import logging
import os
import ssl
import time

from .logs import LOGGER
from .settings import Settings, SettingsError

logger = logging.getLogger(LOGGER)

_CHECK_S = 1.0


class Certificate:
    """The server's TLS context. New connections get the files' newest content; a broken one changes nothing."""

    def __init__(self, certificate: str, key: str) -> None:
        self._files = certificate, key
        self._version: list[tuple[int, int, int]] | None = self._read_version()
        self._current = self._load()
        self._told: tuple[object, str] | None = None  # of what keeps the files from being read
        self._checked = time.monotonic()
        self.context = self._load()
        self.context.sni_callback = self._choose

    @classmethod
    def from_settings(cls, settings: Settings) -> Certificate | None:
        """None without TLS. Raises SettingsError for half a setting and for files that are no certificate and key."""
        certificate, key = settings.tls_certificate, settings.tls_key
        if not certificate and not key:
            return None
        if not (certificate and key):
            raise SettingsError("SCORING_TLS_CERTIFICATE and SCORING_TLS_KEY belong together; set both or none.")
        try:
            return cls(certificate, key)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise SettingsError(
                f"SCORING_TLS_CERTIFICATE is {certificate!r} and SCORING_TLS_KEY is {key!r}, "
                f"which are no PEM certificate and key that fit: {error}."
            ) from None

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files, password=_no_password)
        return context

    def _read_version(self) -> list[tuple[int, int, int]]:
        statuses = [os.stat(path) for path in self._files]
        return [(status.st_ctime_ns, status.st_ino, status.st_size) for status in statuses]

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called in each handshake, before the certificate is sent."""
        now = time.monotonic()
        if now - self._checked >= _CHECK_S:
            self._checked = now
            self._refresh()
        connection.context = self._current

    def _refresh(self) -> None:
        try:
            version: list[tuple[int, int, int]] | None = self._read_version()
        except OSError:
            version = None
        if version == self._version:
            return
        try:
            self._current = self._load()
        except (OSError, ssl.SSLError, ValueError) as error:
            # Tried again each time: what was in the way may have nothing to do with the files.
            if (version, str(error)) != self._told:
                self._told = version, str(error)
                logger.error("The TLS certificate stays as it was: %s", error)
        else:
            self._version = version
            self._told = None
            logger.info("The TLS certificate was read again")


def _no_password() -> str:
    """Asked for an encrypted key's password: without this, OpenSSL would ask a terminal."""
    raise ValueError("the key is encrypted; give one that is not")
