"""What an image's service needs when it does not say itself: CPU, memory and GPUs, by a label of the image.

An image that this run of the program makes is not there in its preview; so what it needs is remembered.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from components import dockerfile, limits, names
from components.daemon import Daemon
from components.models import KnownModel
from components.problems import Problem
from components.registry import Registry
from components.registry_login import Access

LABEL = f"{dockerfile.LABEL_PREFIX}.image.needs"
CPU_CORES, MEMORY_GB = 0.1, 0.5
"""Azure ML's defaults of a service."""

declared: dict[str, Mapping[str, float]] = {}
"""By reference, what the images of this run of the program need."""


@dataclass(frozen=True)
class Needs:
    """What a service gets where it does not say otherwise."""

    cpu_cores: float = CPU_CORES
    memory_gb: float = MEMORY_GB
    gpu: bool = False


@dataclass(frozen=True)
class Limits:
    """What a container gets, as the engine reads it back."""

    cpus: str
    workers: int
    memory_mb: int
    gpus: str | None


def limits_of(needs: Needs, cpus: str, memory_mb: int, host: Daemon) -> Limits:
    """Return a container's limits: those given, where they are, else what its image needs.

    Raises:
        Problem: it needs GPUs and the Docker host has no runtime for them.
    """
    cores = cpus or limits.cpus(needs.cpu_cores)
    memory = memory_mb or limits.memory_mb(needs.memory_gb)
    return Limits(cores, limits.worker_count(float(cores)), memory, check_gpu(needs, host))


def of_image(enable_gpu: bool, found: Sequence[KnownModel]) -> dict[str, float]:
    """Return what an image with these models needs: the largest amount of each that a model was registered with."""
    needs: dict[str, float] = {}
    for model in found:
        for key, amount in model.resources.items():
            needs[key] = max(needs.get(key, 0.0), amount)
    return {**needs, "gpu": max(needs.get("gpu", 0.0), 1.0)} if enable_gpu else needs


def needs_of(reference: str, host: Daemon, access: Access, password: str) -> Needs:
    """Return what the image `reference` of this program, of the daemon or of its registry needs.

    Raises:
        Problem: its registry has no such image, or cannot be asked.
    """
    known = declared.get(reference)
    if known is None:
        labels = host.image_labels(reference)
        if not labels and names.registry_of(reference):
            labels = labels_in_registry(reference, access, password)
        known = json.loads(labels.get(LABEL, "{}"))
    return Needs(known.get("cpu") or CPU_CORES, known.get("memory_in_gb") or MEMORY_GB, bool(known.get("gpu")))


def labels_in_registry(reference: str, access: Access, password: str) -> dict[str, str]:
    """Return the labels that an image has in the registry that its name begins with."""
    host = names.registry_of(reference)
    with closing(Registry(host, access.login_for(reference, password) or None)) as registry:
        image = registry.image(reference)
        if image is None:
            raise Problem(f"{registry.place} has no image {reference!r}: push it, or correct the name.")
        return image.labels


def check_gpu(needs: Needs, host: Daemon) -> str | None:
    """Return what a container asks of its GPUs: all, or nothing.

    Raises:
        Problem: GPUs are needed and the Docker host has no runtime for them.
    """
    if not needs.gpu:
        return None
    if not host.has_gpu_runtime():
        raise Problem(
            f"the image needs a GPU (enableGpu, or its model's resourceConfiguration.gpu), and {host.place} has no "
            "NVIDIA runtime: install the NVIDIA Container Toolkit there, deploy to another host, or drop enableGpu."
        )
    return "all"
