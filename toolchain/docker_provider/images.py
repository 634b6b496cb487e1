"""Images in the daemon: finding, pulling with credentials, and showing what the daemon streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from toolchain.docker_provider.registry import split_tag
from toolchain.docker_provider.resource import Operation, OperationError
from toolchain.docker_provider.values import Properties


def find_image(operation: Operation, name: str) -> Properties | None:
    """The daemon's description of a local image by name, digest or id, or None."""
    from toolchain.docker_provider.docker_package import APIError, ImageNotFound

    api: Any = operation.daemon.api  # its stubs leave this call untyped
    try:
        found: Properties = api.inspect_image(name)
    except (ImageNotFound, APIError) as error:
        if getattr(error, "status_code", 404) not in (404, 400):
            raise
        return None
    return found


def ensure_image(operation: Operation, name: str, platform: str | None = None) -> Properties:
    """Find an image, or pull it.

    Raises:
        OperationError: it is neither in the daemon nor to be pulled.
    """
    found = find_image(operation, name)
    if found is None:
        pull(operation, name, platform)
        found = find_image(operation, name)
    if found is None:
        raise OperationError(f"image {name!r} was pulled, yet the daemon does not have it")
    return found


def pull(operation: Operation, name: str, platform: str | None = None) -> None:
    """Pull an image with the credentials of the provider's configuration or the user's Docker config.

    Raises:
        OperationError: the registry refused or cannot be reached.
    """
    from toolchain.docker_provider.docker_package import DockerException

    if name.startswith("sha256:"):
        raise OperationError(
            f"the daemon at {operation.daemon.endpoint.host} has no image with the id {name}; build it first"
        )
    repository, tag = (name, None) if "@" in name else split_tag(name)
    operation.log(f"pulling {name}")
    try:
        stream = operation.daemon.api.pull(
            repository,
            tag,
            stream=True,
            decode=True,
            platform=platform,
            auth_config=operation.daemon.credentials.of(name),
        )
        follow(operation, stream)
    except (DockerException, OperationError) as error:
        reason = getattr(error, "explanation", None) or error
        raise OperationError(
            f"image {name!r} is not in the daemon at {operation.daemon.endpoint.host} and cannot be pulled: {reason}. "
            "Build or load it, correct its name, or log in to its registry with `docker login`"
        ) from error


def follow(operation: Operation, stream: Iterable[Mapping[str, Any]]) -> Properties:
    """Show what the daemon streams while it builds, pulls or pushes, line by line; progress bars are left out.

    Returns:
        The last `aux` that it sent (an image's id, or a push's digest).

    Raises:
        OperationError: the daemon streamed an error.
    """
    aux: Properties = {}
    for message in stream:
        if operation.cancelled.is_set():
            raise OperationError("cancelled")
        if "error" in message:
            raise OperationError(str(message["error"]).strip())
        if "aux" in message:
            aux = dict(message["aux"])
        text = message.get("stream") or (message.get("status", "") if "progressDetail" not in message else "")
        for line in text.splitlines():
            if line.strip():
                operation.log(f"{message['id']}: {line}" if "id" in message else line.rstrip())
    return aux
