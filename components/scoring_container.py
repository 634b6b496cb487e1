"""The container that serves, with no more rights than it needs: on a port of its own, or behind a gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from components import dockerfile, limits, readiness
from components.delivered_files import DeliveredFiles
from components.gateway_config import Version
from components.service_config import ServiceConfig
from components.service_gateway import ONLY_VERSION
from components.service_needs import Limits

LAME_DUCK_SECONDS = 2
"""How long a container that is stopped still serves: the gateway looks twice a second, and believes what it sees
twice."""

EXIT_SECONDS = 1
"""What is left of the time to stop when the server's own time for it is over."""


@dataclass(frozen=True)
class Place:
    """Where a container stands behind a gateway."""

    version: Version


def scoring_container(
    resource: str,
    config: ServiceConfig,
    *,
    image: pulumi.Input[str],
    environment: pulumi.Input[Mapping[str, pulumi.Input[str]]],
    needed: "pulumi.Output[Limits]",
    told: Mapping[str, str],
    files: DeliveredFiles | None,
    networks: Sequence[docker.ContainerNetworksAdvancedArgs] | None,
    parent: pulumi.Resource,
    place: Place | None = None,
    former: str = "",
) -> docker.Container:
    """Return a container of the service.

    Args:
        resource: the resource's name.
        config: the service's configuration.
        image: id of the image.
        environment: the user's variables, which win over the service's own, save those on access.
        needed: what it may use.
        told: the server's settings on what it tells and records.
        files: keys and certificates.
        networks: what it joins in place of Docker's default network.
        parent: the service.
        place: where it stands behind a gateway. Without one it has the service's name and port, and is removed before
            its successor starts; with one the successor starts, under a name of its own, beside it.
        former: name of the resource that may have had the service's name and port before.
    """

    def variables(seen: list[Any]) -> list[str]:
        limits, given = seen
        known = {**own_variables(config, place), **told, "WORKER_COUNT": str(limits.workers), **given}
        return sorted(f"{key}={value}" for key, value in {**known, **config.server_access.environment}.items())

    envs = pulumi.Output.all(needed, environment).apply(variables)
    port = docker.ContainerPortArgs(internal=dockerfile.PORT, external=config.port or None, ip=config.bind_address)
    tls = config.server_access.certificate is not None
    standing: dict[str, Any] = {}
    opts = pulumi.ResourceOptions(
        parent=parent, depends_on=[files.delivery] if files else [], replace_on_changes=["healthcheck"]
    )
    if place:
        opts.delete_before_replace = False
    else:
        # A service that gives up its gateway has its port and name again.
        opts.aliases = [pulumi.Alias(name=former)] if former else None
        standing = {"name": config.name, "ports": [port], "hostname": config.network.dns_name_label or None}
    return docker.Container(
        resource,
        **standing,
        **hardening(config.stop_grace_seconds),
        image=image,
        envs=envs,
        tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=64m"},  # noqa: S108 - the container's own
        cpus=needed.apply(lambda limits: limits.cpus),
        memory=needed.apply(lambda limits: limits.memory_mb),
        memory_swap=needed.apply(lambda limits: limits.memory_mb),
        gpus=needed.apply(lambda limits: limits.gpus),
        healthcheck=docker_check(
            readiness.HEALTH_CHECK_BESIDE_TLS if tls else readiness.HEALTH_CHECK, config.wait_timeout
        ),
        labels=[docker.ContainerLabelArgs(label=key, value=value) for key, value in sorted(config.labels.items())],
        volumes=[files.mount] if files else None,
        networks_advanced=networks,
        opts=opts,
    )


def own_variables(config: ServiceConfig, place: Place | None) -> dict[str, str]:
    """Return the server's settings that the service sets."""
    lame_duck = LAME_DUCK_SECONDS if place else 0
    found = {"SERVICE_NAME": config.name, "SCORING_DRAIN": str(config.stop_grace_seconds - lame_duck - EXIT_SECONDS)}
    if config.scoring_timeout_ms:
        found["SCORING_TIMEOUT_MS"] = str(config.scoring_timeout_ms)
    if place:
        found["SCORING_LISTEN_WHEN_READY"] = "true"
        found["SCORING_LAME_DUCK"] = str(lame_duck)
        if not config.network.vnet_name:
            # Nobody but the gateway is on the service's own network: it may say who the caller is.
            found["SCORING_FORWARDED_ALLOW_IPS"] = "*"
        if place.version.name != ONLY_VERSION:
            found["SERVICE_VERSION"] = place.version.name
    return found


def hardening(stop_seconds: int) -> dict[str, Any]:
    """Return what all running containers of a service have in common, as arguments of a `docker.Container`.

    Args:
        stop_seconds: how long one that is stopped may go on, to finish requests.
    """
    return {
        "user": dockerfile.USER,
        "init": True,
        "read_only": True,
        "capabilities": docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        "security_opts": ["no-new-privileges:true"],
        "log_driver": "json-file",
        "log_opts": {"max-file": "3", "max-size": "10m"},
        "restart": "unless-stopped",
        "stop_timeout": stop_seconds,
        "destroy_grace_seconds": stop_seconds,
        "must_run": True,
    }


def docker_check(tests: list[str], start_seconds: int) -> docker.ContainerHealthcheckArgs:
    """Return Docker's own check of a container, whose failures do not count in its first `start_seconds`."""
    return docker.ContainerHealthcheckArgs(
        tests=tests, interval="10s", timeout="5s", retries=3, start_period=limits.duration(start_seconds)
    )
