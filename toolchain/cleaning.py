"""Removing what the toolchain made. Standard library only."""

from __future__ import annotations

import shutil
from pathlib import Path

from toolchain.console import Console
from toolchain.layout import Layout


def clean(layout: Layout, console: Console) -> None:
    """Remove the toolchain's and the image builder's folders; say what stays."""
    for folder in (layout.folder, layout.project / ".staging"):
        if folder.exists():
            shutil.rmtree(folder)
            console.note("removed", relative(folder))
    kept = [f"{relative(layout.state)} (Pulumi's state)"] if layout.state.exists() else []
    kept += [f"{layout.cache} (programs, for all checkouts)"] if layout.cache.exists() else []
    console.note("kept", ", ".join([*kept, "what is in the Docker daemon"]))


def relative(path: Path) -> str:
    """A path as it is typed here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
