"""What somebody did to a running container and can be undone while it runs: it is paused, or off one of its networks.

Docker's provider looks at neither, so that it leaves a service that does not answer, or not at its address, as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.problems import Problem

DEFAULT_MODES = ("default", "bridge")
DEFAULT_NETWORK = "bridge"
RESTART_SECONDS = 1
"""How long one that is started again may finish requests, whose callers it does not reach any more."""

Networks = Mapping[str, Sequence[str]]
"""The networks that a container was given, each with its names there; none for Docker's default one."""


@dataclass(frozen=True)
class Damage:
    """What was done to a container."""

    paused: bool = False
    off: tuple[str, ...] = ()
    """The networks that it is off."""

    @property
    def parts(self) -> list[str]:
        """What it is, for messages; empty when nothing was done."""
        return [*(["paused"] if self.paused else []), *(f"off the network {name}" for name in self.off)]


def damage(seen: Mapping[str, Any], wanted: Networks) -> Damage:
    """Return what was done to a container.

    Networks that it has joined beside those that it was given are left to who wanted that.

    Args:
        seen: what the daemon says of it; nothing is said of one that does not run, which the provider starts.
        wanted: the networks that it was given.
    """
    if not seen["State"].get("Running"):
        return Damage()
    joined = seen["NetworkSettings"].get("Networks") or {}
    if not wanted and not joined and seen["HostConfig"]["NetworkMode"] in DEFAULT_MODES:
        wanted = {DEFAULT_NETWORK: ()}
    return Damage(bool(seen["State"].get("Paused")), tuple(network for network in wanted if network not in joined))


def look(api: Any, container_id: str, wanted: Networks) -> Damage:
    """Return what was done to a container, by Docker's API; nothing to one that is gone."""
    seen = inspected(api, container_id)
    return damage(seen, wanted) if seen else Damage()


def undo(api: Any, container_id: str, wanted: Networks, *, again: bool = False) -> Damage:
    """Undo what was done to a container, by Docker's API, and return it.

    Args:
        api: Docker's API.
        container_id: the container.
        wanted: the networks that it was given.
        again: whether one that was off a network is started again, as connections that it keeps may lead nowhere.

    Raises:
        Problem: the daemon refuses.
    """
    import docker.errors

    seen = inspected(api, container_id)
    if not seen:
        return Damage()
    found = damage(seen, wanted)
    try:
        if found.paused:
            api.unpause(container_id)
        for network in found.off:
            api.connect_container_to_network(container_id, network, aliases=list(wanted.get(network, ())) or None)
        if found.off and again:
            api.restart(container_id, timeout=RESTART_SECONDS)
    except docker.errors.APIError as error:
        name = seen["Name"].lstrip("/")
        raise Problem(
            f"the container {name} is {' and '.join(found.parts)}, which cannot be undone: "
            f"{error.explanation or error}. Remove it with 'docker rm -f {name}', and run 'pulumi up' again."
        ) from None
    return found


def inspected(api: Any, container_id: str) -> Mapping[str, Any] | None:
    """Return what the daemon says of a container; None when it is gone."""
    import docker.errors

    try:
        seen: Mapping[str, Any] = api.inspect_container(container_id)
    except docker.errors.NotFound:
        return None
    return seen
