"""Settings of a service as a user changes them: which there are, and how they are written into a stack's settings."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.problems import Problem
from components.setting_values import check_known
from components.settings import SERVICE_KEYS

SERVICES = "services"

FIXED = ("name", "style")
"""What makes a service another one when it changes."""

SettingPath = tuple[str | int, ...]
"""Where a value stands: a key of the project, then names and places."""


@dataclass(frozen=True)
class Steps:
    """How a value is written by `pulumi config`."""

    removed_before: Sequence[SettingPath] = ()
    plain: Sequence[tuple[SettingPath, str]] = ()
    secret: Sequence[tuple[SettingPath, str]] = ()
    removed_after: Sequence[SettingPath] = ()


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a service, given as Python writes them, by the keys of the stack's configuration.

    Raises:
        Problem: there are none, a service has no such setting, or cannot change it.
    """
    allowed = names()
    if not settings:
        raise Problem(f"nothing to update: give one of {', '.join(sorted(allowed))}.")
    for name in settings:
        if name in FIXED:
            raise Problem(f"{name} cannot be updated: it makes another service. Deploy that, and delete this one.")
    check_known(settings, list(allowed), "setting of a service")
    return {allowed[name]: value for name, value in settings.items()}


def names() -> dict[str, str]:
    """Return the keys of `services` that can be changed, by their names in Python."""
    return {snake(key): key for key in SERVICE_KEYS if key not in FIXED}


def snake(name: str) -> str:
    """Return a name of Pulumi's configuration as Python writes it."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def steps(path: SettingPath, value: Any, is_secret: Callable[[SettingPath], bool]) -> Steps:
    """Return how to write a value in place of what is at `path`.

    Args:
        path: where it belongs.
        value: a JSON value; None for nothing.
        is_secret: whether there is a secret at a path now; what takes its place is one.
    """
    if value is None:
        return Steps(removed_before=[path])
    leaves = flattened(path, value)
    before = [path] if isinstance(value, (Mapping, list, tuple)) else []
    if not leaves:
        # `pulumi config` cannot write an empty mapping or list, but leaves one behind.
        inner: SettingPath = (*path, 0) if isinstance(value, (list, tuple)) else (*path, "empty")
        return Steps(removed_before=before, plain=[(inner, "")], removed_after=[inner])
    return Steps(
        removed_before=before,
        plain=[leaf for leaf in leaves if not is_secret(leaf[0])],
        secret=[leaf for leaf in leaves if is_secret(leaf[0])],
    )


def flattened(path: SettingPath, value: Any) -> list[tuple[SettingPath, str]]:
    """Return the leaves of a JSON value as texts, each with its path."""
    if isinstance(value, Mapping):
        return [leaf for name, item in value.items() for leaf in flattened((*path, str(name)), item)]
    if isinstance(value, (list, tuple)):
        return [leaf for place, item in enumerate(value) for leaf in flattened((*path, place), item)]
    return [(path, value if isinstance(value, str) else json.dumps(value))]


def path_of(path: SettingPath) -> str:
    """Return a path as `pulumi config --path` takes it: `services[0]["tags"]["a.b"]`."""
    first, *rest = path
    return str(first) + "".join(f"[{json.dumps(part, ensure_ascii=False)}]" for part in rest)


def is_secret(settings: Any, path: SettingPath) -> bool:
    """Return whether settings, as the stack's file has them, hold a secret at a path, or at one above it."""
    for part in path:
        children: dict[Any, Any] = dict(enumerate(settings)) if isinstance(settings, list) else settings
        if not isinstance(children, dict) or part not in children:
            return False
        settings = children[part]
        if isinstance(settings, dict) and set(settings) == {"secure"}:
            return True
    return False
