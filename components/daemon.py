"""The Docker daemon, read only: which images it holds, which containers run, which ports are taken.

Everything that is created goes through the Pulumi provider; here the same daemon is asked, found the way Docker's own
client finds it: an explicit host, `DOCKER_HOST`, `DOCKER_CONTEXT` or the current context, the default socket.
"""

import contextlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from components import names
from components.problems import Problem
from components.service_network import Network

CONNECT_TIMEOUT = 20
"""Seconds until a daemon that does not answer is given up."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "amd64": "amd64"}


@dataclass(frozen=True)
class Published:
    """A host port that a container publishes."""

    address: str
    port: int
    container: str


class Daemon:
    """A connection to one Docker daemon."""

    def __init__(self, client: Any, host: str) -> None:
        self.client = client
        self.host = host
        self.lock = threading.Lock()

    @property
    def is_local(self) -> bool:
        """Whether its published ports are this machine's."""
        return self.host.startswith(("unix://", "npipe://")) or not self.host

    @property
    def place(self) -> str:
        """What it is, for messages."""
        return f"the Docker daemon at {self.host or 'the default socket'}"

    def repository_of(self, repository: str) -> str:
        """Return where a repository is found here: by its own name."""
        return repository

    def platform(self) -> str:
        """Return the platform that the daemon runs, e.g. `linux/amd64`."""
        version = self.client.version()
        machine = version.get("Arch", "amd64")
        return f"{version.get('Os', 'linux')}/{ARCHITECTURES.get(machine, machine)}"

    def image_id(self, reference: str) -> str:
        """Return the id (`sha256:...`) of the image `reference`, or an empty string when the daemon has none."""
        import docker.errors

        try:
            return str(self.client.api.inspect_image(reference)["Id"])
        except docker.errors.ImageNotFound:
            return ""

    def image_labels(self, reference: str) -> dict[str, str]:
        """Return the labels of the image `reference`; empty when there is no such image."""
        return dict(self._image_config(reference).get("Labels") or {})

    def image_environment(self, reference: str) -> dict[str, str]:
        """Return the variables that the image `reference` sets; empty when there is no such image."""
        lines = self._image_config(reference).get("Env") or ()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    def _image_config(self, reference: str) -> dict[str, Any]:
        import docker.errors

        try:
            return self.client.api.inspect_image(reference)["Config"] or {}
        except docker.errors.ImageNotFound:
            return {}

    def name_image(self, image_id: str, tag: str) -> bool:
        """Give the image `image_id` the name `tag`; return whether there is such an image."""
        if not image_id or not self.image_id(image_id):
            return False
        repository, _, version = tag.rpartition(":")
        return bool(self.client.api.tag(image_id, repository, version))

    def remove_nameless(self, labels: Mapping[str, str]) -> None:
        """Remove images with these labels whose name another has taken; one that a container was made from stays."""
        import docker.errors

        filters = {"dangling": True, "label": [f"{key}={value}" for key, value in labels.items()]}
        for image in self.client.api.images(filters=filters):
            with contextlib.suppress(docker.errors.APIError):
                self.client.api.remove_image(image["Id"])

    def build(self, context: str, tag: str) -> None:
        """Build the folder `context` as the image `tag`, with the daemon's own builder.

        Raises:
            Problem: the build fails.
        """
        import docker.errors

        try:
            self.client.images.build(path=context, tag=tag, rm=True, forcerm=True)
        except (docker.errors.BuildError, docker.errors.APIError) as error:
            raise Problem(f"the image {tag} cannot be built again: {cause_of(error)}.") from None

    def pull(self, reference: str, auth: Mapping[str, str] | None, platform: str = "") -> None:
        """Pull an image, with the login `auth` or, without one, with that of Docker's configuration.

        Raises:
            Problem: its registry refuses, cannot be reached, or has no such image.
        """
        repository, tag = (reference, None) if "@" in reference else names.repository_and_tag(reference)
        self._transfer("pull", reference, repository, tag=tag, auth_config=auth, platform=platform or None)

    def push(self, reference: str, auth: Mapping[str, str] | None) -> None:
        """Push an image, with the login `auth` or, without one, with that of Docker's configuration.

        Raises:
            Problem: its registry refuses or cannot be reached.
        """
        repository, _, tag = reference.rpartition(":")
        self._transfer("push", reference, repository, tag=tag, auth_config=auth)

    def _transfer(self, verb: str, reference: str, repository: str, **options: Any) -> None:
        import docker.errors

        try:
            for event in getattr(self.client.api, verb)(repository, stream=True, decode=True, **options):
                if "error" in event:
                    raise Problem(f"the {verb} of {reference} failed: {' '.join(str(event['error']).split())}.")
        except docker.errors.APIError as error:
            raise Problem(f"the {verb} of {reference} failed: {error.explanation or cause_of(error)}.") from None

    def has_gpu_runtime(self) -> bool:
        """Return whether its containers can use NVIDIA's GPUs."""
        return "nvidia" in (self.client.info().get("Runtimes") or {})

    def tags_of(self, repository: str) -> list[str]:
        """Return the references of a repository, the newest image first."""
        return [tag for tag in self._references(name=repository) if tag.rpartition(":")[0] == repository]

    def labelled(self, label: str) -> list[str]:
        """Return the references of all images that have a label, the newest image first."""
        return [tag for tag in self._references(filters={"label": label}) if not tag.startswith("<none>")]

    def _references(self, **wanted: Any) -> list[str]:
        images = sorted(self.client.api.images(**wanted), key=lambda image: image["Created"], reverse=True)
        return [tag for image in images for tag in image["RepoTags"] or []]

    def networks(self) -> list[Network]:
        """Return the networks that it has."""
        return [
            Network(seen["Name"], seen["Driver"], seen["Scope"], seen["Internal"], seen["Attachable"])
            for seen in self.client.api.networks()
        ]

    def published(self) -> list[Published]:
        """Return the host ports that running containers publish."""
        return [
            Published(port.get("IP", "0.0.0.0"), port["PublicPort"], container["Names"][0].lstrip("/"))  # noqa: S104
            for container in self.client.api.containers()
            for port in container["Ports"]
            if "PublicPort" in port
        ]

    def port_of(self, container: str, address: str) -> int:
        """Return the host port at `address` that a running container publishes; 0 when there is none."""
        ports = (seen.port for seen in self.published() if (seen.container, seen.address) == (container, address))
        return next(ports, 0)


def connect(host: str = "") -> Daemon:
    """Return a connection to the daemon at `host`, or where Docker's own client would look.

    Raises:
        Problem: the daemon does not answer.
    """
    endpoint, tls = endpoint_of(host, os.environ)
    return _connect(endpoint, tls)


@lru_cache(maxsize=16)
def _connect(endpoint: str, tls: Any) -> Daemon:
    import docker.errors
    import requests.exceptions

    from components import over_ssh

    try:
        client = over_ssh.docker_client(endpoint, tls=tls or False, timeout=CONNECT_TIMEOUT)
        client.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError, ValueError) as error:
        raise Problem(
            f"the Docker daemon at {endpoint or 'the default socket'} does not answer: {cause_of(error)}. "
            "Start it, or name another with DOCKER_HOST, 'docker context use' or the setting dockerHost."
        ) from None
    client.api.timeout = over_ssh.REQUEST_SECONDS
    return Daemon(client, endpoint)


def endpoint_of(host: str, environ: Mapping[str, str]) -> tuple[str, Any | None]:
    """Return the daemon's address and TLS settings, by the precedence of Docker's own client."""
    from docker.context import ContextAPI
    from docker.context.config import get_current_context_name
    from docker.utils import kwargs_from_env

    if host and not host.startswith("tcp://"):
        return host, None
    if host or environ.get("DOCKER_HOST"):
        # The provider, too, takes the environment's certificates for a daemon that a setting names.
        settings = kwargs_from_env(environment={**environ, "DOCKER_HOST": host or environ["DOCKER_HOST"]})
        return settings["base_url"], settings.get("tls")
    name = environ.get("DOCKER_CONTEXT") or get_current_context_name() or "default"
    if name == "default":
        return "unix:///var/run/docker.sock" if os.name == "posix" else "", None
    context = ContextAPI.get_context(name)
    if context is None:
        raise Problem(f"the Docker context {name!r} does not exist: 'docker context ls' lists those that do.")
    return str(context.Host), context.TLSConfig


def cause_of(error: BaseException) -> str:
    """Return the innermost reason of an error, on one line."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return " ".join(str(error).split()) or type(error).__name__
