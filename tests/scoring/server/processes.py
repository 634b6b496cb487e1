"""The processes of a server under test."""

from __future__ import annotations

from pathlib import Path


def processes(pid: int) -> set[int]:
    """A process and all that come from it."""
    found = {pid}
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found
