"""Building an image: with BuildKit through a docker command line that is capable of it, else by the classic builder."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from toolchain.docker_provider import docker_package
from toolchain.docker_provider.build_client import BuildClient, choose_client
from toolchain.docker_provider.certificates import certificate_folder
from toolchain.docker_provider.engine import WARNING
from toolchain.docker_provider.images import follow
from toolchain.docker_provider.login_folder import login_folder
from toolchain.docker_provider.registry import Login
from toolchain.docker_provider.resource import Operation, OperationError

LAST_LINES = 20
# Variables that steer the command line itself: a build argument of that name is not passed through the environment.
_RESERVED = re.compile(r"PATH|HOME|TMPDIR|SSL_CERT_\w+|LD_\w+|DOCKER_\w+|BUILD(X|KIT)_\w+|SSH_\w+", re.IGNORECASE)


@dataclass(frozen=True)
class Build:
    """One image to build.

    Attributes:
        classic: whether the program asked for the classic builder.
        logins: logins by registry host, for base and cache images.
    """

    tag: str
    context: str
    dockerfile: str
    platform: str
    args: Mapping[str, str] = field(default_factory=dict, repr=False)
    target: str = ""
    network: str = ""
    add_hosts: Sequence[str] = ()
    cache_from: Sequence[str] = ()
    classic: bool = False
    logins: Mapping[str, Login] = field(default_factory=dict, repr=False)


@functools.lru_cache(maxsize=4)
def prepare(path: str) -> None:
    """Do beforehand, while the engine is at other things, what a build begins with: imports, and choosing a client.

    Args:
        path: the PATH to look for docker commands on.
    """

    def work() -> None:
        choose_client(path)
        docker_package.load()

    threading.Thread(target=work, daemon=True).start()


def run_build(operation: Operation, build: Build) -> None:
    """Build an image into the daemon, its output shown line by line.

    Raises:
        OperationError: the build failed or was cancelled; it names the step and carries the last lines.
    """
    client = None if build.classic else choose_client(search_path(operation))
    if client is None:
        if not build.classic:
            operation.log(
                "BuildKit is not available: there is no docker command with buildx, nor one older than 23. Building "
                "with the classic builder, which is slower and caches less; install docker-buildx to have BuildKit",
                WARNING,
            )
        _build_by_api(operation, build)
        return
    with (
        login_folder(build.logins, operation.daemon.environ) as logins,
        certificate_folder(operation.daemon.materials) as certificates,
    ):
        environment = {
            **operation.daemon.environ,
            **build_variables(build),
            **client.environment,
            **operation.daemon.endpoint.environment(),
            **certificates,
            **logins,
        }
        environment.pop("DOCKER_CONTEXT", None)
        _run(operation, build, [*client.command, *build_arguments(build, client)], environment)


def search_path(operation: Operation) -> str:
    """Where docker commands are looked for."""
    return operation.daemon.environ.get("PATH", os.defpath)


def build_arguments(build: Build, client: BuildClient) -> list[str]:
    """The command line of one build, without the client's own part; values of build arguments stay out of it."""
    arguments = ["--progress=plain", "--tag", build.tag, "--file", build.dockerfile, "--platform", build.platform]
    arguments += ["--load"] if client.buildx else []
    for name, value in build.args.items():
        arguments += ["--build-arg", f"{name}={value}" if _RESERVED.fullmatch(name) else name]
    for option, value in (("--target", build.target), ("--network", build.network)):
        arguments += [option, value] if value else []
    for host in build.add_hosts:
        arguments += ["--add-host", host]
    for image in build.cache_from:
        arguments += ["--cache-from", image]
    return [*arguments, build.context]


def build_variables(build: Build) -> dict[str, str]:
    """The build arguments that the command line takes from its environment."""
    return {name: value for name, value in build.args.items() if not _RESERVED.fullmatch(name)}


def failure(lines: Sequence[str]) -> str:
    """The cause of a failed build out of its last lines: what the builder calls an error, else the end."""
    errors = [line for line in lines if re.search(r"(?i)\berror\b|failed to|executor failed|denied", line)]
    return re.sub(r"^#\d+ (ERROR: )?", "", errors[-1]) if errors else "\n".join(lines[-3:])


def _run(operation: Operation, build: Build, command: Sequence[str], environment: Mapping[str, str]) -> None:
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    ended, stopped = threading.Event(), threading.Event()
    watcher = threading.Thread(target=_stop_when_cancelled, args=(operation, process, ended, stopped), daemon=True)
    watcher.start()
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if text := line.rstrip():
                lines = [*lines[1 - LAST_LINES :], text]
                operation.log(text)
        code = process.wait()
    finally:
        ended.set()
        watcher.join()
    if stopped.is_set():
        raise OperationError(
            f"building {build.tag!r} was stopped: cancelled, or not done within {operation.timeout or 0:g} s"
        )
    if code:
        raise OperationError(
            f"building {build.tag!r} failed (exit code {code}): {failure(lines)}\nlast lines of the build:\n"
            + "\n".join(lines)
        )


def _stop_when_cancelled(
    operation: Operation, process: subprocess.Popen[str], ended: threading.Event, stopped: threading.Event
) -> None:
    waited = 0.0
    while not ended.wait(0.2):
        waited += 0.2
        if operation.cancelled.is_set() or (operation.timeout and waited > operation.timeout):
            stopped.set()
            process.terminate()
            return


def _build_by_api(operation: Operation, build: Build) -> None:
    from toolchain.docker_provider.docker_package import DockerException

    api = operation.daemon.api
    try:
        with login_folder(build.logins, operation.daemon.environ) as logins:
            if logins:
                api.reload_config(os.path.join(logins["DOCKER_CONFIG"], "config.json"))
            stream = api.build(
                path=build.context,
                dockerfile=os.path.abspath(build.dockerfile),
                tag=build.tag,
                buildargs=dict(build.args),
                target=build.target or None,
                platform=build.platform,
                network_mode=build.network or None,
                extra_hosts=dict(host.split(":", 1) for host in build.add_hosts) or None,
                cache_from=list(build.cache_from) or None,
                rm=True,
                forcerm=True,
                decode=True,
            )
            follow(operation, stream)
    except (DockerException, OperationError, TypeError) as error:
        raise OperationError(
            f"building {build.tag!r} failed: {getattr(error, 'explanation', None) or error}"
        ) from error
    finally:
        if build.logins:
            api.reload_config()
