"""The containers of a service, as the Docker daemons that run them see them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components import daemon, dockerfile, readiness
from scoring.stack_state import DeployedContainer

FAILED = "Failed"
"""The state of a service without a container."""

STATES = (readiness.HEALTHY, readiness.TRANSITIONING, readiness.UNHEALTHY)
"""From the best to the worst."""

NANO, GIBIBYTE = 10**9, 2**30
DESCRIBED = ("tags", "properties", "description")


class ServiceContainer(readiness.DockerContainer):
    """A container of a service.

    Args:
        host: the daemon that runs it.
        record: what the stack says of it.
        inspected: what the daemon says of it.
    """

    def __init__(self, host: daemon.Daemon, record: DeployedContainer, inspected: Mapping[str, Any]) -> None:
        check = (inspected["Config"].get("Healthcheck") or {}).get("Test")
        tls = check == readiness.HEALTH_CHECK_BESIDE_TLS
        super().__init__(host.client, record.id, local=host.is_local and not record.is_gateway, tls=tls)
        if check:
            # What the container was created with, by whichever version of the project.
            self.check = check
        self.inspected = inspected
        self.is_gateway = record.is_gateway
        self.is_leaving = record.is_leaving

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.inspected["Name"]).lstrip("/")

    @property
    def port(self) -> int:
        """The host port that it is published on now; 0 for none."""
        ports = self.inspected["NetworkSettings"].get("Ports") or {}
        bindings = ports.get(f"{dockerfile.PORT}/tcp") or []
        return int(bindings[0]["HostPort"]) if bindings else 0

    @property
    def limits(self) -> dict[str, float]:
        """Its CPU cores and memory in GiB, as the daemon holds it to them."""
        host = self.inspected["HostConfig"]
        return {"cpuCores": host["NanoCpus"] / NANO, "memoryGb": round(host["Memory"] / GIBIBYTE, 3)}

    @property
    def described(self) -> dict[str, Any]:
        """What its labels say of the service: tags, properties and description, those that it has."""
        labels = self.inspected["Config"].get("Labels") or {}
        given = {key: labels.get(f"{dockerfile.LABEL_PREFIX}.service.{key}", "") for key in DESCRIBED}
        return {key: text if key == "description" else json.loads(text) for key, text in given.items() if text}

    @property
    def summary(self) -> dict[str, Any]:
        """What it is and does, as JSON values."""
        state = self.inspected["State"]
        found = {
            "name": self.name,
            "role": "gateway" if self.is_gateway else "scoring",
            "status": state["Status"],
            "restarts": self.inspected["RestartCount"],
            "id": self.id,
        }
        if state["Status"] in ("exited", "dead"):
            found["exitCode"] = state["ExitCode"]
        return found

    def stamped_tail(self, lines: int) -> list[str]:
        """Return the last log lines, each after its time and a space; the texts of times sort as the times do."""
        text = self.api.logs(self.id, tail=lines, timestamps=True).decode("utf-8", "replace")
        return [line.rstrip() for line in text.splitlines()]


def find(records: Iterable[DeployedContainer]) -> list[ServiceContainer]:
    """Return the containers that are still there, by name, but gateways behind the others, and those that leave last.

    Raises:
        Problem: a Docker daemon does not answer.
    """
    import docker.errors

    found = []
    for record in records:
        host = daemon.connect(record.docker_host)
        try:
            found.append(ServiceContainer(host, record, host.client.api.inspect_container(record.id)))
        except docker.errors.NotFound:
            continue
    return sorted(found, key=lambda container: (container.is_leaving, container.is_gateway, container.name))


def state_of(containers: Sequence[ServiceContainer], port: int = 0) -> str:
    """Return the state of a service: that of its best container, if callers are led to it.

    Args:
        containers: those of the service, and their gateway.
        port: the host port on which callers look for it; 0 for whichever it is published on.
    """
    serving = [container for container in containers if not container.is_gateway]
    states = [readiness.state_of(container) for container in serving]
    best = next((state for state in STATES if state in states), FAILED)
    if best != readiness.HEALTHY:
        return best
    fronts = [container for container in containers if container.is_gateway]
    # A gateway that runs may still lead nowhere.
    ready = [container for container in fronts or serving if readiness.state_of(container) == readiness.HEALTHY]
    return best if any(port in (0, container.port) for container in ready) else readiness.UNHEALTHY


def merged(logs: Mapping[str, Sequence[str]], lines: int) -> list[str]:
    """Return the last lines of logs in the order of their times, each with its container where there are several.

    Args:
        logs: lines by the container's name, each after its time and a space.
        lines: how many, in all.
    """
    width = max(map(len, logs), default=0)
    stamped = [
        (*line.partition(" ")[::2], f"{name:{width}} | " if len(logs) > 1 else "")
        for name, log in logs.items()
        for line in log
    ]
    return [f"{name}{text}" for _, text, name in sorted(stamped, key=lambda line: line[0])[-lines:]]
