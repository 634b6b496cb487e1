"""The digest of a build context, by which an Image knows that it has to be built again.

The same as the vendor's plugin computes, so that a state is continued without a build: for the Dockerfile, under the
name "Dockerfile" and mode 0, then for each file in order, the name, Go's text of the mode, the sha256 of the content
and a zero byte, all hashed by sha256. A link counts by the path that it leads to.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from toolchain.docker_provider.dockerignore import read_patterns, walk

CHUNK = 1024 * 1024
_digests: dict[tuple[int, int, int, int], bytes] = {}


def context_digest(context: str, dockerfile: str) -> str:
    """Hash a build context as text of 64 hex digits.

    Args:
        context: the folder, as the program gives it.
        dockerfile: the Dockerfile's path, relative to the working directory, within the context or not.

    Raises:
        OSError: a file cannot be read.
    """
    parts = [_entry("Dockerfile", "-" * 10, file_digest(dockerfile))]
    for path, status in walk(Path(context), read_patterns(Path(context), Path(dockerfile))):
        full = os.path.join(context, path)
        if stat.S_ISLNK(status.st_mode):
            content = hashlib.sha256(_link_target(full).encode()).digest()
        elif stat.S_ISREG(status.st_mode):
            content = file_digest(full, status)
        else:
            content = hashlib.sha256().digest()
        parts.append(_entry(path, go_mode(status.st_mode), content))
    return hashlib.sha256(b"".join(parts)).hexdigest()


def file_digest(path: str, status: os.stat_result | None = None) -> bytes:
    """The sha256 of a file's content; within the process each state of a file, whatever its names, is read once."""
    status = status or os.stat(path)
    key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if key not in _digests:
        digest, buffer = hashlib.sha256(), bytearray(CHUNK)
        view = memoryview(buffer)
        with open(path, "rb", buffering=0) as stream:
            while count := stream.readinto(buffer):
                digest.update(view[:count])
        _digests[key] = digest.digest()
    return _digests[key]


def go_mode(mode: int) -> str:
    """A file's mode as Go's fs.FileMode prints it: `-rw-r--r--`, `Lrwxrwxrwx`, `urwxr-xr-x` with setuid."""
    kinds = ((stat.S_ISLNK, "L"), (stat.S_ISBLK, "D"), (stat.S_ISCHR, "Dc"), (stat.S_ISFIFO, "p"), (stat.S_ISSOCK, "S"))
    text = "".join(letters for test, letters in kinds if test(mode))
    # the order of fs.FileMode's letters: "dalTLDpSugct?"
    text = text.replace("Dc", "D") + ("u" if mode & stat.S_ISUID else "") + ("g" if mode & stat.S_ISGID else "")
    text += ("c" if stat.S_ISCHR(mode) else "") + ("t" if mode & stat.S_ISVTX else "")
    permissions = "".join(letter if mode & (1 << 8 - bit) else "-" for bit, letter in enumerate("rwxrwxrwx"))
    return (text or "-") + permissions


def _entry(name: str, mode: str, content: bytes) -> bytes:
    return os.fsencode(name) + mode.encode() + content + b"\0"


def _link_target(path: str) -> str:
    """Where a link leads in the end, relative when the context is; a broken one counts by its own text."""
    if not os.path.exists(path):
        return os.readlink(path)
    target = os.path.realpath(path)
    return target if os.path.isabs(path) else os.path.relpath(target)
