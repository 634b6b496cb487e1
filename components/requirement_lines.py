"""The lines of pip's requirement files and of the ``pip:`` part of conda files, one parsed line at a time.

The format is pip's ("Requirements File Format" in its documentation). Nested files and constraints are followed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from components.package_indexes import PackageIndexes, redact
from components.problems import Problem

_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[= ](?P<hash>\S+)")
_OPTION = re.compile(r"(?P<name>--[a-z-]+|-[a-z])(?:\s*=\s*|\s+|(?<=^-[a-z]))(?P<value>.*)|(?P<flag>--?[a-z-]+)")
_INDEX_OPTIONS = {
    "--index-url": "default",
    "-i": "default",
    "--extra-index-url": "extra",
    "--find-links": "links",
    "-f": "links",
}
# What these ask for is done in any case: wheels alone are installed, and all by their hashes.
_MET_ANYWAY = frozenset({"--require-hashes", "--prefer-binary", "--only-binary"})
_ARCHIVE = re.compile(r"\.(whl|zip|tar\.gz|tgz|tar\.bz2)$")


@dataclass(frozen=True)
class Line:
    """One requirement, constraint or index option, and where it stands."""

    origin: str
    requirement: Requirement | None = None
    hashes: tuple[str, ...] = ()
    is_constraint: bool = False
    indexes: PackageIndexes = field(default_factory=PackageIndexes)


def read_file(path: Path, *, constraints: bool = False, within: Sequence[Path] = ()) -> Iterator[Line]:
    """The lines of a requirements file and of those that it names.

    Raises:
        Problem: a file is missing, not UTF-8 or names itself, or a line is none that a scoring image can have.
    """
    if path.resolve() in within:
        raise Problem(
            f"the requirements file {str(path)!r} names itself, by way of those that it names. Take that line out."
        )
    for number, text in logical_lines(read_text(path)):
        origin = f"{path.name}, line {number}"
        yield from read_line(text, origin, path.parent, constraints=constraints, within=[*within, path.resolve()])


def read_text(path: Path) -> str:
    """The text of a user's file; ``Problem`` when it is missing or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        raise Problem(f"{str(path)!r} is not UTF-8 text: line {line}, column {column}. Save it as UTF-8.") from None
    except OSError as error:
        raise Problem(
            f"cannot read {str(path)!r}: {error.strerror}. Give the path of a file that can be read."
        ) from None


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, backslashes at their ends followed, comments and empty ones dropped."""
    start = 1
    parts: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not parts:
            start = number
        if raw.endswith("\\") and not _COMMENT.search(raw):
            parts.append(raw[:-1])
            continue
        parts.append(_COMMENT.sub("", raw))
        line = "".join(parts).strip()
        parts = []
        if line:
            yield start, line
    if line := "".join(parts).strip():
        yield start, line


def read_line(
    text: str, origin: str, folder: Path, *, constraints: bool = False, within: Sequence[Path] = ()
) -> Iterator[Line]:
    """What one line gives; paths in it are relative to ``folder``."""
    if not text.startswith("-"):
        yield _requirement(text, origin, constraints)
        return
    match = _OPTION.fullmatch(text)
    name = (match["name"] or match["flag"]) if match else text
    value = " ".join(shlex.split(match["value"])) if match and match["value"] else ""
    if name in ("-r", "--requirement") and value:
        yield from read_file(folder / value, within=within)
    elif name in ("-c", "--constraint") and value:
        yield from read_file(folder / value, constraints=True, within=within)
    elif name in _INDEX_OPTIONS and value:
        yield Line(origin, indexes=_indexes(_INDEX_OPTIONS[name], value, folder))
    elif name in ("-e", "--editable"):
        raise _not_a_package(text, origin)
    elif name not in _MET_ANYWAY:
        raise Problem(
            f"{origin}: the option {name!r} is not supported. Allowed are -r, -c, --index-url, --extra-index-url, "
            "--find-links and --hash; take the line out."
        )


def parse_requirement(text: str, origin: str) -> Requirement:
    """A PEP 508 requirement; ``Problem`` when it is none, or one that only this machine could install."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        if "://" in text.split("#")[0] or text.startswith((".", "/", "~")) or _ARCHIVE.search(text):
            raise _not_a_package(text, origin) from None
        reason = str(error).splitlines()[0]
        raise Problem(
            f"{origin}: {text!r} is no requirement: {reason}. Write it as in 'name==1.2', 'name[extra]>=1.2'."
        ) from None
    url = requirement.url
    # The name of an archive passes for that of a package.
    is_here = _ARCHIVE.search(requirement.name) if url is None else not url.startswith(("https://", "http://"))
    if is_here or redact(url or "") != (url or ""):
        raise _not_a_package(text, origin)
    return requirement


def _requirement(text: str, origin: str, is_constraint: bool) -> Line:
    hashes = tuple(match["hash"] for match in _HASH.finditer(text))
    bare = _HASH.sub("", text).strip()
    if " --" in bare:
        raise Problem(f"{origin}: of the options after a requirement only --hash is supported, not those in {bare!r}.")
    for value in hashes:
        if not re.fullmatch(r"sha(256|384|512):[0-9a-f]+", value):
            raise Problem(f"{origin}: {value!r} is no hash. Write it as in '--hash=sha256:<hex digits>'.")
    return Line(origin, parse_requirement(bare, origin), hashes, is_constraint)


def _indexes(kind: str, value: str, folder: Path) -> PackageIndexes:
    if kind == "default":
        return PackageIndexes(default=value)
    if kind == "extra":
        return PackageIndexes(extra=(value,))
    return PackageIndexes(links=(value if "://" in value else str((folder / value).absolute()),))


def _not_a_package(text: str, origin: str) -> Problem:
    return Problem(
        f"{origin}: {redact(text)!r} is a folder, repository or file, or a URL with a login, and cannot be locked for "
        "every machine. Build a wheel of it, put that into a folder named by --find-links, and require it by name."
    )
