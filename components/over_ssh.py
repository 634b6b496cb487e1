"""Docker daemons of other machines by `ssh://`, as Docker's own client reaches them: by the `ssh` of this machine.

The docker package can do so only with paramiko, which it then imports whether or not there is such a daemon.
"""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnection, UnixHTTPConnectionPool

SCHEME = "ssh://"
CONNECT_SECONDS = 20
REQUEST_SECONDS = 300
"""How long a daemon may be at one request: a busy machine takes more than a minute to start many containers at once."""
ENDING_SECONDS = 2
ANY_SOCKET = "unix:///by-ssh"
"""What the docker package takes for the address: only its way of speaking HTTP is used, on sockets that lead to ssh."""


def docker_client(address: str, **options: Any) -> docker.DockerClient:
    """Return a client of the daemon at `address`, empty for the default one; options are the docker package's."""
    known = {"timeout": REQUEST_SECONDS, **options}
    return OverSsh(address, **known) if address.startswith(SCHEME) else docker.DockerClient(address or None, **known)


def api_client(address: str, **options: Any) -> docker.APIClient:
    """Return a client of the daemon's interface, likewise."""
    known = {"timeout": REQUEST_SECONDS, **options}
    return ApiOverSsh(address, **known) if address.startswith(SCHEME) else docker.APIClient(address, **known)


def command_for(address: str) -> list[str]:
    """Return the command that connects its standard input and output with the daemon's socket.

    It asks for nothing: a key, or an agent that has it, must be there.
    """
    parts = urlsplit(address)
    login = ["-l", parts.username] if parts.username else []
    port = ["-p", str(parts.port)] if parts.port else []
    host = ["--host", f"unix://{parts.path}"] if parts.path.strip("/") else []
    options = ["-o", f"ConnectTimeout={CONNECT_SECONDS}", "-o", "BatchMode=yes", "-T"]
    return ["ssh", *options, *login, *port, "--", parts.hostname or "", "docker", *host, "system", "dial-stdio"]


class OverSsh(docker.DockerClient):
    """A client of a daemon on another machine."""

    def __init__(self, address: str, **options: Any) -> None:
        self.api = ApiOverSsh(address, **options)


class ApiOverSsh(docker.APIClient):
    """A client of the interface of a daemon on another machine."""

    def __init__(self, address: str, **options: Any) -> None:
        self.command = command_for(address)
        super().__init__(ANY_SOCKET, **options)

    def mount(self, prefix: str | bytes, adapter: Any) -> None:
        """Put the way by ssh in the place of that to a socket."""
        super().mount(prefix, Adapter(self.command, adapter) if isinstance(adapter, UnixHTTPAdapter) else adapter)


class Adapter(UnixHTTPAdapter):
    """HTTP on the standard input and output of a command.

    Args:
        command: the command.
        like: the adapter whose timeout and number of connections it has.
    """

    def __init__(self, command: Sequence[str], like: UnixHTTPAdapter) -> None:
        super().__init__(ANY_SOCKET, like.timeout, max_pool_size=like.max_pool_size)
        self.command = command

    def get_connection(self, url: bytes | str, proxies: Any = None) -> UnixHTTPConnectionPool:  # noqa: ARG002
        """Return the connections; each costs a login, so those of all addresses are the same."""
        with self.pools.lock:
            pool: UnixHTTPConnectionPool | None = self.pools.get(ANY_SOCKET)
            if pool is None:
                pool = self.pools[ANY_SOCKET] = Pool(self.command, self.timeout, self.max_pool_size)
        return pool


class Pool(UnixHTTPConnectionPool):
    """Connections by a command."""

    def __init__(self, command: Sequence[str], timeout: int, size: int) -> None:
        super().__init__("localhost", "", timeout, maxsize=size)
        self.command, self.seconds = command, timeout

    def _new_conn(self) -> Any:
        return Connection(self.command, self.seconds)


class Connection(UnixHTTPConnection):
    """A connection by a command, which ends when nobody reads or writes any more."""

    def __init__(self, command: Sequence[str], timeout: int) -> None:
        super().__init__("localhost", "", timeout)
        self.command = command
        self.said = b""

    def connect(self) -> None:
        """Start the command.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            problem = self._start(theirs.fileno())
        if problem:
            ours.close()
            raise OSError(f"{self.command[0]} cannot be run: {problem}")
        ours.settimeout(self.timeout)
        self.sock = ours

    def _start(self, end: int) -> str:
        try:
            # In a session of its own: an interrupt at the terminal is not for it, but for who waits for the answer.
            self.process = subprocess.Popen(
                self.command, stdin=end, stdout=end, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            return error.strerror or str(error)
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        return ""

    def _listen(self) -> None:
        _, self.said = self.process.communicate()

    def getresponse(self) -> Any:
        """Return the answer.

        Raises:
            ConnectionError: the command ended; with what it said.
        """
        with contextlib.suppress(ConnectionError):
            return super().getresponse()
        raise ConnectionError(self._ending())

    def _ending(self) -> str:
        self.listener.join(ENDING_SECONDS)
        lines = self.said.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else f"{' '.join(self.command)} ended with code {self.process.returncode}"
