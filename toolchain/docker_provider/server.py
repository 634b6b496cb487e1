"""The plugin's process: serve the provider protocol on a port of its own, and end with the engine."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

from toolchain.docker_provider import protocol

WORKERS = 64  # the engine's own limit on parallel operations is far lower by default
ORPHAN_SECONDS = 1.0
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
    protocol.import_lightly()
    try:
        import pulumi.runtime.proto.provider_pb2_grpc
    except ImportError:
        protocol.import_fully()
    import grpc

    from toolchain.docker_provider.engine import Engine
    from toolchain.docker_provider.resource import Resource
    from toolchain.docker_provider.servicer import Servicer

    def maker(module: str, name: str) -> Callable[[], Resource]:
        made: list[Resource] = []

        def make() -> Resource:
            if not made:
                made.append(getattr(import_module(f"toolchain.docker_provider.{module}"), name)())
            return made[0]

        return make

    address = next((argument for argument in arguments if not argument.startswith("-")), "")
    servicer = Servicer({token: maker(*where) for token, where in RESOURCES.items()}, Engine(address))
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=protocol.MESSAGE_OPTIONS)
    from pulumi.runtime.proto import provider_pb2_grpc

    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    if address:
        threading.Thread(target=_end_with_parent, args=(os.getppid(), servicer.cancelled, server), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine, which gets it too, cancels in order
    server.wait_for_termination()


def _end_with_parent(parent: int, cancelled: threading.Event, server: object) -> None:
    """When the engine is killed, cancel what is under way, which removes half-made containers, and end."""
    waiting = threading.Event()
    while os.getppid() == parent:
        waiting.wait(ORPHAN_SECONDS)
    cancelled.set()
    server.stop(grace=20).wait()  # type: ignore[attr-defined]
    os._exit(1)
