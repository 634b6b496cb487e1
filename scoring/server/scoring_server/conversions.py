"""The values of settings, from the text that stands for them. A ValueError says what is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

_MAX_SECONDS = 1e7
_NO_PATH = re.compile(r"[?#<>\x00-\x1f\x7f]")
_ORIGIN = re.compile(r"\*|(?:[a-zA-Z][a-zA-Z0-9+.-]*://)?(?:[a-zA-Z0-9._-]+|\[[0-9a-fA-F.]*:[0-9a-fA-F:.]*\])(?::\d+)?")


def text(value: str) -> str:
    return value


def words(value: str) -> str:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise ValueError("allowed is text in UTF-8")
    return value


def flag(value: str) -> bool:
    if value.lower() in ("true", "1", "yes", "on"):
        return True
    if value.lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError("allowed are true and false")


def integer(low: int, high: int) -> Callable[[str], int]:
    def convert(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"allowed are whole numbers from {low} to {high}")
        return number

    return convert


def seconds(value: str) -> float:
    number = _number(value)
    if not 0 <= number < _MAX_SECONDS:
        raise ValueError("allowed are seconds, from 0 on")
    return number


def time_limit(value: str) -> float:
    number = _number(value)
    if not 0 < number < _MAX_SECONDS:
        raise ValueError("allowed are seconds, more than 0")
    return number


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return -1.0


def items(value: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(item for item in (part.strip() for part in value.split(",")) if item)


def origins(value: str) -> tuple[str, ...]:
    """Origins as browsers send them; a host without a scheme stands for both of its origins."""
    found: list[str] = []
    for item in _listed(value):
        origin = item.removesuffix("/")
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{item!r} is no origin: allowed are origins such as https://a.example or http://localhost:3000, "
                "hosts such as a.example for both schemes, with commas between, or * for all; patterns are not"
            )
        found += [origin] if "://" in origin or origin in ("*", "null") else [f"http://{origin}", f"https://{origin}"]
    return tuple(found)


def _listed(value: str) -> tuple[str, ...]:
    """What stands between commas, or in a JSON list, as a config file may have it."""
    try:
        content = json.loads(value)
    except ValueError:
        content = None
    listed = isinstance(content, list) and all(isinstance(item, str) for item in content)
    return tuple(content) if listed else items(value)


def proxies(value: str) -> tuple[str, ...]:
    import ipaddress  # here, as few servers need it

    found = items(value)
    for item in found:
        try:
            _ = item == "*" or ipaddress.ip_network(item)
        except ValueError as error:
            raise ValueError(
                f"allowed are addresses and networks such as 10.0.0.5, 10.0.0.0/8, with commas between, or *: {error}"
            ) from None
    return found


def digests(value: str) -> dict[str, str]:
    try:
        content = json.loads(value)
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all("/" in name for name in content):
        raise ValueError("allowed is a JSON object with a sha256 for each name/version")
    return {str(name): str(digest) for name, digest in content.items()}


def prefix(value: str) -> str:
    stripped = value.strip("/")
    if _NO_PATH.search(stripped):
        raise ValueError("allowed is the path of a URL, as /models/digits, without ? # < >")
    return f"/{stripped}" if stripped else ""


def switch(value: str) -> str:
    if value.lower() == "auto":
        return "auto"
    try:
        return "on" if flag(value) else "off"
    except ValueError:
        raise ValueError("allowed are auto, on and off") from None


def level(value: str) -> str:
    if value.upper() not in ("DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL"):
        raise ValueError("allowed are DEBUG, INFO, WARNING, ERROR and CRITICAL")
    return value.upper()


def share(value: str) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError("allowed are numbers from 0 to 1")
    return number


def log_format(value: str) -> str:
    if value.lower() not in ("text", "json"):
        raise ValueError("allowed are text and json")
    return value.lower()
