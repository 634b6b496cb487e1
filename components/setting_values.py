"""Values of settings: from what a configuration holds to what it must be, with messages that show no secret."""

import contextlib
import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from components.problems import Problem


def check_known(given: Mapping[str, Any], allowed: Sequence[str], what: str) -> None:
    """Raise `Problem` when `given` holds a key that is not `allowed`, with the one that was probably meant."""
    for key in sorted(set(given) - set(allowed)):
        near = difflib.get_close_matches(key, allowed, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise Problem(f"unknown {what} {key!r}.{hint} Allowed: {', '.join(sorted(allowed))}.")


def to_flag(key: str, value: Any) -> bool:
    """Return `value`, which may be JSON, as a truth value; raise `Problem` when it is none."""
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise Problem(f"{key} is {value!r}: give true or false.")
    return value


def to_number(key: str, value: Any) -> float:
    """Return `value` as a finite number; raise `Problem` when it is none."""
    with contextlib.suppress(TypeError, ValueError):
        number = float(value)
        if math.isfinite(number) and not isinstance(value, bool):
            return number
    raise Problem(f"{key} is {value!r}: give a number.")


def to_whole_number(key: str, value: Any) -> int:
    """Return `value` as a whole number; raise `Problem` when it is none."""
    number = to_number(key, value)
    if number != int(number):
        raise Problem(f"{key} is {value!r}: give a whole number.")
    return int(number)


def to_texts(key: str, value: Any) -> dict[str, str]:
    """Return `value` as a mapping of names to texts; raise `Problem`, which shows no text, when it is none."""
    if not isinstance(value, dict):
        raise Problem(f"{key} is {kind_of(value)}: give a mapping of names to texts.")
    for name, item in value.items():
        if isinstance(item, (dict, list)):
            raise Problem(f"{key}.{name} is {kind_of(item)}: give a text.")
    return {str(name): item if isinstance(item, str) else json.dumps(item) for name, item in value.items()}


def kind_of(value: Any) -> str:
    """Return what a JSON value is, without what it says, which may be a secret."""
    kinds = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", type(None): "empty"}
    return kinds.get(type(value), "a number")
