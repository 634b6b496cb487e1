"""The library versions that pickled models record, read without unpickling, which could run anything.

scikit-learn's estimators put their version into their pickled state, under ``_sklearn_version``. The bytes are searched
for that key and for the text that follows it, so that the raw arrays which joblib writes in between need no parsing.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib
import io
import lzma
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from components.inert_pickle import InertUnpickler
from components.layers import Exclude, keep_all

VERSION_KEYS: Mapping[str, str] = {"_sklearn_version": "scikit-learn"}
"""Keys of pickled states that hold the version of a library, and its name on the package index."""

TRACES: Mapping[bytes, tuple[str, str]] = {
    # numpy 2 pickles its arrays' functions by this module's name, which 1.26.1 was the first to have.
    b"numpy._core": ("numpy", ">=1.26.1"),
    # joblib 1.2 began to align arrays; older ones read such a file wrongly.
    b"numpy_array_alignment_bytes": ("joblib", ">=1.2"),
}
"""Names in pickles that older versions of a library cannot read, and the first version that can."""

_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib"})
_CHUNK = 1 << 20
# More than a key and a version take together, with the opcodes between them.
_OVERLAP = 512

# How pickle writes text, in protocols 4, 1-3 and 0, and Python 2's: each with its length or its end.
_TEXT = rb"(?:\x8c(?P<n1>.)|X(?P<n4>.{4})|V(?P<line>[^\n]+)\n|U(?P<n2>.)|S'(?P<quoted>[^'\n]+)'\n)"
# What may stand between two texts: they are remembered for later use, and a new frame may start.
_BETWEEN = rb"(?:\x94|q.|r.{4}|p\d+\n)?(?:\x95.{8})?"
_KEYS = b"|".join(key.encode() for key in VERSION_KEYS)
_RECORD = re.compile(
    rb"(?P<key>" + _KEYS + rb")(?:'?\n)?" + _BETWEEN + rb"(?:" + _TEXT + rb"|(?P<recall>[hjg]))", re.DOTALL
)


def recorded_versions(path: Path, *, exclude: Exclude = keep_all) -> dict[str, str]:
    """The versions of libraries by name, such as ``{"scikit-learn": "1.7.2"}``, that a model's pickles record.

    ``path`` is a pickle or joblib file, compressed or not, or a folder: then of all ``*.pkl``, ``*.pickle`` and
    ``*.joblib`` files in it; where these differ, the versions are joined by commas. Empty where nothing is recorded.
    """
    found: dict[str, set[str]] = {}
    files = [path] if path.is_file() else sorted(file for file in files_in(path, exclude) if is_pickle(file))
    for file in files:
        for library, version in _recorded(file).items():
            found.setdefault(library, set()).add(version)
    return {library: ", ".join(sorted(versions)) for library, versions in sorted(found.items())}


def files_in(folder: Path, exclude: Exclude) -> Iterator[Path]:
    """The files of a folder that ``exclude`` does not leave out."""
    for file in folder.rglob("*"):
        if file.is_file() and not exclude(PurePosixPath(file.relative_to(folder).as_posix())):
            yield file


def is_pickle(file: Path) -> bool:
    """Whether a file is a pickle by its name."""
    return not _SUFFIXES.isdisjoint(file.suffixes[-2:])


def _recorded(file: Path) -> dict[str, str]:
    """What one file records; the first of each key counts, as an estimator's parts are saved by the same library."""
    found: dict[str, str] = {}
    recalled = False
    with contextlib.suppress(OSError, EOFError, zlib.error, lzma.LZMAError), _decompressed(file) as stream:
        for window in _windows(stream):
            found.update(dict(lower for trace, lower in TRACES.items() if trace in window))
            for match in _RECORD.finditer(window):
                library = VERSION_KEYS[match["key"].decode()]
                recalled = recalled or match["recall"] is not None
                if text := _text(match, window):
                    found.setdefault(library, text)
            if found.keys() >= set(VERSION_KEYS.values()):
                return found
    # A version that the pickle holds elsewhere too is there as a reference; only following all opcodes resolves that.
    return found | _followed(file) if recalled else found


def _text(match: re.Match[bytes], window: bytes) -> str:
    text = match["line"] or match["quoted"]
    if text is None:
        length = int.from_bytes(match["n1"] or match["n2"] or match["n4"] or b"", "little")
        text = window[match.end() : match.end() + length]
        if len(text) < length:
            return ""  # cut off by the window's end; whole in the next one
    return text.decode("ascii", "replace") if len(text) < _OVERLAP // 4 else ""


def _followed(file: Path) -> dict[str, str]:
    with _decompressed(file) as stream:
        unpickler = InertUnpickler(stream, frozenset(VERSION_KEYS))
        # Whatever it stumbles over, damage or an opcode not known here, what was found before counts.
        with contextlib.suppress(Exception):
            unpickler.load()
    return {VERSION_KEYS[key]: text for key, text in unpickler.found.items()}


def _windows(file: IO[bytes]) -> Iterator[bytes]:
    """A stream in pieces that overlap, so that no record falls between two."""
    window = file.read(_CHUNK)
    while window:
        yield window
        following = file.read(_CHUNK)
        window = window[-_OVERLAP:] + following if following else b""


@contextlib.contextmanager
def _decompressed(path: Path) -> Iterator[IO[bytes]]:
    """The contents of a file in any of joblib's compressions, by its first bytes."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        start = file.read(6)
        file.seek(0)
        opened: Any = file
        if start.startswith(b"\x1f\x8b"):
            opened = stack.enter_context(gzip.GzipFile(fileobj=file))
        elif start.startswith(b"BZh"):
            opened = stack.enter_context(bz2.BZ2File(file))
        elif start.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
            opened = stack.enter_context(lzma.LZMAFile(file))
        elif start.startswith(b"\x04\x22\x4d\x18"):
            # joblib itself compresses with lz4 only where that package is there.
            with contextlib.suppress(ImportError):
                opened = stack.enter_context(importlib.import_module("lz4.frame").LZ4FrameFile(file))
        elif start[:1] == b"\x78" and int.from_bytes(start[:2], "big") % 31 == 0:
            opened = io.BufferedReader(_ZlibStream(file))
        yield opened


class _ZlibStream(io.RawIOBase):
    """A zlib stream, as joblib writes by default when it compresses, read a piece at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.decompressor = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data and not self.decompressor.eof:
            compressed = self.decompressor.unconsumed_tail or self.file.read(_CHUNK)
            if not compressed:
                raise EOFError
            data = self.decompressor.decompress(compressed, len(buffer))
        buffer[: len(data)] = data
        return len(data)
