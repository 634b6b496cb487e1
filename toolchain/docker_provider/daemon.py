"""Clients of the Docker Engine API, made when first needed: importing `docker` costs as much as starting the plugin."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain.docker_provider.endpoint import resolve
from toolchain.docker_provider.registry import Credentials

if TYPE_CHECKING:
    from docker import APIClient

PING_SECONDS = 5


class DaemonError(Exception):
    """The daemon does not answer, or refused."""


class Daemon:
    """One Docker daemon as the provider's configuration and the environment name it.

    Attributes:
        endpoint: its address.
        credentials: the registries' users and passwords that the provider's configuration gives.
    """

    def __init__(self, config: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> None:
        self.environ = environ
        self.endpoint = resolve(config, environ)
        self.credentials = Credentials.from_config(config)
        self._materials = {
            name: config[f"{key}Material"] for name, key in _MATERIALS.items() if config.get(f"{key}Material")
        }
        self._local = threading.local()
        self._version: str | None = None

    def ping(self) -> None:
        """See whether the daemon listens, without the cost of a full client; ssh is left to the first use.

        Raises:
            DaemonError: it does not.
        """
        scheme, _, address = self.endpoint.host.partition("://")
        try:
            if scheme == "unix":
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(PING_SECONDS)
                    connection.connect(address)
            elif scheme == "tcp":
                host, _, port = address.rstrip("/").rpartition(":")
                socket.create_connection((host.strip("[]"), int(port)), timeout=PING_SECONDS).close()
        except (OSError, ValueError) as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: Exception) -> DaemonError:
        return DaemonError(
            f"the Docker daemon at {self.endpoint.host} (from {self.endpoint.source}) does not answer: {error}. "
            "Start it, or name another with the provider's host or context, DOCKER_HOST, or `docker context use`"
        )

    @property
    def api(self) -> APIClient:
        """A client for the calling thread; sessions of `requests` are not to be shared between threads.

        Raises:
            DaemonError: the daemon does not answer.
        """
        client: APIClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._connect()
        return client

    def _connect(self) -> APIClient:
        from docker import APIClient
        from docker.errors import DockerException
        from docker.tls import TLSConfig

        folder = self._certificates()
        tls: TLSConfig | bool = False
        if folder:
            pair = (str(folder / "cert.pem"), str(folder / "key.pem")) if (folder / "cert.pem").exists() else None
            authority = str(folder / "ca.pem") if (folder / "ca.pem").exists() else None
            tls = TLSConfig(client_cert=pair, ca_cert=authority, verify=self.endpoint.verify)
        try:
            client = APIClient(
                self.endpoint.host,
                version=self._version or "auto",
                tls=tls,
                use_ssh_client=self.endpoint.host.startswith("ssh://"),
            )
        except DockerException as error:
            raise self.unreachable(error) from error
        self._version = client.api_version
        return client

    def _certificates(self) -> Path | None:
        """The folder of TLS files; materials given as text are written for this process alone."""
        if not self._materials:
            return self.endpoint.certificates
        folder = Path(tempfile.mkdtemp(prefix="pulumi-docker-tls-"))
        for name, text in self._materials.items():
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(file, "w") as stream:
                stream.write(text)
        return folder


_MATERIALS = {"ca.pem": "ca", "cert.pem": "cert", "key.pem": "key"}
