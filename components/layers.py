"""Image layers as tar files that depend on nothing but the paths and contents that go in.

The same files give the same bytes on every machine: entries are sorted, owners are 0:0, modes are 0644 or 0755 and all
times are one constant. Docker's digest of a layer is taken over these bytes, so it is the same everywhere too.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

from components.problems import Problem

# 2 January 1980, UTC. Zip archives cannot hold anything before 1 January 1980 local time, so one day more keeps
# tools that zip these files working in every time zone. Bytecode compiled with unchecked hashes does not look at it.
SETTLED_TIME = 315_619_200

Exclude = Callable[[PurePosixPath], bool]
Kind = Literal["file", "folder", "link"]

_CHUNK = 1 << 20
_TOP = PurePosixPath()
_LITTER = frozenset({"__pycache__", ".git", ".DS_Store"})


def is_litter(path: PurePosixPath) -> bool:
    """Whether a path below a user's folder is a by-product that no image needs."""
    return path.name in _LITTER or path.suffix == ".pyc"


def keep_all(path: PurePosixPath) -> bool:  # noqa: ARG001 - the shape of an Exclude
    """Exclude nothing."""
    return False


@dataclass(frozen=True)
class Entry:
    """One path of a folder or layer: where it is on the host, and what of it counts."""

    path: PurePosixPath
    source: Path
    kind: Kind
    executable: bool = False
    link: str = ""


def file_digest(path: Path) -> str:
    """The sha256 (hex) of a file's contents, as ``sha256sum`` gives it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True)
class Content:
    """What counts of one path of a file or folder: a file's sha256 (hex) and bytes, or a link's target."""

    kind: Kind
    path: str
    """Below the folder; empty for a single file."""
    executable: bool
    content: str
    size: int = 0


def contents(path: Path, *, exclude: Exclude = is_litter) -> list[Content]:
    """What counts of a file, or of a folder's tree in the order of the names; without what ``exclude`` names.

    Raises:
        Problem: the path is missing, an empty folder, or holds something that an image cannot.
    """
    if not path.exists():
        raise Problem(f"There is no file or folder {str(path)!r}. Give the path of one that exists.")
    if path.is_file():
        return [Content("file", "", _is_executable(path), file_digest(path), path.stat().st_size)]
    entries = list(_walk(path, exclude))
    if all(entry.kind == "folder" for entry in entries):
        raise Problem(f"The folder {str(path)!r} holds no files. Put the files into it, or give another path.")
    return [
        Content(entry.kind, str(entry.path), entry.executable, file_digest(entry.source), entry.source.stat().st_size)
        if entry.kind == "file"
        else Content(entry.kind, str(entry.path), entry.executable, entry.link)
        for entry in entries
    ]


def digest_of(found: Sequence[Content]) -> str:
    """The sha256 (hex) of a single file, or one over names, kinds, executable bits, link targets and files' sha256."""
    if len(found) == 1 and not found[0].path:
        return found[0].content
    digest = hashlib.sha256()
    for each in found:
        line = "\0".join([each.kind, each.path, "x" if each.executable else "-", each.content])
        digest.update(hashlib.sha256(line.encode()).digest())
    return digest.hexdigest()


def content_digest(path: Path, *, exclude: Exclude = is_litter) -> str:
    """The sha256 (hex) of a file's contents, or of a folder's tree.

    Over a folder it covers names, kinds, executable bits, link targets and contents, in the order of the names; not
    times, owners or other mode bits. What ``exclude`` names does not count, as it does not reach a layer either.

    Raises:
        Problem: the path is missing, an empty folder, or holds something that an image cannot.
    """
    return digest_of(contents(path, exclude=exclude))


def write_layer(target: Path, sources: Mapping[str, Path], *, exclude: Exclude = is_litter) -> str:
    """Write an uncompressed tar of ``sources`` to ``target`` and return its sha256 (hex).

    ``sources`` maps paths in the image, without a leading slash, to files or folders on the host. Parents of every path
    are included as folders. ``exclude`` is asked for each path below a source folder, relative to that folder; what it
    names is left out, with all that a folder holds. Links are kept as such where they stay inside their source.

    The file appears whole or not at all. Where ``target`` holds the same bytes already, it is left untouched.

    Raises:
        Problem: a source is missing, two sources claim one path, a link leaves its source, or a special file is met.
    """
    entries = _entries(sources, exclude)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            digest = _write_tar(file, entries)
        # The mode counts in the digest of a build context, and mkstemp's depends on nothing the next user shares.
        temporary.chmod(0o644)
        if _is_same(target, temporary, digest):
            temporary.unlink()
        else:
            temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return digest


def _is_same(target: Path, temporary: Path, digest: str) -> bool:
    try:
        return target.stat().st_size == temporary.stat().st_size and file_digest(target) == digest
    except FileNotFoundError:
        return False


class _Hashed(io.RawIOBase):
    """A file to write a tar to, which digests what passes through."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: Any, /) -> int:
        self.sha256.update(data)
        return self.file.write(data)

    def tell(self) -> int:
        return self.file.tell()


def _write_tar(file: IO[bytes], entries: list[Entry]) -> str:
    hashed = _Hashed(file)
    with tarfile.open(fileobj=hashed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            with contextlib.ExitStack() as stack:
                content = stack.enter_context(entry.source.open("rb")) if entry.kind == "file" else None
                archive.addfile(_header(entry, content), content)
    return hashed.sha256.hexdigest()


def _header(entry: Entry, content: IO[bytes] | None) -> tarfile.TarInfo:
    header = tarfile.TarInfo(str(entry.path))
    header.mtime = SETTLED_TIME
    header.mode = 0o755 if entry.kind == "folder" or entry.executable else 0o644
    if entry.kind == "folder":
        header.type = tarfile.DIRTYPE
    elif entry.kind == "link":
        header.type, header.linkname, header.mode = tarfile.SYMTYPE, entry.link, 0o777
    elif content is not None:
        header.size = os.fstat(content.fileno()).st_size
    return header


def _entries(sources: Mapping[str, Path], exclude: Exclude) -> list[Entry]:
    """All entries of a layer by their path in the image, parents included, in the order of the tar."""
    found: dict[PurePosixPath, Entry] = {}

    def add(entry: Entry) -> None:
        known = found.setdefault(entry.path, entry)
        if known is not entry and not known.kind == entry.kind == "folder":
            raise Problem(
                f"Both {str(known.source)!r} and {str(entry.source)!r} would become /{entry.path} in the image. "
                "Rename or leave out one of them."
            )

    for name, source in sources.items():
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{name!r} is not a path in an image: no leading slash and no '..' is allowed")
        for parent in reversed(place.parents[:-1]):
            add(Entry(parent, source, "folder"))
        if source.is_file():
            add(Entry(place, source, "file", _is_executable(source)))
        elif source.is_dir():
            if place.parts:
                add(Entry(place, source, "folder"))
            for entry in _walk(source, exclude):
                add(Entry(place / entry.path, entry.source, entry.kind, entry.executable, entry.link))
        else:
            raise Problem(f"There is no file or folder {str(source)!r}. Give the path of one that exists.")
    return [found[path] for path in sorted(found, key=lambda path: path.parts)]


def _walk(root: Path, exclude: Exclude, below: PurePosixPath = _TOP) -> Iterator[Entry]:
    """What a folder holds, each folder before its contents, in the order of the names."""
    with os.scandir(root / below) as scan:
        children = sorted(scan, key=lambda child: child.name)
    for child in children:
        path, source = below / child.name, Path(child.path)
        _require_utf8(source)
        if exclude(path):
            continue
        if child.is_symlink():
            yield Entry(path, source, "link", link=_inner_link(root, path))
        elif child.is_dir():
            yield Entry(path, source, "folder")
            yield from _walk(root, exclude, path)
        elif child.is_file():
            yield Entry(path, source, "file", _is_executable(source))
        else:
            raise Problem(f"{str(source)!r} is neither a file, a folder nor a link; no image can hold it. Remove it.")


def _inner_link(root: Path, path: PurePosixPath) -> str:
    """A link's target, where it lies inside the root by its text alone; the image holds nothing else that is known."""
    source = root / path
    link = os.readlink(source)
    place = os.path.normpath(path.parent / link)
    if os.path.isabs(link) or place == ".." or place.startswith("../"):
        raise Problem(
            f"The link {str(source)!r} points to {link!r}, outside of {str(root)!r}; the image would not have that. "
            "Put the file itself in the link's place, or a relative link to a file inside the folder."
        )
    if not source.exists():
        raise Problem(f"The link {str(source)!r} points to {link!r}, which does not exist. Remove or mend it.")
    return link


def _require_utf8(source: Path) -> None:
    try:
        str(source).encode()
    except UnicodeEncodeError:
        raise Problem(f"The name of {os.fsencode(source)!r} is not UTF-8. Rename the file.") from None


def _is_executable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)
