"""The error that every component raises for a mistake that the user can mend."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 - a problem of the input, shown to the user by its message alone
    """A mistake in what the user gave. ``str(problem)`` says what was given, what is allowed and the fix."""
