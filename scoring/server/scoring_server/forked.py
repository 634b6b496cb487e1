"""A worker or template that begins as a copy of the front, while that has no threads, no connections and no keys yet.

Copies have the front's address layout. Of two Pythons at different addresses a CPU forgets, while it runs the one,
which way the other's branches go: where front and worker share a CPU, that costs one request in twenty.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence

from . import signals


class Forked(BaseException):
    """Raised in the copy, so that all that the front was about ends on the way up; what it is to run instead."""

    def __init__(self, module: str, fds: Sequence[int], environ: Mapping[str, str]) -> None:
        super().__init__(module)
        self._module = module
        self._fds = [os.dup(fd) for fd in fds]  # the front's own are closed with what it holds
        self._environ = environ

    def run(self) -> int:
        """Be what ``python -u -m <module> <fd>...`` is, in a session of its own; returns the exit status."""
        os.setsid()
        signals.forget()
        os.environ.clear()
        os.environ.update(self._environ)
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = os.getcwd()  # as -m does; of the command azmlinfsrv it is the folder
        _write_through()
        module = importlib.import_module(f"{__package__}.{self._module}")
        sys.modules["__main__"] = module
        sys.argv = [str(module.__file__), *map(str, self._fds)]
        module.main()
        return 0


def fork(module: str, fds: Sequence[int], environ: Mapping[str, str]) -> int:
    """Copy this process; gives the copy's id, and raises `Forked` in the copy."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()  # or the copy would write it once more
    pid = os.fork()
    if not pid:
        raise Forked(module, fds, environ)
    return pid


def _write_through() -> None:
    """Have what is written be seen at once, as ``-u`` does: a worker may end at any time."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        former = getattr(sys, name)
        if former is None:  # closed by whoever started the server
            continue
        binary = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115 - open until the process ends
        binary.name = f"<{name}>"  # as that of Python's own
        stream = io.TextIOWrapper(binary, former.encoding, former.errors, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
