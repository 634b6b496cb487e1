"""What uv says of a failed resolution, put as the user's mistake and its fix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.package_indexes import redact
from components.problems import Problem

_UNREACHABLE = re.compile(r"error sending request|dns error|network was disabled|tunnel error|timed out", re.IGNORECASE)
_REFUSED = re.compile(r"HTTP status (client|server) error")
_MISSING = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*) was not found in the package registry")
_WITHOUT_WHEEL = re.compile(r"hint: Wheels are (?:required|available) for `([^`]+)`|([\w.-]+)\S* has no wheels")
_NEEDS_PYTHON = (
    re.compile(r"(?P<name>[\w.-]+)(?:[<>=!~]\S*)? requires Python (?P<python>[<>=!~,.*0-9]+)"),
    re.compile(
        r"does not satisfy Python(?P<python>[<>=!~,.*0-9]+) and (?:all of:\s+)?(?P<name>[\w.-]+?)(?:[<>=!~]|\s)"
    ),
)
_UNREADABLE_LINKS = re.compile(r"Failed to read `--find-links` \S+ (.+)")
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_MOST_LINES = 8


@dataclass(frozen=True)
class Question:
    """What was asked of the resolver: the user's and the server's requirements (PEP 508), and for what they are.

    ``origins`` says by normalised name where the user asks for a package.
    """

    requirements: Sequence[str]
    server_requirements: Sequence[str]
    origins: Mapping[str, str]
    python_version: str
    platform: str

    def asked(self, name: str) -> str:
        """The package with the place where the user asks for it, if the user does."""
        origin = self.origins.get(str(canonicalize_name(name)))
        return f"{name!r} ({origin})" if origin else f"{name!r}"


def explain(stderr: str, question: Question, *, possible_without_server: bool) -> Problem:
    """The problem behind uv's message.

    Args:
        stderr: what uv wrote.
        question: what was asked of it.
        possible_without_server: whether the user's requirements alone can be met.
    """
    said = reasons(stderr)
    missing, without_wheel = _MISSING.search(stderr), _WITHOUT_WHEEL.search(stderr)
    needs_python = next(filter(None, (form.search(said) for form in _NEEDS_PYTHON)), None)
    if _UNREACHABLE.search(stderr):
        fix = (
            "cannot reach the package index to lock the packages. Check the network, the proxy (HTTPS_PROXY) and the "
            "index's address (UV_DEFAULT_INDEX or PIP_INDEX_URL). A lock that fits needs no network: commit it."
        )
    elif links := _UNREADABLE_LINKS.search(stderr):
        fix = f"cannot read the folder {links[1]} that --find-links names: make it, or correct the path."
    elif _REFUSED.search(stderr):
        fix = "the package index refused to answer. Check its address and login (UV_DEFAULT_INDEX or PIP_INDEX_URL)."
    elif missing:
        fix = _missing(missing[1], question)
    elif possible_without_server:
        fix = (
            f"the packages asked for ({_involved(question.requirements, said)}) clash with those of the scoring server "
            f"({_involved(question.server_requirements, said)}). Loosen the pins to what both allow."
        )
    elif without_wheel:
        fix = (
            f"the package {question.asked(without_wheel[1] or without_wheel[2])} has no wheel for Python "
            f"{question.python_version} on {question.platform}, and nothing is compiled here. Ask for a "
            "version that has one, or build a wheel and name its folder with --find-links."
        )
    elif needs_python:
        fix = (
            f"the package {question.asked(needs_python['name'])} needs Python {needs_python['python']}, the image has "
            f"{question.python_version}. Ask for another version of it, or give a baseImage with such a Python."
        )
    else:
        fix = f"no versions meet all that is asked for: correct {_involved(question.requirements, said)}."
    return Problem(f"{fix}\n{said}" if said else fix)


def reasons(stderr: str) -> str:
    """uv's reasons: without hints, which are of its own options, without logins in URLs, and at most a few lines."""
    lines = [line.strip() for line in redact(stderr.split("\nhint:")[0]).splitlines()]
    lines = [re.sub(r"^(error|cause): ", "", line) for line in lines if line and not line.startswith("warning:")]
    if len(lines) > 1 and lines[0].startswith("No solution found"):
        lines = lines[1:]
    return "\n".join([*lines[:_MOST_LINES], *(["..."] if len(lines) > _MOST_LINES else [])])


def _missing(name: str, question: Question) -> str:
    if question.origins.get(str(canonicalize_name(name)), "").startswith("conda package"):
        return (
            f"there is no package {question.asked(name)} on the package index. What conda alone has cannot be "
            "installed: name its counterpart for pip in the 'pip:' part, or take it out."
        )
    return f"there is no package {question.asked(name)} on the package index. Correct the name, or name its index."


def _involved(requirements: Sequence[str], said: str) -> str:
    """The requirements whose packages the message names, or else all."""
    words = {
        str(canonicalize_name(word)) for part in said.split() for word in _WORD.findall(re.split("[<>=!~]", part)[0])
    }
    named = [text for text in requirements if str(canonicalize_name(Requirement(text).name)) in words]
    return ", ".join(named or requirements)
