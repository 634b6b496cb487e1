"""An image in the daemon that comes with its resource and goes with it.

The provider's `Image` leaves what it built behind; a `RemoteImage` of the same name, which finds the image there and
so pulls nothing, removes it on destroy. Tags are made from content: an update is a new tag. The old one is removed
before the new one is taken up, once the container that ran from it is gone: left for the end, a failed update would
leave its removal pending, and going back to the old content would then lose the image that runs.
"""

import asyncio
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.daemon import Daemon
from components.reporting import apply_reporting


@dataclass(frozen=True)
class StoredImage:
    """The two resources of a built image."""

    image: docker.Image
    stored: docker.RemoteImage

    @property
    def reference(self) -> "pulumi.Output[str]":
        """The image's `name:tag`, known in a preview, to others only once the image is there."""
        return pulumi.Output.all(self.image.image_name, self.image.urn, self.stored.urn).apply(
            lambda seen: str(seen[0])
        )


def build_image(
    name: str,
    *,
    parent: pulumi.Resource,
    host: Daemon,
    image_name: pulumi.Input[str],
    context: pulumi.Input[str],
    platform: pulumi.Input[str],
    keep_locally: bool = False,
) -> StoredImage:
    """Build the image `image_name` from the staged `context`, and remove it on destroy unless `keep_locally`.

    The provider does not notice when an image that it built is gone, as after an interrupted destroy or a removal by
    hand; so the daemon at `host` is asked, and what is missing is built again.
    """

    async def present(seen: list[str]) -> str:
        tag, folder = seen[0], seen[1]
        if not pulumi.runtime.is_dry_run() and not await asyncio.to_thread(host.image_id, tag):
            pulumi.log.warn(f"the image {tag} is gone from the Docker daemon: building it again", resource=image)
            await asyncio.to_thread(host.build, folder, tag)
        return tag

    image = docker.Image(
        f"{name}-image",
        image_name=image_name,
        skip_push=True,
        build=docker.DockerBuildArgs(
            context=context, platform=platform, builder_version=docker.BuilderVersion.BUILDER_BUILD_KIT
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    built: pulumi.Output[list[str]] = pulumi.Output.all(image.image_name, context, image.urn)
    stored = docker.RemoteImage(
        f"{name}-stored",
        name=apply_reporting(built, name, present),
        keep_locally=keep_locally,
        force_remove=True,  # a container of another stack may run from it: then only the name goes
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[image], delete_before_replace=True),
    )
    return StoredImage(image, stored)
