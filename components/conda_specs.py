"""Conda's package specifications (``scikit-learn=1.7=py311_0``) as requirements of the Python package index.

The forms and their meaning are those of conda's "package match specifications": ``=1.7`` is any 1.7.x, ``==1.7`` is
exact, and a version with a build is exact too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from components.problems import Problem

_FORM = re.compile(
    r"""
    (?:[^\s=<>!~]+::)?
    (?P<name>[A-Za-z0-9_][A-Za-z0-9._-]*)
    (?: \s*\[\s*version\s*=\s*(?P<quote>['"]?)(?P<bracketed>[^'"\]]+)(?P=quote)\s*\]
      | (?P<version>[=<>!~][^\s]*)(?:\s(?P<build>[^\s=<>!~]+))?
      | \s(?P<exact>[^\s=<>!~|]+)(?:\s(?P<exact_build>\S+))?
    )?
    """,
    re.VERBOSE,
)
_WITH_BUILD = re.compile(r"==?(?P<version>[^=,|<>!~]+)=[^=]+")
_FUZZY = re.compile(r"=(?P<version>[^=,|<>!~]+)")


@dataclass(frozen=True)
class CondaSpec:
    """A conda package: the text it was given as, its normalised name and its version constraint, conda's way."""

    text: str
    name: str
    version: str
    exact: bool

    def specifier(self) -> str:
        """The version constraint as a PEP 440 specifier, "" for any version.

        Raises:
            Problem: PEP 440 cannot say it.
        """
        parts = (_specifier(part, self) for part in self.version.split(","))
        try:
            return str(SpecifierSet(",".join(part for part in parts if part)))
        except InvalidSpecifier:
            raise _unreadable(self.text) from None


def parse(text: str) -> CondaSpec:
    """Read one conda specification; raise ``Problem`` when it is none."""
    tight = re.sub(r"\s*([=<>!~]=?|,)\s*", r"\1", " ".join(text.split()))
    match = _FORM.fullmatch(tight)
    if match is None:
        raise _unreadable(text)
    return CondaSpec(
        text=text,
        name=canonicalize_name(match["name"]).strip("-"),
        version=match["bracketed"] or match["version"] or match["exact"] or "",
        exact=bool(match["exact"] or match["build"]),
    )


def _specifier(version: str, spec: CondaSpec) -> str:
    """One conda version constraint, such as ``=1.7``, ``1.7.*``, ``>=1.7``, ``*``, in PEP 440."""
    version, exact = version.strip(), spec.exact
    if with_build := _WITH_BUILD.fullmatch(version):
        version, exact = with_build["version"], True
    elif fuzzy := _FUZZY.fullmatch(version):
        version = fuzzy["version"]
    if "|" in version:
        raise _unreadable(spec.text)
    if version in ("*", "==*", ""):
        return ""
    if version[0] not in "=<>!~":
        return f"=={version}" if exact and not version.endswith("*") else f"=={version.rstrip('*').rstrip('.')}.*"
    if version[0] in "<>":
        # Conda takes ">=1.7.*" for ">=1.7", which PEP 440 does not allow.
        return version.removesuffix("*").removesuffix(".")
    return version


def _unreadable(text: str) -> Problem:
    return Problem(
        f"cannot read the conda package {text!r}. Allowed are 'name', 'name=1.2', 'name==1.2.3', 'name>=1.2,<2', "
        "'name=1.2.3=build' and 'channel::name'; alternatives ('1.2|1.3'), URLs and other matches have no counterpart "
        "among pip's requirements: name one version or range."
    )
