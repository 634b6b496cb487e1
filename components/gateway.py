"""The gateway: HAProxy in front of a service's containers, on the service's port.

It stays while containers, certificates, limits and shares change: all that it is told comes as files in a volume.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi
import pulumi_docker as docker

from components import delivered_files, dockerfile, gateway_config, gateway_image, readiness, staging
from components.daemon import Daemon
from components.gateway_config import CERTIFICATE_FILE, CONFIG_FILE, FILES_ROOT, GatewayConfig, Version
from components.reporting import apply_reporting
from components.scoring_container import docker_check, hardening
from components.service_config import ServiceConfig
from components.stored_image import build_image

NO_CERTIFICATE = "# The service speaks plain HTTP.\n"
"""The file is always there: another set of files would be another volume, and so another gateway."""

# A gateway that is replaced interrupts its service: nothing of what a service may change is in these.
STOP_SECONDS = 60
"""How long a gateway that is stopped may finish requests."""
START_SECONDS = 60
"""How long failures of its health check do not count."""


@dataclass(frozen=True)
class Gateway:
    """A gateway's resources."""

    container: docker.Container
    files: delivered_files.DeliveredFiles
    networks: Sequence[docker.ContainerNetworksAdvancedArgs]
    """What the container joins."""


def build(name: str, config: ServiceConfig, host: Daemon, parent: pulumi.Resource) -> "pulumi.Output[str]":
    """Build the gateway's image and return its id."""
    image_name, platform = f"{config.name}-gateway", host.platform()
    stack, kind = pulumi.get_stack(), parent.pulumi_resource_type
    place = staging.claim(stack, f"{name}-gateway", "gateway", kind, name)
    context = gateway_image.stage(image_name, stack, place, platform)
    built = build_image(
        f"{name}-gateway",
        parent=parent,
        host=host,
        image_name=f"{image_name}:{context.tag}",
        context=context.path,
        platform=platform,
    )

    async def pin(reference: str) -> str:
        return await asyncio.to_thread(host.image_id, reference) or reference

    return apply_reporting(built.reference, name, pin)


def create(
    name: str,
    config: ServiceConfig,
    gateway: GatewayConfig,
    containers: Sequence[tuple[Version, docker.Container]],
    *,
    image: "pulumi.Output[str]",
    network: docker.Network,
    ready: "pulumi.Output[list[str]]",
    host: Daemon,
    parent: pulumi.Resource,
) -> Gateway:
    """Return the gateway of the versions' containers, whose files are delivered when all of these are `ready`.

    In a preview they are taken for ready, so that it shows what will change and not what may.
    """
    pem = ""
    if config.access.certificate:
        pem = f"{config.access.certificate.pem.rstrip()}\n{config.access.certificate.private_key.rstrip()}\n"
    text = pulumi.Output.all(*[container.name for _, container in containers]).apply(
        lambda names: gateway_config.haproxy_config(
            named(gateway, [(version.name, name) for (version, _), name in zip(containers, names, strict=True)]), pem
        )
    )
    contents: Mapping[str, pulumi.Input[str]] = {CONFIG_FILE: text, CERTIFICATE_FILE: pem or NO_CERTIFICATE}
    if not pulumi.runtime.is_dry_run():
        contents = {file: after(ready, content) for file, content in contents.items()}
    opts = pulumi.ResourceOptions(parent=parent)
    files = delivered_files.deliver(f"{name}-gateway", contents, folder=FILES_ROOT, image=image, opts=opts)
    label = config.network.dns_name_label
    networks = [
        docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=[label] if config.network.own else None)
    ]
    if config.network.vnet_name:
        joined = docker.ContainerNetworksAdvancedArgs(name=config.network.vnet_name, aliases=[label] if label else None)
        networks.append(joined)
    port = config.port or host.port_of(config.name, config.bind_address) or None
    container = docker.Container(
        f"{name}-gateway",
        **hardening(STOP_SECONDS),
        name=config.name,
        image=image,
        envs=[],
        tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=16m"},  # noqa: S108 - the container's own
        cpus="1.0",
        memory=256,
        memory_swap=256,
        ports=[docker.ContainerPortArgs(internal=dockerfile.PORT, external=port, ip=config.bind_address)],
        hostname=label or None,
        networks_advanced=networks,
        healthcheck=docker_check(readiness.health_check(gateway_config.HEALTH_PORT), START_SECONDS),
        labels=[docker.ContainerLabelArgs(label=f"{dockerfile.LABEL_PREFIX}.gateway", value=config.name)],
        volumes=[files.mount],
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[files.delivery],
            replace_on_changes=["healthcheck"],
            # A service that gets a gateway gives it its port and name.
            aliases=[pulumi.Alias(name=f"{name}-container")],
        ),
    )
    return Gateway(container, files, networks)


def named(gateway: GatewayConfig, containers: Sequence[tuple[str, str]]) -> GatewayConfig:
    """Return the configuration with the names of containers, which come as pairs of version and name."""
    versions = [
        replace(version, containers=[name for of, name in containers if of == version.name])
        for version in gateway.versions
    ]
    return replace(gateway, versions=versions)


def after(ready: "pulumi.Output[list[str]]", content: pulumi.Input[str]) -> "pulumi.Output[str]":
    """Return `content` once all containers are ready."""
    return pulumi.Output.all(ready, content).apply(lambda seen: str(seen[1]))
