"""Only the port listens."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest

from tests.ports import free_port

from .process import Server, app_root, running
from .processes import processes

_LISTEN = "0A"
_ACCEPTS = 0x10000


def listening(pids: set[int]) -> list[tuple[str, int]]:
    """(kind, port) of each socket that takes connections or datagrams, by what any of the processes holds."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                target = os.readlink(link)
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    found = set()
    for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and (fields[3] == _LISTEN or not kind.startswith("tcp")):
                found.add((kind, int(fields[1].rpartition(":")[2], 16)))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[6] in inodes and int(fields[3], 16) & _ACCEPTS:
            found.add(("unix", 0))
    return sorted(found)


def busy(server: Server) -> None:
    for number in range(5):
        assert server.score([number]).status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_only_the_port_listens(tmp_path: Path, workers: int) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"WORKER_COUNT": str(workers)}, workers=workers) as server:
        busy(server)
        pids = processes(server.process.pid)
        assert len(pids) > workers
        assert listening(pids) == [("tcp", server.port)]


def test_and_the_health_port_where_it_is_asked_for(tmp_path: Path) -> None:
    port = free_port()
    root = app_root(tmp_path, "plain.py", "sibling.py")
    with running(root, "plain.py", {"SCORING_HEALTH_PORT": str(port)}) as server:
        busy(server)
        expected = sorted([("tcp", server.port), ("tcp", port)])
        assert listening(processes(server.process.pid)) == expected


def test_any_other_would_be_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind("\0" + __name__)
        unix.listen()
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            found = listening({os.getpid()})
            assert ("tcp", tcp.getsockname()[1]) in found
            assert ("udp", udp.getsockname()[1]) in found
            assert ("unix", 0) in found
