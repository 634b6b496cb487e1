"""Conda's package specifications (``scikit-learn=1.7=py311_0``) as requirements of the Python package index.

The forms and their meaning are those of conda's "package match specifications": ``=1.7`` is any 1.7.x, ``==1.7`` is exact,
and a version with a build is exact too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from components.problems import Problem

_FORM = re.compile(
    r"""
    (?:(?P<channel>[^\s=<>!~]+)::)?
    (?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)
    (?: \s*\[\s*version\s*=\s*(?P<quote>['"]?)(?P<bracketed>[^'"\]]+)(?P=quote)\s*\]
      | \s*(?P<version>[=<>!~][^\s]*(?:\s*,\s*[=<>!~][^\s,]*)*)(?:\s+(?P<spaced_build>[^\s=<>!~]+))?
      | \s+(?P<plain>[^\s=<>!~|]+)(?:\s+(?P<plain_build>\S+))?
    )?
    """,
    re.VERBOSE,
)
_EXACT_WITH_BUILD = re.compile(r"=(?P<version>[^=,|<>!~]+)=(?P<build>[^=]+)")
_FUZZY = re.compile(r"=(?P<version>[^=,|<>!~]+)")


@dataclass(frozen=True)
class CondaSpec:
    """A conda package: its normalised name and the PEP 440 specifier that its version becomes ("" for any)."""

    name: str
    specifier: str


def parse(text: str) -> CondaSpec:
    """Read one conda specification.

    Raises:
        Problem: it is none, or its version cannot be said as a PEP 440 specifier.
    """
    spaced = re.sub(r"\s*([=<>!~]=?|,)\s*", r"\1", text.strip())
    match = _FORM.fullmatch(spaced)
    if match is None:
        raise _unreadable(text)
    version = match["bracketed"] or match["version"] or match["plain"] or ""
    exact = bool(match["plain"]) or bool(match["spaced_build"])
    specifier = ",".join(filter(None, (_specifier(part, exact, text) for part in version.split(","))))
    try:
        return CondaSpec(canonicalize_name(match["name"]).lstrip("-") or match["name"], str(SpecifierSet(specifier)))
    except InvalidSpecifier:
        raise _unreadable(text) from None


def _specifier(version: str, exact: bool, text: str) -> str:
    """One conda version constraint, such as ``=1.7``, ``1.7.*``, ``>=1.7``, ``*``, in PEP 440."""
    version = version.strip()
    if with_build := _EXACT_WITH_BUILD.fullmatch(version):
        version, exact = with_build["version"], True
    elif fuzzy := _FUZZY.fullmatch(version):
        version = fuzzy["version"]
    if "|" in version:
        raise _unreadable(text)
    if version in ("", "*", "==*"):
        return ""
    if version[0] not in "=<>!~":
        stem = version.rstrip("*").rstrip(".")
        version = f"=={version}" if exact and not version.endswith("*") else f"=={stem}.*"
    elif version.startswith((">", "<")):
        # Conda takes ">=1.7.*" for ">=1.7", which PEP 440 does not allow.
        version = version.removesuffix("*").removesuffix(".")
    return version


def _unreadable(text: str) -> Problem:
    return Problem(
        f"cannot read the conda package {text!r}. Allowed are 'name', 'name=1.2', 'name==1.2.3', 'name>=1.2,<2', "
        "'name=1.2.3=build' and 'channel::name'; alternatives ('1.2|1.3'), URLs and other matches have no counterpart "
        "among pip's requirements: name one version or range."
    )
