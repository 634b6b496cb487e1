"""The servers that the cases are put to: Azure ML's own, this project's as a process and in a built container."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, cast

import docker
from docker.models.containers import Container

from components import image_config, image_context
from components.dockerfile import APP_ROOT, PORT
from tests.ports import free_port

from .cases.apps import APPS, App
from .process import SERVER, START_S, Log, Server

OURS, REFERENCE, CONTAINER = "ours", "reference", "container"
KINDS = (OURS, REFERENCE, CONTAINER)
NAME = "contract-test"
PACKAGES = ["flask>=3", "inference-schema>=1.8", "pandas>=2", "scikit-learn==1.7.2"]
"""What the scripts import."""


class ContainerProcess:
    """A container with the part of a process' manner that `Server` needs, and its logs as a pipe."""

    def __init__(self, container: Container) -> None:
        self.container = container
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading, "rb")
        Thread(target=self._write_logs, args=(writing,), daemon=True).start()

    def _write_logs(self, pipe: int) -> None:
        # Nobody may be reading any more when the container has ended.
        with os.fdopen(pipe, "wb", buffering=0) as stream, contextlib.suppress(BrokenPipeError):
            for chunk in self.container.logs(stream=True, follow=True):
                stream.write(chunk)

    def poll(self) -> int | None:
        self.container.reload()
        state = self.container.attrs["State"]
        return None if state["Status"] in ("created", "running") else int(state["ExitCode"])

    def wait(self, timeout: float) -> int:
        return int(self.container.wait(timeout=timeout)["StatusCode"])

    def send_signal(self, number: signal.Signals) -> None:
        self.container.kill(number.name)

    def kill(self) -> None:
        self.container.remove(force=True)


@dataclass
class Kinds:
    """Starts applications on each kind of server, once."""

    folder: Path
    script_packages: Path
    reference: Path
    """The Python that has Azure ML's server."""
    image: str
    started: dict[tuple[str, str], Server] = field(default_factory=dict)

    def start(self, kind: str, name: str) -> Server:
        """Return the server, which answers or has ended."""
        if (kind, name) not in self.started:
            server = self.launch(kind, name)
            self.started[kind, name] = server
            wait_until_ready(server, APPS[name].workers)
        return self.started[kind, name]

    def start_all(self, wanted: set[tuple[str, str]]) -> None:
        """Start several at the same time."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            # The slowest first.
            list(pool.map(lambda pair: self.start(*pair), sorted(wanted, reverse=True)))

    def launch(self, kind: str, name: str) -> Server:
        app, place = APPS[name], name.replace(" ", "-")
        if kind == CONTAINER:
            return launch_container(self.image, app, place)
        root = self.folder / kind / place
        app.write(root)
        arguments = arguments_of(app, {"health_port": str(free_port())})
        environ = {key: value.format(root=root) for key, value in app.environ.items()}
        environ |= {"AML_APP_ROOT": str(root), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        if kind == REFERENCE:
            command = [str(self.reference.parent / "azmlinfsrv")]
            if "--entry_script" not in arguments:
                arguments = ["--entry_script", str(root / app.script), *arguments]
        else:
            environ = {"AZUREML_ENTRY_SCRIPT": app.script, "SCORING_HOST": "127.0.0.1", **environ}
            environ |= {"PYTHONPATH": f"{SERVER}:{self.script_packages}", "PYTHONWARNINGS": "ignore"}
            command = [sys.executable, "-m", "scoring_server"]
        return launch_process(command, arguments, environ, root)

    def close(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(end, self.started.values()))


def end(server: Server) -> None:
    if isinstance(server.process, subprocess.Popen):
        server.stop()
    else:
        server.process.kill()
        server.log.join()


def arguments_of(app: App, values: dict[str, str]) -> list[str]:
    return [argument.format(**values) for argument in app.arguments]


def launch_process(command: list[str], arguments: list[str], environ: dict[str, str], root: Path) -> Server:
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    process = subprocess.Popen(
        [*command, "--port", str(port), *arguments],
        env=kept | environ,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    health = arguments[arguments.index("--health_port") + 1] if "--health_port" in arguments else "0"
    return Server(process, port, Log(process.stdout), root, int(health))


def launch_container(image: str, app: App, place: str, **limits: Any) -> Server:
    """Start a container of the image as the project deploys it: as any user, with a root that cannot be written to.

    `limits` are further arguments of docker's `run`.
    """
    root = f"{APP_ROOT}/{place}"
    ports = (free_port(), free_port())
    environ = {key: value.format(root=root) for key, value in app.environ.items()}
    command = ["azmlinfsrv", *arguments_of(app, {"health_port": "5002"})] if app.arguments else None
    container = docker.from_env().containers.run(
        image,
        command,
        name=f"{NAME}-{os.getpid()}-{place}",
        detach=True,
        environment={"AZUREML_ENTRY_SCRIPT": app.script, **environ, "AML_APP_ROOT": root},
        working_dir=root,
        ports={f"{PORT}/tcp": ("127.0.0.1", ports[0]), "5002/tcp": ("127.0.0.1", ports[1])},
        read_only=True,
        user="12345:12345",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        **limits,
    )
    process: Any = ContainerProcess(container)
    return Server(process, ports[0], Log(process.stdout), Path(root), ports[1])


def wait_until_ready(server: Server, workers: int) -> None:
    """Wait until the server answers 200 on `/`, or has ended."""
    end = time.monotonic() + START_S
    while server.process.poll() is None:
        with contextlib.suppress(OSError):
            if server.request("GET", "/").status == 200:
                break
        assert time.monotonic() < end, server.log.text
        time.sleep(0.05)
    if workers > 1:
        server.log.wait_for("ready for serving traffic", workers)


@contextlib.contextmanager
def built_image(
    folder: Path, base_image: str, applications: Mapping[str, App] = APPS, packages: Sequence[str] = PACKAGES
) -> Iterator[str]:
    """An image by the project's own rules, with all applications side by side below the application's root."""
    apps = folder / "apps"
    for name, app in applications.items():
        app.write(apps / name.replace(" ", "-"))
    script = folder / "score.py"
    script.write_text("def init(): ...\n\n\ndef run(data): ...\n")
    config = image_config.check(
        {
            "execution_script": str(script),
            "dependencies": [str(path) for path in apps.iterdir()],
            "packages": list(packages),
            "base_image": base_image,
        }
    )
    client = docker.from_env()
    version: Any = cast(Any, client.version())
    platform = f"{version['Os']}/{version['Arch']}"
    before = Path.cwd()
    os.chdir(folder)  # contexts lie below the project's folder
    try:
        context = image_context.stage(config, [], NAME, "contract", NAME, platform)
        tag = f"{NAME}:{context.tag}-{os.getpid()}"
        client.images.build(path=context.path, tag=tag, rm=True)
    finally:
        os.chdir(before)
    try:
        yield tag
    finally:
        client.images.remove(tag, force=True)
        client.close()
