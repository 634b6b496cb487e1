"""What a case says: a request to an application, and the answer that it must get."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Anything:
    """Equal to whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "ANY"


class Has:
    """Equal to every object with these members, themselves compared in this way; it may have more."""

    def __init__(self, **members: Any) -> None:
        self.members = members

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and all(
            name in other and value == other[name] for name, value in self.members.items()
        )

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"Has({self.members})"


class Matches:
    """Equal to texts that the pattern is found in."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.search(self.pattern, other) is not None

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return f"Matches({self.pattern!r})"


JSON = {"Content-Type": "application/json"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MILLISECONDS = re.compile(r"\d+\.\d{3}")
ABSENT = None
ANY: Any = Anything()

NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling and "
    "try again."
)
NOT_ALLOWED = "The method is not allowed for the requested URL."
RUN_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."
FAILED = {"x-ms-run-function-failed": "True"}
NOT_FAILED = {"x-ms-run-function-failed": "False"}

Headers = Mapping[str, "str | re.Pattern[str] | tuple[str, ...] | None"]


@dataclass(frozen=True)
class Expected:
    """An answer.

    Attributes:
        status: 0 where the connection ends without an answer.
        body: bytes exactly, or anything else as JSON.
        headers: a value, a pattern for it, the values of a repeated header, or ABSENT.
        log: patterns, each found in a line that the request leaves in the log.
        no_log: patterns, none of which is found there.
    """

    status: int
    body: Any = ANY
    headers: Headers = field(default_factory=dict)
    log: tuple[str, ...] = ()
    no_log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Differs:
    """What Azure ML's own server answers where this one differs on purpose, and why it does."""

    why: str
    status: int
    body: Any = ANY
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A request, and what is expected as `Expected` has it."""

    name: str
    request: tuple[str, str]
    status: int
    body: Any = ANY
    send: bytes | str | None = None
    with_headers: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=dict)
    app: str = "plain"
    log: tuple[str, ...] = ()
    no_log: tuple[str, ...] = ()
    differs: Differs | None = None

    @property
    def expected(self) -> Expected:
        """The answer of this project's server."""
        return Expected(self.status, self.body, self.headers, self.log, self.no_log)

    @property
    def expected_of_reference(self) -> Expected:
        """The answer of Azure ML's server."""
        if self.differs is None:
            return self.expected
        return Expected(self.differs.status, self.differs.body, self.differs.headers)


def message(text: str) -> dict[str, str]:
    return {"message": text}


def post(name: str, value: Any, status: int = 200, body: Any = ANY, **more: Any) -> Case:
    """A POST of a JSON value, or of text or bytes as they are with `send`."""
    return Case(name, ("POST", "/score"), status, body, json.dumps(value), JSON, **more)


def result(name: str, expression: str, status: int = 200, body: Any = ANY, **more: Any) -> Case:
    """A POST to the plain script, which returns what the Python expression makes."""
    return post(name, {"do": "value", "expression": expression}, status, body, **more)
