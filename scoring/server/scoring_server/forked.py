"""A worker or template that begins as a copy of the front, while that has no threads, no connections and no keys yet.

Copies have the front's address layout. Of two Pythons at different addresses a CPU forgets, while it runs the one,
which way the other's branches go: where front and worker share a CPU, that costs one request in twenty.
"""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from . import signals
from .forking import native_ids

# Modules of the front alone: a script may have its own of that name.
_FRONTS = ("argparse", "gettext")


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
        if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
            sys.path[0] = os.getcwd()  # as -m does; of the command azmlinfsrv it is the folder
        for name in _FRONTS:
            sys.modules.pop(name, None)
        _write_through()
        module = importlib.import_module(f"{__package__}.{self._module}")
        module.__name__ = "__main__"
        sys.modules["__main__"] = module
        sys.argv = [str(module.__file__), *map(str, self._fds)]
        sys.orig_argv = command(self._module, self._fds)
        module.main()
        return 0


def command(module: str, fds: Sequence[int]) -> list[str]:
    """The command that runs one of this package's modules as this process is run."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # what multiprocessing uses
    return [sys.executable, *flags, "-u", "-m", f"{__package__}.{module}", *map(str, fds)]


def possible() -> bool:
    """Whether this process can be copied: no agent or debugger has started a thread, which the copy would lack."""
    return len(native_ids()) == 1


def fork(module: str, fds: Sequence[int], environ: Mapping[str, str]) -> int:
    """Copy this process; gives the copy's id, and raises `Forked` in the copy."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the copy would write it once more
    pid = os.fork()
    if pid:
        return pid
    try:
        copy = Forked(module, fds, environ)
    except OSError:
        os._exit(1)  # what the front does about an error is not for its copy to do
    raise copy


def _write_through() -> None:
    """Have what is written be seen at once, as ``-u`` does: a worker may end at any time."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        former = getattr(sys, name)
        binary = open(number, "wb", buffering=0, closefd=False)  # noqa: SIM115 - open until the process ends
        binary.name = f"<{name}>"  # as that of Python's own
        stream = io.TextIOWrapper(binary, former.encoding, former.errors, write_through=True)
        stream.mode = "w"  # type: ignore[misc]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
