"""What a daemon holds, without what the tests make that run beside."""

import docker

BESIDE = ("e2e-steady", "e2e-shared")
"""How the services of `test_zero_downtime` are named, and all that is made for them."""


def networks_and_volumes(client: docker.DockerClient) -> set[str]:
    """Return a text for each network and volume, whoever made it."""
    return {
        *(f"network {one.name}" for one in client.networks.list() if not one.name.startswith(BESIDE)),
        *(f"volume {one.name}" for one in client.volumes.list() if not one.name.startswith(BESIDE)),
    }
