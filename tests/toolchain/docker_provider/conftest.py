"""The plugin of this tree installed in a Pulumi home of its own, and stacks of small programs."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import docker
import pytest

from toolchain.docker_provider.install import install_command, lay_out
from toolchain.state import file_address


@pytest.fixture(scope="session")
def pulumi_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a `pulumi` that finds this tree's plugin, and this interpreter first."""
    home = tmp_path_factory.mktemp("pulumi-home")
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_HOME": str(home),
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DEBUG_COMMANDS": "true",  # --event-log
    }
    pulumi = shutil.which("pulumi", path=environment["PATH"])
    if pulumi is None:
        pytest.fail("no pulumi on PATH: run `make test`, or put the Pulumi command line on PATH")
    folder = lay_out(tmp_path_factory.mktemp("plugin"), Path(sys.executable))
    command = install_command(pulumi, folder)
    subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)
    return environment


@pytest.fixture
def daemon() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@dataclass
class Seen:
    """What the engine reported of one operation; times are in whole seconds."""

    failed: bool
    ops: dict[str, str] = field(default_factory=dict)
    messages: list[tuple[int, str]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join(message for _, message in self.messages)


class Stack:
    """A stack named `test` of small programs, in a folder of its own, run by the Pulumi command line."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment, "PULUMI_BACKEND_URL": file_address(folder)}
        (folder / "Pulumi.yaml").write_text("name: provider\nruntime: python\n")
        self.pulumi("stack", "init", "test")

    def pulumi(self, *arguments: str) -> str:
        command = ["pulumi", *arguments, "--non-interactive"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, program: str) -> None:
        (self.folder / "__main__.py").write_text(f"import pulumi\nimport pulumi_docker as d\n\n{dedent(program)}")

    def run(self, verb: str, *options: str) -> Seen:
        log = self.folder / "events.json"
        log.unlink(missing_ok=True)
        command = ["pulumi", verb, "--non-interactive", "--event-log", str(log), *options]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        seen = Seen(done.returncode != 0)
        for event in map(json.loads, log.read_text().splitlines()):
            if step := event.get("resourcePreEvent"):
                seen.ops[step["metadata"]["urn"].split("::")[-1]] = step["metadata"]["op"]
            if step := event.get("resOutputsEvent"):
                seen.done[step["metadata"]["urn"].split("::")[-1]] = event["timestamp"]
            if said := event.get("diagnosticEvent"):
                seen.messages.append((event["timestamp"], said["message"]))
        seen.messages.append((0, done.stdout + done.stderr))
        return seen

    def up(self, program: str) -> Seen:
        self.write(program)
        return self.run("up", "--yes", "--skip-preview")

    def preview(self, program: str) -> Seen:
        self.write(program)
        return self.run("preview")

    def refresh(self) -> Seen:
        return self.run("refresh", "--yes", "--skip-preview")

    def destroy(self) -> Seen:
        return self.run("destroy", "--yes", "--skip-preview")

    def output(self, name: str) -> Any:
        return json.loads(self.pulumi("stack", "output", name, "--json"))


@pytest.fixture
def stack(tmp_path: Path, pulumi_environment: dict[str, str]) -> Iterator[Stack]:
    folder = tmp_path / "project"
    folder.mkdir()
    made = Stack(folder, pulumi_environment)
    yield made
    seen = made.destroy()
    assert not seen.failed, seen.text


def eventually(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    waiting = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        waiting.wait(0.1)
    return value
