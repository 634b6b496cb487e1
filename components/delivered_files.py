"""Files for a container that change while it runs: delivered into a volume that it mounts.

A read-only container takes no uploads, environment variables are shown by `docker inspect`, and a container whose
uploads change is replaced. So the files go into a volume, by the uploads of a second container that is created and
never started. Changed files replace that one alone; the container that mounts the volume goes on, and reads them
again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import pulumi
import pulumi_docker as docker

from components import dockerfile

PERMISSIONS = "0444"
"""The reader's user is seldom root, who owns what is uploaded; who mounts the volume is who may read it."""


@dataclass(frozen=True)
class DeliveredFiles:
    """A volume with files in it, for the containers that read them."""

    folder: str
    """Where the readers find the files."""
    volume: docker.Volume
    delivery: docker.Container
    """What has put the files into the volume: readers depend on it."""

    @property
    def mount(self) -> docker.ContainerVolumeArgs:
        """The volume as a reader mounts it."""
        return docker.ContainerVolumeArgs(volume_name=self.volume.name, container_path=self.folder, read_only=True)

    def path(self, file: str) -> str:
        """Return where a reader finds a file."""
        return str(PurePosixPath(self.folder, file))


def deliver(
    name: str,
    files: Mapping[str, pulumi.Input[str]],
    *,
    folder: str,
    image: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> DeliveredFiles:
    """Put files into a volume of their own, and again whenever one changes.

    The files are replaced one after the other, each as a whole, with the modification time 1970-01-01: a reader that
    looks for changes must compare the time of the inode's change (`st_ctime_ns`).

    Args:
        name: the resources' name: `<name>-files` is the volume, `<name>-delivery` the container.
        files: texts by path, relative to the folder. Every text is held as a secret.
        folder: absolute path at which volume and files are found in the containers.
        image: an image that the daemon has, any: nothing of it ever runs.
        opts: the parent and what else both resources share.
    """
    # Another set of files is another volume: a key that is no longer in use is not left behind.
    listed = docker.VolumeLabelArgs(label=f"{dockerfile.LABEL_PREFIX}.files", value=" ".join(sorted(files)))
    shared = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=False))
    volume = docker.Volume(f"{name}-files", labels=[listed], opts=shared)
    delivery = docker.Container(
        f"{name}-delivery",
        image=image,
        command=["true"],
        start=False,
        must_run=False,
        network_mode="none",
        volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path=folder)],
        uploads=[
            docker.ContainerUploadArgs(
                file=str(PurePosixPath(folder, path)), content=pulumi.Output.secret(text), permissions=PERMISSIONS
            )
            for path, text in sorted(files.items())
        ],
        opts=pulumi.ResourceOptions.merge(shared, pulumi.ResourceOptions(additional_secret_outputs=["uploads"])),
    )
    return DeliveredFiles(folder, volume, delivery)
