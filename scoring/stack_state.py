"""What a stack has deployed, out of its state as Pulumi exports it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components import dockerfile

CONTAINER = "docker:index/container:Container"
STACK = "pulumi:pulumi:Stack"
SERVICE_LABEL = f"{dockerfile.LABEL_PREFIX}.service.name"
"""What the containers have that serve; those that carry keys, or stand in front, have not."""

GATEWAY_LABEL = f"{dockerfile.LABEL_PREFIX}.gateway"
"""What a gateway has: the name of the service that it stands in front of."""

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - Pulumi's mark of a secret, none itself
"""How Pulumi's state marks a secret: an object with this signature, its JSON text in `plaintext`."""


@dataclass(frozen=True)
class DeployedContainer:
    """A container that a stack has made."""

    id: str
    service: str
    docker_host: str = ""
    """Where it is; empty for the daemon that Docker's own client would use."""
    is_gateway: bool = False
    """Whether it stands in front of those that serve."""
    is_leaving: bool = False
    """Whether another one has taken its place, and an update has yet to remove it."""


@dataclass(frozen=True)
class Deployed:
    """What a stack has deployed."""

    services: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The stack's output `services`: what is known of each, by name."""
    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """The stack's output `keys`: primary and secondary of the services that ask for them."""
    containers: Sequence[DeployedContainer] = ()

    @property
    def names(self) -> list[str]:
        """The services, sorted: those in the output, and those of a first deployment that failed."""
        return sorted({*self.services, *(container.service for container in self.containers)})

    def containers_of(self, service: str) -> list[DeployedContainer]:
        """Return the containers of a service."""
        return [container for container in self.containers if container.service == service]


def read(state: Mapping[str, Any]) -> Deployed:
    """Return what `state`, a stack's exported deployment with its secrets shown, says of services.

    Raises:
        ValueError: the stack's output `services` is not that of this project.
    """
    resources = state.get("resources") or []
    by_urn = {resource["urn"]: resource for resource in resources}
    outputs: Mapping[str, Any] = next(
        (revealed(resource.get("outputs") or {}) for resource in resources if resource["type"] == STACK), {}
    )
    services = outputs.get("services") or {}
    if not isinstance(services, dict) or not all(
        isinstance(service, dict) and isinstance(service.get("scoringUri"), str) for service in services.values()
    ):
        raise ValueError("its output `services` is not an object of services with a scoringUri each")
    return Deployed(services, outputs.get("keys") or {}, tuple(containers(resources, by_urn)))


def containers(
    resources: Sequence[Mapping[str, Any]], by_urn: Mapping[str, Mapping[str, Any]]
) -> list[DeployedContainer]:
    """Return the containers that serve and their gateways, in the order of the state."""
    found = []
    for resource in resources:
        if resource["type"] != CONTAINER or not resource.get("id"):
            continue
        labels = revealed((resource.get("outputs") or {}).get("labels")) or []
        known = {one["label"]: one["value"] for one in labels}
        service = known.get(SERVICE_LABEL) or known.get(GATEWAY_LABEL)
        if service:
            provider = by_urn.get(str(resource.get("provider", "")).rpartition("::")[0], {})
            found.append(
                DeployedContainer(
                    id=resource["id"],
                    service=service,
                    docker_host=str(revealed((provider.get("inputs") or {}).get("host")) or ""),
                    is_gateway=GATEWAY_LABEL in known,
                    is_leaving=bool(resource.get("delete")),
                )
            )
    return found


def revealed(value: Any) -> Any:
    """Return a value of the state with the secrets in it as what they are."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return revealed(json.loads(value["plaintext"]))
        return {key: revealed(item) for key, item in value.items()}
    return [revealed(item) for item in value] if isinstance(value, list) else value
