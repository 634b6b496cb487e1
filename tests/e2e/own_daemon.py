"""A Docker daemon of one's own: empty, apart from the machine's, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import docker

from tests import needs
from tests.started import await_answer, said

BRIDGES = "mwown"
"""How the bridges are named, the id of the process that made one following."""
INTERFACES = Path("/sys/class/net")
PROCESSES = Path("/proc")
START_SECONDS = 60
STOP_SECONDS = 60


class OwnDaemon:
    """A running daemon of one's own."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.log = root / "dockerd.log"
        self.host = f"unix://{root / 'docker.sock'}"
        self.command = [
            # A run that is killed takes its daemon along.
            *("setpriv", "--pdeathsig", "TERM"),
            *("dockerd", "--host", self.host, "--data-root", str(self.data), "--exec-root", str(root / "exec")),
            *("--pidfile", str(root / "docker.pid"), "--bridge", own_bridge(), "--iptables=false", "--ip-masq=false"),
        ]

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=subprocess.STDOUT)
        wait_for(self.host, self.process, self.log)

    def stop(self) -> None:
        """End it, and with it all that runs in it; raise `RuntimeError` with its log when that takes too long."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise RuntimeError(said("the daemon does not end", self.log)) from None

    def restart(self) -> None:
        """Stop it and start it again, as an upgrade of Docker does."""
        self.stop()
        self.start()

    @contextmanager
    def disk_filled(self, *, megabytes_left: int) -> Iterator[None]:
        """Leave so little space on the daemon's disk, for a while."""
        filler = self.data / "filler"
        free = shutil.disk_usage(self.data).free
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - megabytes_left * 1024 * 1024)
        try:
            yield
        finally:
            filler.unlink()


@contextmanager
def own_daemon() -> Iterator[str]:
    """Start a daemon with a bridge of its own and yield its address; needs root, as daemons do."""
    with running() as daemon:
        yield daemon.host


@contextmanager
def running(disk_megabytes: int = 0) -> Iterator[OwnDaemon]:
    """Start a daemon of one's own and yield it, to be restarted or left without space.

    Args:
        disk_megabytes: size of a disk of its own, in memory; 0 for a folder on the machine's disk.
    """
    needs.root("a Docker daemon of its own")
    needs.programs("dockerd", "ip", "mount", "setpriv")
    with tempfile.TemporaryDirectory(prefix="own-daemon-", ignore_cleanup_errors=True) as folder, bridge():
        daemon = OwnDaemon(Path(folder))
        with disk(daemon.data, disk_megabytes) if disk_megabytes else nullcontext():
            daemon.start()
            try:
                yield daemon
            finally:
                daemon.stop()


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system in memory."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--recursive", str(folder)], check=True)


@contextmanager
def bridge() -> Iterator[None]:
    """Make a network bridge for the daemon's containers; published ports reach them through Docker's proxy.

    Bridges that killed runs left go first.
    """
    for name in left_bridges(INTERFACES, PROCESSES):
        subprocess.run(["ip", "link", "delete", name], check=True)
    name = own_bridge()
    subprocess.run(["ip", "link", "add", "name", name, "type", "bridge"], check=True)
    try:
        address = f"10.213.{os.getpid() % 256}.1/24"
        subprocess.run(["ip", "addr", "add", address, "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


def own_bridge() -> str:
    """Return the name of this process's bridge."""
    return f"{BRIDGES}{os.getpid()}"


def left_bridges(interfaces: Path, processes: Path) -> list[str]:
    """Return the bridges whose processes are gone, of folders as /sys/class/net and /proc are."""
    return sorted(
        path.name
        for path in interfaces.glob(f"{BRIDGES}*")
        if not (processes / path.name.removeprefix(BRIDGES)).exists()
    )


@contextmanager
def networks_open() -> Iterator[None]:
    """Let containers on one network of such a daemon reach each other.

    The machine's own daemon has the kernel drop what passes between containers on networks that it does not know.
    """
    if not shutil.which("iptables"):
        yield
        return
    rule = ["FORWARD", "-m", "physdev", "--physdev-is-bridged", "-j", "ACCEPT"]
    subprocess.run(["iptables", "--wait", "--insert", *rule], check=True)
    try:
        yield
    finally:
        subprocess.run(["iptables", "--wait", "--delete", *rule], check=True)


def wait_for(host: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the daemon at `host` answers; raise `RuntimeError` with its log when it ended or takes too long."""

    def ask() -> None:
        # A client whose connection is refused leaves its socket open, so the socket is tried by itself first.
        with closing(socket.socket(socket.AF_UNIX)) as probe:
            probe.connect(host.removeprefix("unix://"))
        with closing(docker.DockerClient(base_url=host)) as client:
            client.ping()

    await_answer(ask, process, log, "daemon", START_SECONDS)


def copy_images(references: list[str], host: str) -> None:
    """Copy images from the machine's daemon to the one at `host`, with their names."""
    source, target = docker.from_env(), docker.DockerClient(base_url=host, timeout=300)
    try:
        for reference in references:
            target.images.load(b"".join(source.images.get(reference).save(named=reference)))
    finally:
        source.close()
        target.close()
