"""What a `pulumi` that was killed left behind where the state lies in files: locks, and attributes cut short."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

ENDED = ("Z", "X")
"""Linux's letters for a process that has ended and is still listed."""


def is_alive(pid: int) -> bool:
    """Whether this machine has such a process, and more of it than the entry that its parent has not read yet.

    Where the first process of a machine is no init, as in many containers, such entries of orphans stay.
    """
    if _has_ended(pid):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _has_ended(pid: int) -> bool:
    """Whether Linux lists a process as ended; False where there is no such list or process."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in ENDED


def left_behind(
    environ: Mapping[str, str],
    project: str,
    stack: str,
    host: str = socket.gethostname(),
    alive: Callable[[int], bool] = is_alive,
) -> list[int]:
    """The processes that hold locks of a stack and are gone; none when any of its locks may be in use.

    Args:
        environ: the environment of the Pulumi command line, whose state is looked at when it lies in files.
        project: the project's name.
        stack: the stack's name.
        host: this machine's name; what other machines hold is theirs.
        alive: tells whether this machine has a process.
    """
    state = _folder(environ)
    if state is None:
        return []
    folder = state / "locks" / "organization" / project / stack
    gone = []
    for path in sorted(folder.glob("*.json")):
        try:
            lock = json.loads(path.read_text())
            pid, machine = int(lock["pid"]), str(lock["hostname"])
        except (OSError, ValueError, KeyError, TypeError):
            return []
        if machine != host or alive(pid):
            return []
        gone.append(pid)
    return gone


def cut_short(environ: Mapping[str, str], project: str, stack: str) -> list[Path]:
    """The empty files of attributes beside a stack's state, with which no command can read it.

    The state itself is whole, and reads well without them: see `state.file_address`.
    """
    state = _folder(environ)
    if state is None:
        return []
    files = sorted((state / "stacks" / project).glob(f"{stack}.json*.attrs"))
    return [path for path in files if path.stat().st_size == 0]


def _folder(environ: Mapping[str, str]) -> Path | None:
    address = urlsplit(environ.get("PULUMI_BACKEND_URL", ""))
    return Path(unquote(address.path), ".pulumi") if address.scheme == "file" else None
