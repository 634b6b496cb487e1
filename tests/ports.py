"""Ports for servers that tests start."""

import os
import socket
from collections.abc import Mapping


def free_port(host: str = "127.0.0.1", environ: Mapping[str, str] = os.environ) -> int:
    """Return a port that is free, and that no other process of this test run is given.

    The kernel gives a port to the next who asks, as soon as the one who asked before has closed it. So each of
    pytest-xdist's processes takes those of every second number, third and so on, of which the kernel gives odd ones.
    """
    count = int(environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        with socket.socket() as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        if port // 2 % count == own % count:
            return port
