"""The wait until a gateway serves from all containers, and from no others.

It has taken up its files, its own checks of the containers have passed, and the process with the former configuration,
which knows former containers alone, has ended.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from components.gateway_config import KEEP_ALIVE_SECONDS
from components.gateway_image import COMMAND
from components.problems import Problem
from components.readiness import LOG_LINES, with_log

TIMEOUT_SECONDS = 60
"""What waits here is ready already: the gateway looks at it twice a second."""

POLL_SECONDS = 0.2
CURRENT, PENDING, REFUSED, DRAINING = "current", "pending", "refused", "draining"
"""What the script says of the delivered configuration; draining is current beside a former one that lives on."""

RUNNING, CHECKED = "2", "2"
"""HAProxy's numbers, in `show servers state`, for a server in service, and for the health of one that passed a check:
before the first, it takes a server for up."""

REFUSED_SECONDS = 3
"""Files are replaced one after the other: what is refused may be half of what is delivered."""

DRAIN_SECONDS = KEEP_ALIVE_SECONDS + 2
"""Idle connections have ended then. What is still open is a request that its container will finish."""


@dataclass(frozen=True)
class Status:
    """What a gateway says of itself."""

    configuration: str
    """Whether the delivered configuration is the one in use: current, draining, pending or refused."""
    reason: str = ""
    serving: frozenset[str] = frozenset()
    """Names of the containers that get requests and have passed a check."""


class Gateway(Protocol):
    """A gateway as the wait needs it."""

    def ask(self) -> str | None:
        """Return what the script's `status` prints; None while it does not run."""

    def tail(self, lines: int) -> list[str]:
        """Return the last log lines."""


def parse(text: str) -> Status:
    """Read what the gateway's script prints: the state of the configuration, then `show servers state` of HAProxy."""
    first, *lines = text.splitlines() or [""]
    word, _, reason = first.partition(" ")
    serving = set()
    for line in lines:
        fields = line.split()
        if len(fields) > 12 and not line.startswith("#"):
            name, operation, administration, health = fields[3], fields[5], fields[6], fields[12]
            if (operation, administration, health) == (RUNNING, "0", CHECKED):
                serving.add(name)
    known = word if word in (CURRENT, DRAINING, REFUSED) else PENDING
    return Status(known, reason.strip(), frozenset(serving))


def wait_until_serving(
    gateway: Gateway,
    wanted: Collection[str],
    *,
    service: str,
    timeout: float = TIMEOUT_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Return when the gateway serves from all containers and no more from others.

    Args:
        gateway: the gateway.
        wanted: names of the containers.
        service: the service's name, for messages.
        timeout: seconds to wait.

    Raises:
        Problem: the gateway refuses its configuration, or does not take up all containers in time.
    """
    start = accepted = serving_since = clock()
    missing = set(wanted)
    while True:
        text, now = gateway.ask(), clock()
        seen = parse(text) if text is not None else None
        if not seen or seen.configuration != REFUSED:
            accepted = now
        elif now - accepted >= REFUSED_SECONDS:
            raise Problem(f"the gateway of {service} refuses its configuration and keeps the former: {seen.reason}")
        taken = seen is not None and seen.configuration in (CURRENT, DRAINING)
        missing = set(wanted) - seen.serving if seen and taken else set(wanted)
        if missing:
            serving_since = now
        elif seen and (seen.configuration == CURRENT or now - serving_since >= DRAIN_SECONDS):
            return
        if missing and now - start >= timeout:
            state = "does not run" if seen is None else f"has a configuration that is {seen.configuration}"
            if taken:
                state = f"does not reach the containers {', '.join(sorted(missing))}"
            raise Problem(with_log(f"after {timeout:.0f} s the gateway of {service} {state}.", gateway.tail(LOG_LINES)))
        pause(POLL_SECONDS)


class DockerGateway:
    """A gateway in a container of a Docker daemon."""

    def __init__(self, client: Any, container_id: str) -> None:
        self.api = client.api
        self.id = container_id

    def ask(self) -> str | None:
        """Return what the script's `status` prints; None while it does not run."""
        import docker.errors

        try:
            run = self.api.exec_create(self.id, [*COMMAND, "status"])
            text: str = self.api.exec_start(run["Id"]).decode("utf-8", "replace")
            return text if self.api.exec_inspect(run["Id"])["ExitCode"] == 0 else None
        except docker.errors.APIError:
            return None

    def tail(self, lines: int) -> list[str]:
        """Return the last log lines."""
        text = self.api.logs(self.id, tail=lines).decode("utf-8", "replace")
        return [line.rstrip() for line in text.splitlines()]
