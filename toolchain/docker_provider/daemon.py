"""Clients of the Docker Engine API, made when first needed: importing `docker` costs as much as starting the plugin."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolchain.docker_provider.certificates import FILES, materials, open_files
from toolchain.docker_provider.endpoint import resolve
from toolchain.docker_provider.registry import Credentials

if TYPE_CHECKING:
    from toolchain.docker_provider.docker_package import APIClient

PING_SECONDS = 5


class DaemonError(Exception):
    """The daemon does not answer, or refused."""


class Daemon:
    """One Docker daemon as the provider's configuration and the environment name it.

    Attributes:
        endpoint: its address.
        credentials: the registries' users and passwords that the provider's configuration gives.
        materials: the TLS certificates that it gives as text, by file name.
    """

    def __init__(self, config: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> None:
        self.environ = environ
        self.endpoint = resolve(config, environ)
        self.credentials = Credentials.from_config(config)
        self.materials = materials(config)
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
        from components import over_ssh
        from toolchain.docker_provider.docker_package import DockerException, TLSConfig

        files = self._certificates()
        tls: TLSConfig | bool = False
        if files:
            pair = (files["cert.pem"], files["key.pem"]) if "cert.pem" in files else None
            tls = TLSConfig(client_cert=pair, ca_cert=files.get("ca.pem"), verify=self.endpoint.verify)
        try:
            client = over_ssh.api_client(self.endpoint.host, version=self._version or "auto", tls=tls)
        except DockerException as error:
            raise self.unreachable(error) from error
        self._version = client.api_version
        return client

    def _certificates(self) -> dict[str, str]:
        """The TLS files by name, from the configuration's texts or the endpoint's folder."""
        if self.materials:
            return open_files(self.materials)
        folder = self.endpoint.certificates
        return {name: str(folder / name) for name in FILES if (folder / name).exists()} if folder else {}
