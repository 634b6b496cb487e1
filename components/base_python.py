"""The Python of a base image, as far as it is known before anything is built, against the one that is locked for."""

import re
from collections.abc import Mapping
from contextlib import closing
from typing import Protocol

from components import names, registry
from components.problems import Problem
from components.registry_login import Login

VARIABLE = "PYTHON_VERSION"
"""Docker's own Python images set it, and what is made from them inherits it."""
TITLE = "org.opencontainers.image.title"
"""Debian's base image of `make up` says in it which Python it has."""

_VERSION = re.compile(r"3\.[1-9]?\d(\.\d+)?")
_LEADING = re.compile(r"3\.\d+(?:\.\d+)?")
_IN_TITLE = re.compile(r"\bPython (3\.\d+)\b")
_OFFICIAL = re.compile(r"(?:[^/]+/)*?(?:library/)?python")
_SHORTENED = "3.1"
"""What YAML makes of an unquoted 3.10."""


class Images(Protocol):
    """A Docker daemon, asked for an image."""

    def image_id(self, reference: str) -> str:
        """Return the image's id; empty when there is no such image."""

    def image_labels(self, reference: str) -> dict[str, str]:
        """Return the image's labels."""

    def image_environment(self, reference: str) -> dict[str, str]:
        """Return the variables that the image sets."""


def check_version(given: str) -> str:
    """Return `given`, a Python such as '3.11' or '3.11.7'; raise `Problem` when it is none."""
    if _VERSION.fullmatch(given) and given != _SHORTENED:
        return given
    hint = " In YAML, put 3.10 into quotes: without them it is the number 3.1." if given == _SHORTENED else ""
    raise Problem(f"pythonVersion is {given!r}: give the base image's Python, such as '3.11'.{hint}")


def of_content(environment: Mapping[str, str], labels: Mapping[str, str]) -> tuple[str, str]:
    """Return the Python that an image's variables or labels tell, and what tells it; empty texts where nothing does."""
    told = _LEADING.match(environment.get(VARIABLE, ""))
    if told:
        return told[0], f"by its variable {VARIABLE}"
    told = _IN_TITLE.search(labels.get(TITLE, ""))
    return (told[1], f"by its label {TITLE}") if told else ("", "")


def of_name(reference: str) -> tuple[str, str]:
    """Return the Python that the tag of one of Docker's own Python images tells; empty texts for other images."""
    repository, tag = names.repository_and_tag(reference)
    namespace, _, last = repository.rpartition("/")
    told = _LEADING.match(tag) if last == "python" and namespace.rpartition("/")[2] in ("", "library") else None
    return (told[0], "by its tag") if told else ("", "")


def find(reference: str, host: Images, login: Login) -> tuple[str, str]:
    """Return the Python of the image `reference`, and what tells it; empty texts where that cannot be known.

    The daemon is asked, then the registry that the name begins with; a registry that does not answer is none.
    """
    if host.image_id(reference):
        return of_content(host.image_environment(reference), host.image_labels(reference))
    told = of_name(reference)
    address = names.registry_of(reference)
    if told[0] or address in ("", names.DOCKER_HUB):
        return told
    try:
        with closing(registry.Registry(address, login or None)) as place:
            seen = place.image(reference)
    except Problem:
        return "", ""
    return of_content(seen.environment, seen.labels) if seen else ("", "")


def check(reference: str, python_version: str, host: Images, login: Login) -> None:
    """Check that the Python of the image `reference` is the one that packages are locked for.

    Raises:
        Problem: it is known to be of another minor version.
    """
    found, told_by = find(reference, host, login)
    minor, wanted = (".".join(version.split(".")[:2]) for version in (found, python_version))
    if found and minor != wanted:
        raise Problem(
            f"the base image {reference!r} has Python {found} ({told_by}), but pythonVersion is {python_version}, and "
            f"packages for one do not work with the other. Set pythonVersion to '{minor}', or give a baseImage with "
            f"Python {wanted}."
        )
