"""What the provider takes of the package `docker`, imported when first needed, and by one thread at a time.

Importing it costs as much as starting the plugin. Threads that import a package and parts of it at the same time wait
for each other, which Python ends by giving one of them half a module.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import APIClient as APIClient
    from docker.errors import APIError as APIError
    from docker.errors import DockerException as DockerException
    from docker.errors import ImageNotFound as ImageNotFound
    from docker.errors import NotFound as NotFound
    from docker.tls import TLSConfig as TLSConfig
    from docker.types import IPAMConfig as IPAMConfig
    from docker.types import IPAMPool as IPAMPool

_importing = threading.Lock()


def load() -> None:
    """Import the package and the parts that are used."""
    with _importing:
        import docker.errors
        import docker.tls
        import docker.types  # noqa: F401


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        load()
        import docker

        for part in (docker, docker.errors, docker.tls, docker.types):
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
