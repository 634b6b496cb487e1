"""The start: ``python3 -m toolchain VERB``. Reads on any Python 3, so that an old one gets an explanation."""

import os
import shutil
import sys
from typing import Callable, Optional, Sequence  # noqa: UP035  an old Python has to read this file

MINIMUM_PYTHON = (3, 10)
NEWER = [f"python3.{minor}" for minor in range(14, 9, -1)]


def too_old(version: Sequence[int], which: Callable[[str], Optional[str]] = shutil.which) -> str:  # noqa: UP045  likewise
    """Explain that the Python is too old, or return an empty text."""
    if tuple(version[:2]) >= MINIMUM_PYTHON:
        return ""
    newer = next((name for name in NEWER if which(name)), "")
    fix = "Install one, and name it if it is not python3: make PYTHON=/path/to/python3 up"
    return "error: this is Python {}, and the project needs {} or newer. {}".format(
        ".".join(map(str, version[:3])),
        ".".join(map(str, MINIMUM_PYTHON)),
        f"There is one on PATH: make PYTHON={newer} up" if newer else fix,
    )


if __name__ == "__main__":
    problem = too_old(sys.version_info[:3])
    if problem:
        sys.exit(problem)
    from toolchain.bootstrap import main

    try:
        sys.exit(main(sys.argv[1:], os.environ))
    except KeyboardInterrupt:
        sys.exit(130)
