"""Build contexts on disk: what a Dockerfile and its layers are made into before the provider reads them.

The provider compares a context's path as text and its files by content and mode. So contexts lie at stable paths
relative to the working directory, hold archives whose bytes depend on their content alone, and are named by it.
"""

import hashlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pulumi

STAGING_ROOT = ".staging"
"""Below the project's folder; ignored by git, safe to delete."""

TAG_LENGTH = 12
"""Hex digits of a content's sha256 that make a version or tag."""


@dataclass(frozen=True)
class Context:
    """A build context that lies ready."""

    path: str
    """Relative to the working directory, with forward slashes."""
    tag: str
    """The content's version."""


claimed: dict[tuple[str, str], tuple[str, ...]] = {}
"""Whose the folders of this run of the program are, by stack and name."""

claiming = threading.Lock()


def claim(stack: str, name: str, *owner: str) -> str:
    """Return the name of a component's folder: its own or, when another component has that, one with a number after it.

    A component that comes again, as in an update after a preview, gets what it had.

    Args:
        stack: the stack.
        name: the component's name.
        owner: what tells it from others of its name: its type, and its parent's type and name.
    """
    whose, place, number = (name, *owner), safe(name), 1
    with claiming:
        while claimed.setdefault((stack, place), whose) != whose:
            number += 1
            place = f"{safe(name)}.{number}"
    return place


def owner(resource: "pulumi.Resource", opts: "pulumi.ResourceOptions | None") -> tuple[str, ...]:
    """Return what tells a component from others of its name."""
    parent = opts.parent if opts else None
    return (
        resource.pulumi_resource_type,
        *((parent.pulumi_resource_type, parent.pulumi_resource_name) if parent else ()),
    )


def safe(name: str) -> str:
    """Return a name as a path may have it."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name)


def context_folder(stack: str, name: str) -> Path:
    """Return the folder of the context of component `name` in `stack`, made when missing."""
    folder = Path(STAGING_ROOT, stack, safe(name))
    folder.mkdir(parents=True, exist_ok=True)
    for made in (folder, *folder.parents[: len(folder.parts) - 1]):
        made.chmod(0o755)  # modes count in the provider's digest of a context, umasks differ
    return folder


def finish(folder: Path, dockerfile: str, digests: Iterable[str], platform: str) -> Context:
    """Write the Dockerfile of a context whose layers have the given digests, and return the context."""
    write_if_changed(folder / "Dockerfile", dockerfile)
    text = "\n".join([platform, *digests, dockerfile])
    return Context(folder.as_posix(), hashlib.sha256(text.encode()).hexdigest()[:TAG_LENGTH])


def write_if_changed(path: Path, text: str) -> None:
    """Write `text` to `path` in one step, unless it is there already."""
    content = text.encode()
    if not (path.is_file() and path.read_bytes() == content):
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(content)
        partial.chmod(0o644)
        partial.replace(path)


def keep_only(folder: Path, names: Iterable[str]) -> None:
    """Remove files of earlier contexts from `folder`: what lies there is sent to the daemon."""
    wanted = set(names)
    for entry in folder.iterdir():
        if entry.name not in wanted and entry.is_file():
            entry.unlink()
