"""A Docker daemon of one's own: empty, apart from the machine's, gone afterwards."""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker

BRIDGE, ADDRESS = "mwown0", "10.213.77.1/24"
START_SECONDS = 60


@contextmanager
def own_daemon() -> Iterator[str]:
    """Start a daemon with a bridge of its own and yield its address; needs root, as daemons do."""
    with tempfile.TemporaryDirectory(prefix="own-daemon-", ignore_cleanup_errors=True) as folder, bridge():
        root, log = Path(folder), Path(folder, "dockerd.log")
        host = f"unix://{root / 'docker.sock'}"
        command = [
            *("dockerd", "--host", host, "--data-root", str(root / "data"), "--exec-root", str(root / "exec")),
            *("--pidfile", str(root / "docker.pid"), "--bridge", BRIDGE, "--iptables=false", "--ip-masq=false"),
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_for(host, process, log)
            yield host
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def bridge() -> Iterator[None]:
    """Make a network bridge for the daemon's containers; published ports reach them through Docker's proxy."""
    subprocess.run(["ip", "link", "add", "name", BRIDGE, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", ADDRESS, "dev", BRIDGE], check=True)
        subprocess.run(["ip", "link", "set", BRIDGE, "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "delete", BRIDGE], check=True)


def wait_for(host: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the daemon at `host` answers; raise `RuntimeError` with its log when it ended or takes too long."""
    for _ in range(START_SECONDS * 10):
        try:
            # A client whose connection is refused leaves its socket open, so the socket is tried by itself first.
            with closing(socket.socket(socket.AF_UNIX)) as probe:
                probe.connect(host.removeprefix("unix://"))
            with closing(docker.DockerClient(base_url=host)) as client:
                client.ping()
            return
        except OSError:
            try:
                process.wait(0.1)
                break
            except subprocess.TimeoutExpired:
                continue
    raise RuntimeError("\n".join(["the daemon does not answer:", *log.read_text().splitlines()[-10:]]))


def copy_images(references: list[str], host: str) -> None:
    """Copy images from the machine's daemon to the one at `host`, with their names."""
    source, target = docker.from_env(), docker.DockerClient(base_url=host, timeout=300)
    try:
        for reference in references:
            target.images.load(b"".join(source.images.get(reference).save(named=reference)))
    finally:
        source.close()
        target.close()
