"""Which files of a build context `.dockerignore` leaves out, by Docker's rules."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pattern:
    """One line: what it matches, and whether it brings files back (`!`)."""

    matcher: re.Pattern[str]
    exception: bool
    text: str


def read_patterns(context: Path, dockerfile: Path) -> list[Pattern]:
    """Read `<Dockerfile>.dockerignore` beside the Dockerfile, or else the context's `.dockerignore`."""
    for file in (dockerfile.with_name(dockerfile.name + ".dockerignore"), context / ".dockerignore"):
        try:
            return parse(file.read_text())
        except FileNotFoundError:
            continue
    return []


def parse(text: str) -> list[Pattern]:
    """Parse the file's lines; comments and empty lines say nothing."""
    patterns = []
    for line in text.removeprefix("\ufeff").splitlines():
        line = line.strip() if not line.startswith("#") else ""
        exception = line.startswith("!")
        path = os.path.normpath(line.removeprefix("!").strip()).replace(os.sep, "/").lstrip("/")
        if line and path != ".":
            patterns.append(Pattern(_matcher(path), exception, path))
    return patterns


def ignored(patterns: Sequence[Pattern], path: str) -> bool:
    """Tell whether the last pattern that matches a path, or a folder above it, leaves it out."""
    parts = path.split("/")
    above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    result = False
    for pattern in patterns:
        if result == pattern.exception and any(pattern.matcher.fullmatch(candidate) for candidate in above):
            result = not pattern.exception
    return result


def walk(context: Path, patterns: Sequence[Pattern]) -> Iterator[tuple[str, os.stat_result]]:
    """List the files and links that are part of the context, as paths relative to it, each folder in order of names."""
    brought_back = [pattern.text for pattern in patterns if pattern.exception]
    yield from _walk(context, "", patterns, brought_back)


def _walk(
    root: Path, folder: str, patterns: Sequence[Pattern], brought_back: Sequence[str]
) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(root / folder) as entries:
        found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in found:
        path = f"{folder}/{entry.name}" if folder else entry.name
        left_out = ignored(patterns, path)
        if entry.is_dir(follow_symlinks=False):
            # a folder left out may still hold files that an exception brings back
            if not left_out or brought_back:
                yield from _walk(root, path, patterns, brought_back)
        elif not left_out:
            yield path, entry.stat(follow_symlinks=False)


def _matcher(pattern: str) -> re.Pattern[str]:
    """Translate Go's filepath.Match, plus `**` for any number of folders."""
    out, index = "", 0
    while index < len(pattern):
        char = pattern[index]
        if pattern.startswith("**", index):
            index += 2
            if pattern.startswith("/", index):
                out, index = out + "(?:.*/)?", index + 1
            else:
                out += ".*"
            continue
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[" and "]" in pattern[index + 1 :]:
            end = pattern.index("]", index + 1)
            inner = pattern[index + 1 : end]
            out += f"[{'^' + inner[1:] if inner.startswith('^') else inner}]"
            index = end
        elif char == "\\" and index + 1 < len(pattern):
            index += 1
            out += re.escape(pattern[index])
        else:
            out += re.escape(char)
        index += 1
    return re.compile(out, re.DOTALL)
