"""What a daemon holds, while other tests may be making and removing what is theirs.

docker-py lists ids first and then inspects each: what is gone by then is an error. Here it is not.
"""

import docker
from docker.models.containers import Container

BESIDE = ("e2e-steady", "e2e-shared")
"""How the services of `test_zero_downtime` are named, and all that is made for them."""


def containers(client: docker.DockerClient, *, stopped: bool = True, **filters: str) -> list[Container]:
    """Return the containers that `filters` let through, those that are stopped as well or only those that run."""
    found: list[Container] = client.containers.list(all=stopped, ignore_removed=True, filters=filters)
    return found


def image_tags(client: docker.DockerClient) -> list[str]:
    """Return the names of all images, with their tags."""
    return [tag for image in client.api.images() for tag in image["RepoTags"] or () if not tag.startswith("<none>")]


def nameless_images(client: docker.DockerClient) -> list[tuple[str, dict[str, str]]]:
    """Return the id and the labels of each image without a name."""
    return [(image["Id"], image["Labels"] or {}) for image in client.api.images(filters={"dangling": True})]


def networks_and_volumes(client: docker.DockerClient) -> set[str]:
    """Return a text for each network and volume, whoever made it."""
    return {
        *(f"network {one.name}" for one in client.networks.list() if not one.name.startswith(BESIDE)),
        *(f"volume {one.name}" for one in client.volumes.list() if not one.name.startswith(BESIDE)),
    }
