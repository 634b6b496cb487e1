"""An image in the daemon that comes with its resource and goes with it; in a registry, where one is given, it stays.

The provider's `Image` leaves what it built behind; a `RemoteImage` of the same name, which finds the image there and
so pulls nothing, removes it on destroy. Tags are made from content: an update is a new tag. The old one is removed
before the new one is taken up, once the container that ran from it is gone: left for the end, a failed update would
leave its removal pending, and going back to the old content would then lose the image that runs.
"""

import asyncio
from contextlib import closing
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components import registry
from components.daemon import Daemon
from components.registry_login import Access, Login
from components.reporting import apply_reporting


@dataclass(frozen=True)
class StoredImage:
    """The two resources of a built image."""

    image: docker.Image
    stored: docker.RemoteImage
    pushed: bool = False

    @property
    def image_id(self) -> "pulumi.Output[str]":
        """The image's id in the daemon."""
        return self.stored.image_id if self.pushed else self.image.repo_digest

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
    access: Access | None = None,
    outlived: bool = False,
) -> StoredImage:
    """Build the image `image_name` from the staged `context`, and remove it on destroy unless `keep_locally`.

    With `access` to a registry it is pushed there, and stays there. With `outlived`, containers run on from the old
    image until the update ends, and it is removed after them. The provider does not notice when an image that it built
    or pushed is gone, as after an interrupted destroy or a removal by hand; so the daemon at `host` and the registry
    are asked, and what is missing is built or pushed again.
    """
    access = access or Access()

    folder = pulumi.Output.from_input(context)

    async def present(seen: list[str]) -> str:
        tag, password = seen[0], seen[2]
        if pulumi.runtime.is_dry_run():
            return tag
        login = access.login(password)
        pushed = bool(access.address) and await asyncio.to_thread(is_pushed, tag, access.address, login)
        # The name goes with a former image's resource when an update to another failed and this one was gone back to.
        there = bool(await asyncio.to_thread(host.image_id, tag))
        there = there or await asyncio.to_thread(host.name_image, await image.repo_digest.future() or "", tag)
        if not there:
            pulumi.log.warn(f"the image {tag} is gone from the Docker daemon: bringing it back", resource=image)
            if pushed:
                await asyncio.to_thread(host.pull, tag, login.auth_config())
            else:
                # Awaited: what the folder depends on, such as models, this image's removal must not depend on.
                await asyncio.to_thread(host.build, await folder.future() or "", tag)
        if access.address and not pushed:
            pulumi.log.warn(f"the image {tag} is gone from its registry: pushing it again", resource=image)
            await asyncio.to_thread(host.push, tag, login.auth_config())
        return tag

    image = docker.Image(
        f"{name}-image",
        image_name=image_name,
        skip_push=not access.address,
        registry=access.registry_args(),
        build=docker.DockerBuildArgs(
            context=context, platform=platform, builder_version=docker.BuilderVersion.BUILDER_BUILD_KIT
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    built: pulumi.Output[list[str]] = pulumi.Output.all(image.image_name, image.urn, access.password)
    stored = docker.RemoteImage(
        f"{name}-stored",
        # The name holds nothing of the password that it was looked for with.
        name=pulumi.Output.unsecret(apply_reporting(built, name, present)),
        keep_locally=keep_locally,
        force_remove=True,  # a container of another stack may run from it: then only the name goes
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[image], delete_before_replace=not outlived),
    )
    return StoredImage(image, stored, bool(access.address))


def is_pushed(reference: str, address: str, login: Login) -> bool:
    """Return whether the registry at `address` has the image `reference`."""
    with closing(registry.Registry(address, login)) as seen:
        return seen.image(reference) is not None


def pull_missing(reference: str, host: Daemon, access: Access, password: str, platform: str = "") -> None:
    """Pull an image that the daemon does not have, with the login of `access` where that is for its registry.

    Raises:
        Problem: it cannot be pulled.
    """
    if not host.image_id(reference):
        host.pull(reference, access.login_for(reference, password).auth_config(), platform)
