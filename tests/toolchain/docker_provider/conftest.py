"""The plugin of this tree installed in a Pulumi home of its own, and stacks of inline programs."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
from pulumi import automation as auto

from toolchain.docker_provider.install import install_command, lay_out


@pytest.fixture(scope="session")
def pulumi_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a `pulumi` that finds this tree's plugin, and this interpreter first."""
    home = tmp_path_factory.mktemp("pulumi-home")
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_HOME": str(home),
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
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
    """What the engine reported of one operation."""

    failed: bool = False
    ops: dict[str, str] = field(default_factory=dict)
    messages: list[tuple[float, str]] = field(default_factory=list)
    done: dict[str, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "\n".join(message for _, message in self.messages)


class Stack:
    """A stack named `test` of inline programs."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        options = auto.LocalWorkspaceOptions(env_vars={**environment, "PULUMI_BACKEND_URL": f"file://{folder}"})
        self.stack = auto.create_stack("test", "provider", lambda: None, opts=options)

    def run(self, operation: Callable[..., Any]) -> Seen:
        seen = Seen()

        def watch(event: Any) -> None:
            if step := event.resource_pre_event:
                seen.ops[step.metadata.urn.split("::")[-1]] = str(getattr(step.metadata.op, "value", step.metadata.op))
            if step := event.res_outputs_event:
                seen.done[step.metadata.urn.split("::")[-1]] = time.monotonic()
            if said := event.diagnostic_event:
                seen.messages.append((time.monotonic(), said.message))

        try:
            operation(on_event=watch)
        except auto.CommandError:
            seen.failed = True
        return seen

    def up(self, program: Callable[[], None]) -> Seen:
        self.stack.workspace.program = program
        return self.run(self.stack.up)

    def preview(self, program: Callable[[], None]) -> Seen:
        self.stack.workspace.program = program
        return self.run(self.stack.preview)

    def refresh(self) -> Seen:
        return self.run(self.stack.refresh)

    def destroy(self) -> Seen:
        return self.run(self.stack.destroy)

    def output(self, name: str) -> Any:
        return self.stack.outputs()[name].value


@pytest.fixture
def stack(tmp_path: Path, pulumi_environment: dict[str, str]) -> Iterator[Stack]:
    folder = tmp_path / "state"
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
