"""The plugin's process: serve the provider protocol on a port of its own, and end with the engine."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING

from toolchain.docker_provider import light_import

if TYPE_CHECKING:
    from toolchain.docker_provider.resource import Resource
    from toolchain.docker_provider.servicer import Servicer

WORKERS = 64  # the engine's own limit on parallel operations is far lower by default
ORPHAN_SECONDS = 1.0
GRACE_SECONDS = 20
RESOURCES = {
    "docker:index/container:Container": ("container", "Container"),
    "docker:index/image:Image": ("image", "Image"),
    "docker:index/network:Network": ("network", "Network"),
    "docker:index/remoteImage:RemoteImage": ("remote_image", "RemoteImage"),
    "docker:index/tag:Tag": ("tag", "Tag"),
    "docker:index/volume:Volume": ("volume", "Volume"),
}


def main(arguments: Sequence[str] = ()) -> None:
    """Serve until the engine ends the process. The first line on standard output is the port.

    Args:
        arguments: the engine's address, and flags that are of no concern here.
    """
    light_import.import_lightly()
    try:
        from toolchain.docker_provider.servicer import Servicer
    except ImportError:
        light_import.import_fully()
        from toolchain.docker_provider.servicer import Servicer
    from toolchain.docker_provider.engine import Engine
    from toolchain.docker_provider.protocol import MESSAGE_OPTIONS, grpc, provider_pb2_grpc

    address = next((argument for argument in arguments if not argument.startswith("-")), "")
    parent = os.getppid()

    def abandoned() -> bool:
        return bool(address) and os.getppid() != parent

    resources = {name: _maker(*where) for name, where in RESOURCES.items()}
    servicer = Servicer(resources, Engine(address), abandoned=abandoned)
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=MESSAGE_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The engine ends a plugin by SIGINT and kills it 5 s later; a Ctrl-C does not reach this process group.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: server.stop(grace=GRACE_SECONDS))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    if address:
        threading.Thread(target=_end_with_engine, args=(abandoned, servicer), daemon=True).start()
    server.wait_for_termination()
    os._exit(0)  # without waiting for threads: what was asked for is answered


def _maker(module: str, name: str) -> Callable[[], Resource]:
    """A resource type that is imported and made when it is first asked for."""

    @functools.lru_cache(maxsize=1)
    def make() -> Resource:
        made: Resource = getattr(import_module(f"toolchain.docker_provider.{module}"), name)()
        return made

    return make


def _end_with_engine(abandoned: Callable[[], bool], servicer: Servicer) -> None:
    """When the engine is killed, cancel what is under way, which removes half-made containers, and end."""
    waiting = threading.Event()
    while not abandoned():
        waiting.wait(ORPHAN_SECONDS)
    servicer.cancelled.set()
    servicer.wait_until_idle(GRACE_SECONDS)
    os._exit(1)
