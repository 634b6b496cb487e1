"""A checkout of the project with a stack of its own, driven by the real Pulumi CLI."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import automation

from tests import needs
from toolchain.state import file_address

ROOT = Path(__file__).resolve().parents[2]
UNTRACKED = ("scoring/mnist/outputs/sklearn_mnist_model.pkl",)
"""Made by the toolchain before the tests, and no part of a checkout."""


def check_out(target: Path) -> Path:
    """Copy the project's files, as they are in the working tree, to `target`."""
    needs.programs("git")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    for name in [*listed.stdout.decode().splitlines(), *UNTRACKED]:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    if (ROOT / ".toolchain").exists():
        (target / ".toolchain").symlink_to(ROOT / ".toolchain")
    return target


@dataclass
class Run:
    """What one run of the engine did."""

    operations: dict[str, list[str]] = field(default_factory=dict)
    """By resource name, in order: what was done to it, without `same` and `refresh`."""
    output: str = ""
    failed: bool = False

    @property
    def diagnostics(self) -> str:
        """What the engine says below the list of resources, which is long where there are many of them."""
        return self.output.partition("Diagnostics:")[2] or self.output


class Project:
    """A stack in a checkout."""

    def __init__(self, checkout: Path, backend: Path, stack: str = "e2e") -> None:
        backend.mkdir(exist_ok=True)
        self.checkout = checkout
        self.backend = backend
        self.environment = {
            "PULUMI_BACKEND_URL": file_address(backend),
            "PULUMI_CONFIG_PASSPHRASE": "of the tests",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }
        workspace = automation.LocalWorkspaceOptions(work_dir=str(checkout), env_vars=self.environment)
        self.stack = automation.create_or_select_stack(stack, work_dir=str(checkout), opts=workspace)

    def configure(self, settings: Mapping[str, object]) -> None:
        """Write the stack's settings, all of them."""
        values = {f"model-webservice:{key}": value for key, value in settings.items()}
        path = self.checkout / "stacks" / f"Pulumi.{self.stack.name}.yaml"
        kept = (
            [line for line in path.read_text().splitlines() if line.startswith("encryptionsalt")]
            if path.exists()
            else []
        )
        path.write_text("\n".join([f"config: {json.dumps(values)}", *kept, ""]))

    @property
    def variables(self) -> dict[str, str]:
        """The environment of programs that are started on the stack."""
        return {**os.environ, **self.environment}

    def scoring(self, *words: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Run the command `python -m scoring` on the stack, with `given` on its standard input."""
        return subprocess.run(
            [sys.executable, "-m", "scoring", *words, "--stack", self.stack.name],
            cwd=self.checkout,
            env=self.variables,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def shown(self, service: str) -> dict[str, Any]:
        """Return what `python -m scoring service show` tells of a service."""
        done = self.scoring("service", "show", service, "--json")
        assert done.returncode == 0, done.stderr
        known: dict[str, Any] = json.loads(done.stdout)
        return known

    def up(self, **options: object) -> Run:
        """Run `pulumi up`; a failure is told in the result."""
        return self._run(self.stack.up, **options)

    def preview(self, **options: object) -> Run:
        """Run `pulumi preview`; a failure is told in the result."""
        return self._run(self.stack.preview, **options)

    def destroy(self) -> Run:
        """Run `pulumi destroy`; a failure is told in the result."""
        return self._run(self.stack.destroy)

    def _run(self, action: Callable[..., object], **options: object) -> Run:
        run = Run()

        def watch(event: automation.EngineEvent) -> None:
            if event.resource_pre_event:
                step = event.resource_pre_event.metadata
                operation = str(getattr(step.op, "value", step.op))
                if operation not in ("same", "refresh", "read"):
                    run.operations.setdefault(step.urn.split("::")[-1], []).append(operation)

        try:
            action(
                on_event=watch,
                on_output=lambda text: setattr(run, "output", run.output + text + "\n"),
                color="never",
                **options,
            )
        except automation.CommandError as error:
            run.failed = True
            run.output += str(error)
        return run

    def services(self) -> dict[str, dict[str, str]]:
        """Return the stack's output `services`."""
        services: dict[str, dict[str, str]] = self.stack.outputs()["services"].value
        return services


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """Replace `old` by `new` in a file for a while."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        yield
    finally:
        path.write_text(text)


def plain_service(checkout: Path, name: str, **others: object) -> dict[str, object]:
    """Write a script that returns what it is sent, and a model; return the settings of a service of them."""
    (checkout / "echo.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return data\n")
    (checkout / "model.txt").write_text(f"the model of {name}\n")
    (checkout / "plain.yml").write_text("dependencies:\n  - python=3.11\n")
    return {
        "services": [{"name": name, "style": "modelFile"}],
        "modelPath": "model.txt",
        "executionScript": "echo.py",
        "condaFile": "plain.yml",
        "waitTimeout": 60,
        **others,
    }
