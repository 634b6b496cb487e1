"""Where packages come from besides the machine's own settings: the index options of requirement files.

The values may hold credentials. They reach uv by its environment alone, and neither the lock nor a log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.problems import Problem

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


@dataclass(frozen=True)
class PackageIndexes:
    """pip's ``--index-url``, ``--extra-index-url`` and ``--find-links``, as written, ``${VARIABLES}`` included."""

    default: str = field(default="", repr=False)
    extra: tuple[str, ...] = field(default=(), repr=False)
    links: tuple[str, ...] = field(default=(), repr=False)

    def __add__(self, other: PackageIndexes) -> PackageIndexes:
        if self.default and other.default and self.default != other.default:
            raise Problem(
                f"two different --index-url are given, {redact(self.default)} and {redact(other.default)}. "
                "Keep one, and make the other an --extra-index-url."
            )
        return PackageIndexes(
            self.default or other.default,
            tuple(dict.fromkeys(self.extra + other.extra)),
            tuple(dict.fromkeys(self.links + other.links)),
        )

    def identity(self) -> list[str]:
        """What tells these indexes from others on any machine: without credentials and folders of this one."""
        links = [link if "://" in link else Path(link).name for link in self.links]
        return [redact(url) for url in (self.default, *self.extra, *links)]


def redact(text: str) -> str:
    """``text`` without the credentials of the URLs in it."""
    return _CREDENTIALS.sub("", text)


def uv_environment(indexes: PackageIndexes, environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` as uv is to see it: with the indexes of the files, else uv's own variables, else those of pip.

    Raises:
        Problem: an index names a variable that is not set.
    """
    result = {key: value for key, value in environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "CONDA_"))}
    # An interpreter is always named; nothing is to be downloaded in its place.
    result |= {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    for theirs, ours in (
        ("PIP_INDEX_URL", ("UV_DEFAULT_INDEX", "UV_INDEX_URL")),
        ("PIP_EXTRA_INDEX_URL", ("UV_INDEX", "UV_EXTRA_INDEX_URL")),
        ("PIP_CERT", ("SSL_CERT_FILE",)),
    ):
        if environ.get(theirs) and not any(environ.get(name) for name in ours):
            result[ours[0]] = environ[theirs]
    if environ.get("PIP_FIND_LINKS") and not environ.get("UV_FIND_LINKS"):
        result["UV_FIND_LINKS"] = ",".join(environ["PIP_FIND_LINKS"].split())
    if indexes.default:
        result["UV_DEFAULT_INDEX"] = _expand(indexes.default, environ)
        result.pop("UV_INDEX_URL", None)
    if indexes.extra:
        urls = [_expand(url, environ) for url in indexes.extra]
        result["UV_INDEX"] = " ".join([*urls, *result.get("UV_INDEX", "").split()])
        # A file with --extra-index-url is written for pip, which takes the best version that any index has. uv's rule,
        # the first index that knows a package, would take outdated copies of it from indexes such as PyTorch's.
        result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    if indexes.links:
        known = [result["UV_FIND_LINKS"]] if result.get("UV_FIND_LINKS") else []
        result["UV_FIND_LINKS"] = ",".join([*(_expand(link, environ) for link in indexes.links), *known])
    return result


def _expand(text: str, environ: Mapping[str, str]) -> str:
    """``${NAME}`` replaced from the environment, in pip's form (upper-case letters, digits, underscores, braces)."""

    def value(match: re.Match[str]) -> str:
        try:
            return environ[match[1]]
        except KeyError:
            raise Problem(
                f"the package index {redact(text)} names the environment variable {match[1]}, which is not set. Set it."
            ) from None

    return _VARIABLE.sub(value, text)
