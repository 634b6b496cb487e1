"""The wait until a gateway serves from all containers: it has taken up its files, and its own checks have passed."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from components.gateway_image import COMMAND
from components.problems import Problem
from components.readiness import LOG_LINES, with_log

TIMEOUT_SECONDS = 60
"""What waits here is ready already: the gateway looks at it twice a second."""

POLL_SECONDS = 0.2
CURRENT, PENDING, REFUSED = "current", "pending", "refused"
RUNNING = "2"
"""HAProxy's number for a server in service, in `show servers state`."""


@dataclass(frozen=True)
class Status:
    """What a gateway says of itself."""

    configuration: str
    """Whether the delivered configuration is the one in use: current, pending or refused."""
    reason: str = ""
    serving: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Addresses of the containers that get requests, by version."""


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
    serving: dict[str, set[str]] = {}
    for line in lines:
        fields = line.split()
        if len(fields) > 6 and not line.startswith("#"):
            backend, address, operation, administration = fields[1], fields[4], fields[5], fields[6]
            if operation == RUNNING and administration == "0":
                serving.setdefault(backend, set()).add(address)
    known = word if word in (CURRENT, REFUSED) else PENDING
    return Status(known, reason.strip(), {name: frozenset(found) for name, found in serving.items()})


def wait_until_serving(
    gateway: Gateway,
    wanted: Mapping[str, Collection[str]],
    *,
    service: str,
    timeout: float = TIMEOUT_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Return when the gateway serves from all containers.

    Args:
        gateway: the gateway.
        wanted: addresses of the containers, by version.
        service: the service's name, for messages.
        timeout: seconds to wait.

    Raises:
        Problem: the gateway refuses its configuration, or does not take up all containers in time.
    """
    start = clock()
    while True:
        text = gateway.ask()
        seen = parse(text) if text is not None else None
        if seen and seen.configuration == REFUSED:
            raise Problem(f"the gateway of {service} refuses its configuration and keeps the former: {seen.reason}")
        if seen and seen.configuration == CURRENT:
            missing = [
                address
                for name, addresses in wanted.items()
                for address in set(addresses) - seen.serving.get(name, set())
            ]
            if not missing:
                return
        if clock() - start >= timeout:
            state = "does not run" if seen is None else f"has a configuration that is {seen.configuration}"
            if seen and seen.configuration == CURRENT:
                state = f"does not reach the containers at {', '.join(sorted(missing))}"
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


def address_of(client: Any, container_id: str, network: str) -> str:
    """Return a container's address in a network; empty while it has none."""
    networks = client.api.inspect_container(container_id)["NetworkSettings"]["Networks"]
    return str(networks.get(network, {}).get("IPAddress", ""))
