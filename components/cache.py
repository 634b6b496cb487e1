"""Where this user's machine keeps what is worth keeping between runs and checkouts."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.problems import Problem


def cache_folder(environ: Mapping[str, str], name: str) -> Path:
    """The folder ``name`` in the user's cache: ``$XDG_CACHE_HOME/model-webservice``, or below ``~/.cache``; it is made.

    Raises:
        Problem: the folder cannot be made.
    """
    base = environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification asks to ignore relative paths.
    home = Path(base) if Path(base).is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
    folder = home / "model-webservice" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"cannot make the cache folder {str(folder)!r}: {error.strerror}. "
            "Set XDG_CACHE_HOME to a folder that can be written."
        ) from None
    return folder


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold ``path`` as a lock against other threads and processes of this machine; it is left behind, empty."""
    with path.open("w") as file:
        # Each opening has a lock of its own, so this excludes threads as well; closing releases it.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
