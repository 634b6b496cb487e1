"""The two keys of a service: how they are given, how strong they are, how the container gets them."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from components.problems import Problem

NAMES = ("primary", "secondary")
"""Two, so that callers can change over from one to the other while both are valid."""

LENGTH = 32
"""Characters of a key, at least: as Azure ML's own."""

DISTINCT = 8
"""Different characters of a key, at least: 32 random hexadecimal digits have fewer once in twenty million keys."""

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What may follow `Bearer` in a header: RFC 6750, section 2.1."""


def setting(name: str) -> str:
    """Return the setting of the key `name`: `primaryKey`, `secondaryKey`."""
    return f"{name}Key"


def new_key() -> str:
    """Return a random key of 256 bits, as 64 hexadecimal digits."""
    return secrets.token_hex(32)


def check_given(auth_enabled: bool, given: Mapping[str, Any], stack: str) -> None:
    """Check that both keys are there when, and only when, keys are asked for.

    Args:
        auth_enabled: whether callers must have a key.
        given: whether, or what, each of `NAMES` is.
        stack: the stack's name, for the command that sets a key.

    Raises:
        Problem: a key is missing, with the command that makes and sets it, or has no use.
    """
    if auth_enabled:
        if missing := [name for name in NAMES if not given.get(name)]:
            commands = "\n".join(f"  {command(name, stack)}" for name in missing)
            settings = " and ".join(setting(name) for name in missing)
            raise Problem(f"authEnabled needs {settings}. Make and keep as secrets:\n{commands}")
    elif unused := [setting(name) for name in NAMES if given.get(name)]:
        raise Problem(
            f"{' and '.join(unused)} given, but no key is asked for: set authEnabled to true, or drop the keys."
        )


def command(name: str, stack: str) -> str:
    """Return the command that makes the key `name` and sets it, without showing it to the process list."""
    return f"openssl rand -hex 32 | pulumi config set --secret {setting(name)} --stack {stack}"


def file_of(primary: str, secondary: str) -> str:
    """Return the file from which the server reads the keys, one a line.

    Raises:
        Problem: a key is weak, or both are the same; no key is shown.
    """
    for name, key in zip(NAMES, (primary, secondary), strict=True):
        check_strength(setting(name), key)
    if primary == secondary:
        raise Problem("primaryKey and secondaryKey are the same: two are there to be changed one after the other.")
    return f"{primary}\n{secondary}\n"


def check_strength(setting: str, key: str) -> None:
    """Raise `Problem`, which does not show the key, unless it is a token that cannot be guessed."""
    fix = "make one with: openssl rand -hex 32"
    if not isinstance(key, str) or len(key) < LENGTH:
        length = len(key) if isinstance(key, str) else 0
        raise Problem(f"{setting} has {length} characters, {LENGTH} or more are needed: {fix}")
    if not TOKEN.fullmatch(key):
        raise Problem(f"{setting} has characters that no Authorization header can carry, such as blanks: {fix}")
    if len(set(key)) < DISTINCT:
        raise Problem(f"{setting} is easily guessed, with {len(set(key))} different characters: {fix}")
