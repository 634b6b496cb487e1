"""Access by key: ``Authorization: Bearer <key>``, with the keys in a file, one a line.

Two keys let callers change over from one to the other. The file is read again when it changes, without a restart.
"""

from __future__ import annotations

import codecs
import hmac
import logging
import os
import time

from .logs import LOGGER
from .settings import SettingsError

logger = logging.getLogger(LOGGER)

UNAUTHORIZED = "A valid key is required: send the header Authorization: Bearer <key>."
CHALLENGE = b"WWW-Authenticate: Bearer\r\n"
_CHECK_S = 1.0
_SETTLE_NS = 1_000_000_000


def read_keys(path: str) -> list[bytes]:
    """The keys in a file. Raises SettingsError without any."""
    try:
        with open(path, "rb") as file:
            lines = file.read().removeprefix(codecs.BOM_UTF8).splitlines()
    except OSError as error:
        raise SettingsError(f"SCORING_KEYS_FILE is {path!r}, which cannot be read: {error.strerror}.") from None
    keys = [line.strip() for line in lines if line.strip()]
    if not keys:
        raise SettingsError(f"SCORING_KEYS_FILE is {path!r}, which is empty. Write one or two keys in it, one a line.")
    return keys


class Keys:
    """The keys that are valid now. Without a file, every caller is let in."""

    def __init__(self, path: str) -> None:
        self.required = bool(path)
        self._path = path
        self._version = _version(path) if path else None
        self._keys = read_keys(path) if path else []
        self._told = ""  # of what keeps the file from being read
        self._checked = time.monotonic()

    def allow(self, authorization: bytes) -> bool:
        """Whether the value of an Authorization header holds a valid key. The time taken tells nothing of the keys."""
        if not self.required:
            return True
        self._refresh()
        scheme, _, given = authorization.partition(b" ")
        given = given.strip()
        matches = [hmac.compare_digest(given, key) for key in self._keys]
        return scheme.lower() == b"bearer" and any(matches)

    def _refresh(self) -> None:
        """Read the file again if it has changed; look once a second at most. A file gone wrong changes nothing."""
        now = time.monotonic()
        if now - self._checked < _CHECK_S:
            return
        self._checked = now
        version = _version(self._path)
        if version == self._version or _may_be_in_writing(version):
            return
        try:
            keys = read_keys(self._path)
        except SettingsError as error:
            # Tried again each time: what was in the way may have nothing to do with the file.
            if str(error) != self._told:
                self._told = str(error)
                logger.error("The keys stay as they were: %s", error)
        else:
            if _version(self._path) != version:
                return  # changed while it was read: next time
            self._keys = keys
            self._version = version
            self._told = ""
            logger.info("The keys were read again")


def _version(path: str) -> tuple[int, int, int] | None:
    # Docker's uploads all have one modification time, and keys one length: the time of the inode's change tells.
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ctime_ns, status.st_ino, status.st_size


def _may_be_in_writing(version: tuple[int, int, int] | None) -> bool:
    """Whether the file was written to a moment ago: half a key must not open anything, nor close out the whole one."""
    return version is not None and 0 <= time.time_ns() - version[0] < _SETTLE_NS
