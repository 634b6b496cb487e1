"""A Docker daemon: the one that the user's settings name, or Debian's, started in the background."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from docker.tls import TLSConfig

from components import over_ssh
from toolchain import apt
from toolchain.console import Console
from toolchain.docker_provider.endpoint import DEFAULT_HOST, Endpoint, resolve
from toolchain.environment import Setting
from toolchain.machine import Machine, last_lines, run
from toolchain.step import StepError, Unavailable, Way, first_that_works

PART = "daemon"
ANSWER_SECONDS = 5
START_SECONDS = 60.0
POLL_SECONDS = 0.1
FIRST_API = "1.41"
SYSTEMD = Path("/run/systemd/system")
PACKAGES = ("docker.io", "iptables", "ca-certificates")
# Newer Debians have the command line and its builder in packages of their own.
OPTIONAL_PACKAGES = ("docker-cli", "docker-buildx")


@dataclass(frozen=True)
class Daemon:
    """A Docker daemon that answers.

    Attributes:
        endpoint: its address.
        version: its version.
        architecture: the processor as Docker names it.
        api: the version of its interface.
    """

    endpoint: Endpoint
    version: str
    architecture: str
    api: str = FIRST_API

    def client(self, timeout: int = over_ssh.REQUEST_SECONDS) -> docker.DockerClient:
        """A connection to it; `timeout` in seconds."""
        return connect(self.endpoint, timeout, self.api)


def connect(endpoint: Endpoint, timeout: int, api: str) -> docker.DockerClient:
    """Prepare a connection; `ssh://` by the user's own ssh."""
    options: dict[str, Any] = {"timeout": timeout, "version": api}
    if endpoint.certificates:
        folder = endpoint.certificates
        options["tls"] = TLSConfig(
            client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
            ca_cert=str(folder / "ca.pem") if endpoint.verify else None,
            verify=endpoint.verify,
        )
    return over_ssh.docker_client(endpoint.host, **options)


def ask(endpoint: Endpoint) -> Daemon:
    """Ask a daemon for its version.

    Raises:
        Unavailable: it does not answer, or refuses.
    """
    try:
        _touch(endpoint.host)
        with contextlib.closing(connect(endpoint, ANSWER_SECONDS, FIRST_API)) as client:
            # The one question that every daemon answers, whatever version of the interface it is asked in.
            answer = client.version(api_version=False)
    except (docker.errors.DockerException, requests.RequestException, OSError, ValueError) as error:
        raise Unavailable(reason(error)) from None
    return Daemon(endpoint, str(answer["Version"]), str(answer["Arch"]), str(answer["ApiVersion"]))


def _touch(host: str) -> None:
    # The docker package leaves a socket open when it cannot connect, and hides the cause below its own errors.
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as trial:
            trial.settimeout(ANSWER_SECONDS)
            trial.connect(host.removeprefix("unix://"))


def reason(error: BaseException) -> str:
    """Why a daemon did not answer, in words, without the layers of libraries around it."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return " ".join(str(error.explanation).split())
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    if isinstance(error, PermissionError):
        return "permission denied"
    if isinstance(error, FileNotFoundError):
        return "no such socket"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return " ".join(str(error).split()) or type(error).__name__


def ways(machine: Machine, endpoint: Endpoint) -> Iterator[Way]:
    """How to come by a daemon: one that answers, an installed one that is started, one to be installed.

    A daemon that the user names is not replaced by another, nor one that answers but refuses.
    """
    yield Way("running", f"{endpoint.host} ({endpoint.source})")
    obstacle = ""
    if endpoint.host != DEFAULT_HOST:
        obstacle = f"the daemon was named by {endpoint.source}"
    elif not machine.is_root():
        obstacle = "it takes root"
    there = machine.which("dockerd")
    yield Way("start", "to start dockerd", obstacle or ("" if there else "it is not installed"))
    yield Way("install", f"apt-get install {PACKAGES[0]}", obstacle or apt.obstacle(machine))


def fix_for(machine: Machine, endpoint: Endpoint) -> str:
    """What the user can do about it."""
    if endpoint.host != DEFAULT_HOST:
        return f"Start that daemon, or change what names it: {endpoint.source}."
    socket = Path(DEFAULT_HOST.partition("://")[2])
    if machine.exists(socket) and not machine.is_root():
        return (
            "If a daemon runs, let your user use it (sudo usermod -aG docker $USER, then log in again). Else start "
            "it: sudo systemctl start docker"
        )
    return "Install Docker (https://docs.docker.com/engine/install) and start it, or name a daemon with DOCKER_HOST."


def users(machine: Machine) -> Endpoint:
    """The daemon of the user's settings, or Docker's default one.

    Raises:
        StepError: they name a context that does not exist.
    """
    try:
        return resolve({}, machine.environ)
    except ValueError as error:
        raise StepError("the Docker daemon", [("the user's context", str(error))], "See: docker context ls") from None


def named(machine: Machine, host: str, source: str) -> Endpoint:
    """The daemon that a setting names, as the provider would reach it.

    Args:
        machine: where from.
        host: its address.
        source: the setting, for messages.
    """
    return replace(resolve({"host": host}, machine.environ), source=source)


def ensure(machine: Machine, console: Console, chosen: Endpoint | None = None) -> Daemon:
    """Find a daemon that answers, or start one.

    Args:
        machine: this machine.
        console: where it is told.
        chosen: the daemon that a setting names; the user's own without.

    Raises:
        StepError: there is none, and none can be started.
    """
    endpoint = chosen or users(machine)
    source = f" ({endpoint.source})" if chosen else ""
    log = machine.layout.folder / "dockerd.log"

    def running(_: Way) -> Daemon:
        daemon = ask(endpoint)
        console.found(PART, f"Docker {daemon.version}, {endpoint.host}{source}")
        return daemon

    def start(_: Way) -> Daemon:
        with console.activity(PART, "starting"):
            daemon = start_daemon(machine, endpoint, log)
        console.made(PART, f"Docker {daemon.version}, {endpoint.host}, {origin(machine, log)}")
        return daemon

    def install(way: Way) -> Daemon:
        with console.activity(PART, f"installing Debian's {PACKAGES[0]}"):
            apt.install(machine, PACKAGES, OPTIONAL_PACKAGES)
        # Its package starts it where systemd runs.
        with contextlib.suppress(Unavailable):
            return running(way)
        return start(way)

    actions = {"running": running, "start": start, "install": install}
    return first_that_works("the Docker daemon", ways(machine, endpoint), actions, fix_for(machine, endpoint))[0]


def origin(machine: Machine, log: Path) -> str:
    """What started the daemon, and where it logs."""
    return "started by systemd" if machine.exists(SYSTEMD) else f"started in the background, log: {log}"


def start_daemon(machine: Machine, endpoint: Endpoint, log: Path) -> Daemon:
    """Start the installed daemon and wait until it answers.

    Raises:
        Unavailable: it does not start.
    """
    if machine.exists(SYSTEMD):
        run(["systemctl", "start", "docker"], environ=machine.environ, timeout=START_SECONDS)
        return ask(endpoint)
    dockerd = machine.which("dockerd")
    if dockerd is None:
        raise Unavailable("dockerd is not installed")
    process = spawn([str(dockerd), "--host", endpoint.host], machine.environ, log)
    log.with_suffix(".pid").write_text(f"{process.pid}\n")
    return wait(process, endpoint, log)


def spawn(command: Sequence[str], environ: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a daemon that outlives this process and its terminal, logging to a file.

    Args:
        command: the daemon's.
        environ: its environment, to which the folders of system programs are added.
        log: appended to.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    path = f"{environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            env={**environ, "PATH": path},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def wait(process: subprocess.Popen[bytes], endpoint: Endpoint, log: Path) -> Daemon:
    """Wait until a started daemon answers.

    Raises:
        Unavailable: it ended, or does not answer within a minute; with its log's last lines.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        code = process.poll()
        try:
            return ask(endpoint)
        except Unavailable as error:
            if code is None and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
                continue
            ended = f"it ended with code {code}" if code is not None else f"no answer in {START_SECONDS:.0f} s: {error}"
            raise Unavailable(f"{ended}; the end of {log}: {last_lines(log.read_text(errors='replace'), 5)}") from None


def settings(endpoint: Endpoint) -> tuple[Setting, ...]:
    """What makes every tool speak to the daemon of a Docker context; the vendor's plugin knows DOCKER_HOST alone.

    Not for a daemon that a stack names: its program does, and other stacks are the user's daemon's.
    """
    if endpoint.source == "DOCKER_HOST" or endpoint.host == DEFAULT_HOST:
        return ()
    found = endpoint.environment()
    # The address last, as the others would take it for the user's.
    names = sorted(found, key="DOCKER_HOST".__eq__)
    return tuple(Setting(name, found[name], ("DOCKER_HOST",)) for name in names)
