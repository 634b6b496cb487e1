"""How a service's containers are made and waited for: one on a port of its own, or several behind a gateway."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker

from components import (
    delivered_files,
    dockerfile,
    gateway,
    gateway_config,
    gateway_status,
    names,
    readiness,
    service_access,
    service_needs,
    telemetry,
)
from components.daemon import Daemon
from components.gateway_config import GatewayConfig, Version
from components.reporting import apply_reporting
from components.scoring_container import Place, scoring_container
from components.service_config import ServiceConfig
from components.service_gateway import resource_part
from components.stored_image import pull_missing
from components.waiting import WAITS, Ready, mend, names_in, port_of, ready


@dataclass(frozen=True)
class Serving:
    """What is known of the containers of a service."""

    state: "pulumi.Output[str]"
    port: "pulumi.Output[int]"
    """The host port; 0 while it is not known."""
    image_id: "pulumi.Output[str]"
    container_id: "pulumi.Output[str]"


def alone(
    name: str,
    config: ServiceConfig,
    args: Mapping[str, Any],
    image: "pulumi.Output[str]",
    host: Daemon,
    parent: pulumi.Resource,
) -> Serving:
    """Create the container, which has the service's name and port, and wait for it."""
    pinned = pin(name, config, image, host)
    networks = own_networks(name, config, parent)
    container = scoring_container(
        f"{name}-container",
        config,
        image=pinned,
        environment=args.get("environment") or {},
        needed=need(name, config, image, pinned, host),
        told=telemetry.environment(args),
        files=files(name, config, args, pinned, parent),
        networks=networks,
        parent=parent,
        former=f"{name}-gateway",
    )
    waited = ready(name, config, container, networks, host)
    return Serving(
        waited.apply(lambda seen: seen.state), waited.apply(lambda seen: seen.port), container.image, container.id
    )


def behind_gateway(
    name: str,
    config: ServiceConfig,
    asked: GatewayConfig,
    args: Mapping[str, Any],
    image: "pulumi.Output[str]",
    host: Daemon,
    parent: pulumi.Resource,
) -> Serving:
    """Create the containers and the gateway, and wait for them in turn: new containers, then what leads to them."""
    own_name = config.name if config.network.own else None
    network = docker.Network(f"{name}-network", name=own_name, opts=pulumi.ResourceOptions(parent=parent))
    gateway_image = gateway.build(name, config, host, parent)
    delivered = files(name, config, args, gateway_image, parent)
    images = {version["name"]: version["image"] for version in args.get("versions") or ()}
    containers: list[tuple[Version, docker.Container]] = []
    joined = [docker.ContainerNetworksAdvancedArgs(name=network.name)]
    if config.network.vnet_name:
        joined.append(docker.ContainerNetworksAdvancedArgs(name=config.network.vnet_name))
    for version in asked.versions:
        reference = pulumi.Output.from_input(images.get(version.name, image))
        pinned = pin(name, config, reference, host)
        needed = need(name, config, reference, pinned, host)
        for number in range(1, asked.replicas + 1):
            made = scoring_container(
                f"{name}-{resource_part(version)}-{number}",
                config,
                image=pinned,
                environment=args.get("environment") or {},
                needed=needed,
                told=telemetry.environment(args),
                files=delivered,
                networks=joined,
                parent=parent,
                place=Place(version),
            )
            containers.append((version, made))
    all_ready = pulumi.Output.all(
        *[ready(name, config, made, joined, host).apply(lambda seen: seen.state) for _, made in containers]
    )
    front = gateway.create(
        name, config, asked, containers, image=gateway_image, network=network, ready=all_ready, host=host, parent=parent
    )

    def wait_for_all(gateway_id: str, names: Sequence[str], known: int) -> Ready:
        seen = readiness.DockerContainer(host.client, gateway_id, check_port=gateway_config.HEALTH_PORT)
        if pulumi.runtime.is_dry_run():
            return Ready(readiness.state_of(seen), known)
        gateway_status.wait_until_serving(
            gateway_status.DockerGateway(host.client, gateway_id), names, service=config.name
        )
        seen.look()
        return Ready(readiness.HEALTHY, seen.published[1] if seen.published else known)

    async def served(seen: list[Any]) -> Ready:
        gateway_id, networks, port, _, _, *container_names = seen
        await mend(gateway_id, networks, config.name, host, front.container, again=True)
        return await asyncio.get_running_loop().run_in_executor(WAITS, wait_for_all, gateway_id, container_names, port)

    known = pulumi.Output.all(
        front.container.id,
        names_in(front.networks),
        port_of(front.container),
        front.files.delivery.id,
        all_ready,
        *[container.name for _, container in containers],
    )
    # What is waited for holds secrets, such as the certificate's key; the state and the port do not.
    waited = pulumi.Output.unsecret(apply_reporting(known, name, served))
    return Serving(
        waited.apply(lambda seen: seen.state),
        waited.apply(lambda seen: seen.port),
        containers[0][1].image,
        containers[0][1].id,
    )


def pin(name: str, config: ServiceConfig, reference: "pulumi.Output[str]", host: Daemon) -> "pulumi.Output[str]":
    """Return the image's id, so that a container is replaced when, and only when, its image is another."""
    registry = config.registry

    async def found(seen: list[str]) -> str:
        text, password = seen
        # One whose name begins with no registry is of this daemon alone: there is nowhere to pull it from.
        if names.registry_of(text) and not pulumi.runtime.is_dry_run():
            await asyncio.to_thread(pull_missing, text, host, registry, password)
        return await asyncio.to_thread(host.image_id, text) or text

    # What comes of it holds nothing of the password that the registry was asked with.
    return pulumi.Output.unsecret(apply_reporting(pulumi.Output.all(reference, registry.password), name, found))


def served_models(name: str, image_id: "pulumi.Output[str]", host: Daemon) -> "pulumi.Output[dict[str, str]]":
    """Return the sha256 of each model in an image, by `name:version`, as the daemon has the image."""

    async def digests(seen: str) -> dict[str, str]:
        environment = await asyncio.to_thread(host.image_environment, seen)
        return dockerfile.models_of(environment)

    return apply_reporting(image_id, name, digests)


def need(
    name: str, config: ServiceConfig, reference: "pulumi.Output[str]", pinned: "pulumi.Output[str]", host: Daemon
) -> "pulumi.Output[service_needs.Limits]":
    """Return what a container may use: what is given, else what its image's models need."""
    registry = config.registry

    async def limits(seen: list[str]) -> service_needs.Limits:
        needs = await asyncio.to_thread(service_needs.needs_of, seen[0], host, registry, seen[1])
        return await asyncio.to_thread(service_needs.limits_of, needs, config.cpus, config.memory_mb, host)

    asked: pulumi.Output[list[str]] = pulumi.Output.all(reference, registry.password, pinned)
    return pulumi.Output.unsecret(apply_reporting(asked, name, limits))


def files(
    name: str, config: ServiceConfig, args: Mapping[str, Any], image: "pulumi.Output[str]", parent: pulumi.Resource
) -> delivered_files.DeliveredFiles | None:
    """Return the server's keys and certificate, where it needs any."""
    texts = service_access.files(name, config.server_access, args)
    if not texts:
        return None
    opts = pulumi.ResourceOptions(parent=parent)
    return delivered_files.deliver(name, texts, folder=service_access.FOLDER, image=image, opts=opts)


def own_networks(
    name: str, config: ServiceConfig, parent: pulumi.Resource
) -> Sequence[docker.ContainerNetworksAdvancedArgs] | None:
    """Return the networks that a container joins, if other than Docker's own, with its names there."""
    asked = config.network
    joined: pulumi.Input[str] = asked.vnet_name
    if asked.own:
        opts = pulumi.ResourceOptions(parent=parent)
        joined = docker.Network(f"{name}-network", name=config.name, opts=opts).name
    elif not asked.vnet_name:
        return None
    aliases = [asked.dns_name_label] if asked.dns_name_label else None
    return [docker.ContainerNetworksAdvancedArgs(name=joined, aliases=aliases)]
