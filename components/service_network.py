"""A service on Docker networks: an existing one to join, and the name by which containers there find it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components import names
from components.problems import Problem


@dataclass(frozen=True)
class Network:
    """A network of a Docker daemon."""

    name: str
    driver: str = "bridge"
    scope: str = "local"
    internal: bool = False
    attachable: bool = False

    @property
    def obstacle(self) -> str:
        """Why a service cannot join it and be reached from outside; empty when it can."""
        if self.driver in ("host", "null"):
            return "is no network that a container joins beside its own ports"
        if self.internal:
            return "is internal, so that no port can be published from it"
        if self.scope == "swarm" and not self.attachable:
            return "takes services of a swarm alone: make it with --attachable"
        return ""


@dataclass(frozen=True)
class NetworkConfig:
    """The checked arguments on networks."""

    vnet_name: str = ""
    """The existing network to join; empty for Docker's default one, or for one of the service's own."""
    dns_name_label: str = ""
    """The container's host name, and its name on its network; empty for none."""

    @property
    def own(self) -> bool:
        """Whether the service needs a network of its own: Docker's default one knows no names."""
        return bool(self.dns_name_label) and not self.vnet_name


def check(args: Mapping[str, Any]) -> NetworkConfig:
    """Return the checked arguments on networks of a ContainerWebservice; raise `Problem` when a name is none."""
    label = args.get("dns_name_label") or ""
    return NetworkConfig(
        vnet_name=args.get("vnet_name") or "",
        dns_name_label=names.check_dns_label("dnsNameLabel", label) if label else "",
    )


def check_joinable(config: NetworkConfig, networks: Sequence[Network]) -> None:
    """Raise `Problem` unless the network to join is one of the daemon's `networks`, and can be joined."""
    if not config.vnet_name:
        return
    joinable = sorted(network.name for network in networks if not network.obstacle)
    found = [network for network in networks if network.name == config.vnet_name]
    if not found:
        raise Problem(
            f"vnetName is {config.vnet_name!r}, and there is no such Docker network: give one of "
            f"{', '.join(joinable)}, or make it with: docker network create {config.vnet_name}"
        )
    if obstacle := found[0].obstacle:
        raise Problem(f"vnetName is {config.vnet_name!r}, which {obstacle}. Give one of {', '.join(joinable)}.")
    if config.dns_name_label and config.vnet_name == "bridge":
        raise Problem(
            "dnsNameLabel needs a network with names, and Docker's default network, bridge, knows none: give another "
            "vnetName, or none for a network of the service's own."
        )
