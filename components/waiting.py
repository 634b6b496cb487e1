"""The wait for a service's container in a deployment; what was done to it by hand is undone before."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_docker as docker

from components import mending, readiness
from components.daemon import Daemon
from components.reporting import apply_reporting
from components.service_config import ServiceConfig

WAITS = ThreadPoolExecutor(max_workers=256, thread_name_prefix="wait")
"""The threads that wait for services: those of the event loop are Pulumi's, which makes the other resources by them."""

JoinedNetworks = Sequence[docker.ContainerNetworksAdvancedArgs]


@dataclass(frozen=True)
class Ready:
    """What is known of a container that was waited for."""

    state: str
    port: int
    """The host port that it is published on; 0 for none."""


def ready(
    name: str, config: ServiceConfig, container: docker.Container, networks: JoinedNetworks | None, host: Daemon
) -> "pulumi.Output[Ready]":
    """Wait until a container is ready and return what is known then; in a preview, return its state as it is.

    Args:
        networks: what the container joins; None for Docker's default network.
    """

    async def waited(given: list[Any]) -> Ready:
        container_id, joined, told = given
        tls = config.server_access.certificate is not None
        seen = readiness.DockerContainer(host.client, container_id, local=host.is_local, tls=tls)
        await mend(container_id, joined, config.name, host, container)
        if pulumi.runtime.is_dry_run():
            return Ready(await asyncio.to_thread(readiness.state_of, seen), told)
        state = await wait(seen, config.name, config.wait_timeout, container)
        return Ready(state, seen.published[1] if seen.published else told)

    known = pulumi.Output.all(container.id, names_in(networks), port_of(container))
    return apply_reporting(known, name, waited)


def names_in(networks: JoinedNetworks | None) -> "pulumi.Output[mending.Networks]":
    """Return the networks that a container is given, each with its names there."""
    pairs = [pulumi.Output.all(network.name, network.aliases) for network in networks or ()]
    return pulumi.Output.all(*pairs).apply(lambda known: {name: names or [] for name, names in known})


def port_of(container: docker.Container) -> "pulumi.Output[int]":
    """Return the host port of a container, as the provider knows it; 0 for none."""
    port: pulumi.Output[int] = container.ports.apply(lambda ports: int(ports[0].external or 0) if ports else 0)
    return port


async def mend(
    container_id: str,
    networks: mending.Networks,
    service: str,
    host: Daemon,
    resource: pulumi.Resource,
    *,
    again: bool = False,
) -> None:
    """Undo what was done to a container and the provider does not see, and say so; in a preview, say it.

    Args:
        networks: the networks that the container was given.
        service: the service's name, for messages.
        resource: the container's resource.
        again: whether one that was off a network is started again.

    Raises:
        Problem: the daemon refuses.
    """
    preview, api = pulumi.runtime.is_dry_run(), host.client.api
    undo = partial(mending.undo, again=again)
    found = await asyncio.to_thread(mending.look if preview else undo, api, container_id, networks)
    for part in found.parts:
        told = f"is {part}: 'pulumi up' undoes that" if preview else f"was {part}; that is undone"
        pulumi.log.warn(f"{service}: its container {told}", resource)


async def wait(seen: readiness.DockerContainer, service: str, timeout: float, resource: pulumi.Resource) -> str:
    """Wait in a thread until the container is ready; what it says goes to Pulumi's display from the event loop."""
    loop = asyncio.get_running_loop()

    def say(line: str) -> None:
        loop.call_soon_threadsafe(pulumi.log.info, line, resource)

    def say_state(line: str) -> None:
        loop.call_soon_threadsafe(pulumi.log.info, line, resource, None, True)

    waiting = partial(readiness.wait_until_ready, seen, service=service, timeout=timeout, say=say, say_state=say_state)
    return await loop.run_in_executor(WAITS, waiting)
