"""What a gateway says of itself, and the wait for it."""

from collections.abc import Sequence

import pytest

from components.gateway_status import (
    CURRENT,
    DRAIN_SECONDS,
    DRAINING,
    PENDING,
    REFUSED,
    Status,
    parse,
    wait_until_serving,
)
from components.problems import Problem

HEAD = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight"


def server(name: str, operation: int = 2, administration: int = 0, health: int = 2) -> str:
    return f"4 backend 1 {name} 10.0.0.2 {operation} {administration} 1 1 10 6 3 {health} 6 0 0 0 {name} 5001 -"


def said(configuration: str, *servers: str) -> str:
    return "\n".join([configuration, HEAD, *servers, ""])


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", Status(PENDING)),
        ("pending\n", Status(PENDING)),
        ("odd\n", Status(PENDING)),
        ("refused [ALERT] unknown keyword\n", Status(REFUSED, "[ALERT] unknown keyword")),
        (said("current"), Status(CURRENT)),
        (said("draining", server("a-1")), Status(DRAINING, "", frozenset({"a-1"}))),
        (said("current", server("a-1")), Status(CURRENT, "", frozenset({"a-1"}))),
        (said("current", server("a-1", operation=0)), Status(CURRENT)),
        (said("current", server("a-1", health=1)), Status(CURRENT)),
        (said("current", server("a-1", 0, 32)), Status(CURRENT)),
        (said("pending", server("a-1"), server("a-2")), Status(PENDING, "", frozenset({"a-1", "a-2"}))),
    ],
)
def test_the_status_is_read(text: str, status: Status) -> None:
    assert parse(text) == status


class Talking:
    """A gateway that says one thing after the other, and then the last for ever."""

    def __init__(self, texts: Sequence[str | None]) -> None:
        self.texts = list(texts)
        self.asked = 0

    def ask(self) -> str | None:
        self.asked += 1
        return self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]

    def tail(self, lines: int) -> list[str]:
        return ["a log line"]


def wait(texts: Sequence[str | None]) -> Talking:
    """Wait with a clock that goes on by a second with each look."""
    gateway = Talking(texts)
    times = iter(range(1000))
    wait_until_serving(
        gateway, ["a-1"], service="svc", timeout=5, clock=lambda: next(times), pause=lambda seconds: None
    )
    return gateway


GOOD = said("current", server("a-1"))
REFUSAL = "refused [ALERT] no certificate\n"


@pytest.mark.parametrize(
    "before",
    [
        [],
        [None],
        [""],
        [said("pending", server("a-1"))],
        [said("current")],
        [said("current", server("a-2"))],
        [said("current", server("a-1", operation=0))],
        [said("current", server("a-1", health=1))],
        [REFUSAL, REFUSAL],
        [REFUSAL, said("pending"), REFUSAL, REFUSAL],
        [said("draining", server("a-1"))] * 10,
    ],
)
def test_it_waits_until_the_gateway_serves_from_the_container(before: list[str | None]) -> None:
    assert wait([*before, GOOD]).asked == len(before) + 1


def test_requests_that_take_long_are_left_to_their_containers() -> None:
    assert wait([said("draining"), said("draining", server("a-1"))]).asked == 1 + DRAIN_SECONDS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (REFUSAL, r"^the gateway of svc refuses .* keeps the former: \[ALERT\] no certificate$"),
        (None, r"(?s)^after 5 s the gateway of svc does not run\..*a log line"),
        ("pending\n", r"after 5 s the gateway of svc has a configuration that is pending\."),
        (said("current"), r"after 5 s the gateway of svc does not reach the containers a-1\."),
        (said("draining"), r"after 5 s the gateway of svc does not reach the containers a-1\."),
    ],
)
def test_it_says_what_is_wrong(text: str | None, message: str) -> None:
    with pytest.raises(Problem, match=message):
        wait([text])
