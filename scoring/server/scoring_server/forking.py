"""Whether a process with a loaded script can be forked: copies lack its threads, and who waits for those hangs."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Sequence

CANNOT_FORK = 75
"""Exit status of a template that must not be forked: each worker loads the script by itself."""

# Say themselves that they do not go with fork: what they start at their first use may have no thread of its own yet.
_RUNTIMES = ("tensorflow", "jax")
_DEVICES = "/dev/nvidia"
_ENDING_S = 0.2
_NAMED = 5


def obstacles() -> list[str]:
    """What of this process a fork would not copy, in words; nothing where it can be forked.

    Threads of pools that end theirs before a fork and start them anew afterwards, as OpenBLAS' do, are none.
    """
    found = []
    if names := python_threads():
        found.append(f"{_count(len(names), 'Python thread')} ({_some(names)})")
    if _holds_gpu():
        found.append("a connection to a GPU")
    if runtimes := [name for name in _RUNTIMES if name in sys.modules]:
        found.append(" and ".join(runtimes))
    if not found and (count := _lasting_native_threads()):
        found.append(_count(count, "thread") + " of native libraries")
    return found


def python_threads() -> list[str]:
    """The names of the threads that run Python code, without the calling one."""
    # Threads that native code has made and ended since are listed for good: the kernel knows better.
    alive = native_ids()
    others = (thread for thread in threading.enumerate() if thread is not threading.current_thread())
    return [thread.name for thread in others if thread.native_id in alive]


def native_ids() -> set[int]:
    """The thread ids of this process."""
    return set(map(int, os.listdir("/proc/self/task")))


def _lasting_native_threads() -> int:
    """How many threads, without the calling one, are there after a fork that was tried."""
    if len(native_ids()) == 1:
        return 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks with several threads, from Python 3.12 on
        child = os.fork()
    if not child:
        os._exit(0)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)
    # An ended thread is listed for a moment, and nothing tells when it is not.
    deadline = time.monotonic() + _ENDING_S
    while (count := len(native_ids()) - 1) and time.monotonic() < deadline:
        time.sleep(0.001)
    return count


def _holds_gpu() -> bool:
    """Whether a device of NVIDIA's is open: CUDA is initialised, and does not work in copies."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith(_DEVICES):
                return True
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    return cuda is not None and bool(cuda.is_initialized())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
