"""What lies in an exported image is found, wherever it lies."""

import gzip
import io
import tarfile
from collections.abc import Callable

import pytest

from tests.e2e.exported import PIECE_BYTES, found_in

WORD, OTHER = b"a secret of some length", b"another"


def tar(name: str, content: bytes) -> bytes:
    """A tar with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("before", [0, PIECE_BYTES - len(WORD) - 512, PIECE_BYTES - 512 - 5, 3 * PIECE_BYTES])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_word_in_a_layer_is_found(pack: Callable[[bytes], bytes], before: int) -> None:
    image = tar("layer.tar", pack(tar("file", b"x" * before + WORD + b"y" * 1000)))
    pieces = [image[place : place + 70_000] for place in range(0, len(image), 70_000)]
    assert found_in(pieces, [WORD, OTHER]) == {WORD}


def test_a_word_in_the_description_is_found() -> None:
    assert found_in([tar("manifest.json", WORD)], [WORD, OTHER]) == {WORD}
