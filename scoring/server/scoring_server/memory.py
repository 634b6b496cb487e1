"""Who has to go when the memory is used up: a worker, which is replaced, not the front, with which all would end."""

from __future__ import annotations

import contextlib
from pathlib import Path

_OWN = Path("/proc/self/oom_score_adj")
_RAISE = 500  # thousandths of the memory that this process counts as using beyond what it does
_MOST = 1000


def go_first(file: Path = _OWN) -> None:
    """Have the kernel end this process and not the front, even while the front holds a lot of bodies.

    Of the workers it takes the one that uses the most. Where this is not allowed, all is as before.
    """
    with contextlib.suppress(OSError, ValueError):
        file.write_text(str(min(_MOST, int(file.read_text()) + _RAISE)))
