"""What some tests need of the machine, said before they fail without it."""

import os
import shutil


class MissingError(RuntimeError):
    """The machine lacks what a test needs."""


def root(what: str) -> None:
    """Raise `MissingError` unless this is root.

    Args:
        what: what takes root, as a sentence begins.
    """
    if os.geteuid() != 0:
        raise MissingError(f"{what} takes root: run the tests as root, for instance with sudo make test")


def programs(*names: str) -> None:
    """Raise `MissingError` unless these programs are on PATH."""
    if lacking := [name for name in names if shutil.which(name) is None]:
        raise MissingError(
            f"there is no {' and no '.join(lacking)}: python -m toolchain tools installs what the tests run"
        )
