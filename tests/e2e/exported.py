"""What lies in an exported image, layer by layer, without holding more of it than a piece at a time."""

import io
import tarfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from typing import IO

PIECE_BYTES = 2**20
GZIP = b"\x1f\x8b"
GZIP_WINDOW = 16 + zlib.MAX_WBITS


def found_in(image: Iterable[bytes], words: Collection[bytes]) -> set[bytes]:
    """Return those of the words that lie in an image: in its description, and in any file of any layer.

    Args:
        image: the image as Docker exports it, a tar with a member for each layer.
    """
    found: set[bytes] = set()
    with tarfile.open(fileobj=io.BufferedReader(Pieces(image), PIECE_BYTES), mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file:
                found |= found_in_member(file, words)
    return found


def found_in_member(file: IO[bytes], words: Collection[bytes]) -> set[bytes]:
    """Return those of the words that lie in a member, which may be compressed."""
    found: set[bytes] = set()
    kept, rest = max(map(len, words)) - 1, b""
    for piece in plain(file):
        text = rest + piece
        found |= {word for word in words if word in text}
        rest = text[-kept:]
    return found


def plain(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a file piece by piece, what is compressed as it was before."""
    piece = file.read(PIECE_BYTES)
    unpack = zlib.decompressobj(GZIP_WINDOW).decompress if piece.startswith(GZIP) else bytes
    while piece:
        yield unpack(piece)
        piece = file.read(PIECE_BYTES)


class Pieces(io.RawIOBase):
    """Pieces of bytes, one after the other, as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = iter(pieces)
        self.rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        while not self.rest:
            piece = next(self.pieces, None)
            if piece is None:
                return 0
            self.rest = piece
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size
