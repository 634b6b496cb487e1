"""A project's folder of its own, a fake Docker daemon, and engines that record what programs register."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components import image_context, layers, models, service_needs, staging
from components.dependencies import Dependencies
from components.lock import Lock
from tests.components.engine import Engine, FakeDaemon, Run


@pytest.fixture(autouse=True)
def nothing_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test be a run of its own for the models and folders that a program declares."""
    monkeypatch.setattr(models, "declared", {})
    monkeypatch.setattr(models, "outputs", {})
    monkeypatch.setattr(service_needs, "declared", {})
    monkeypatch.setattr(staging, "claimed", {})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project's folder with a model, a script and its environment file; return the folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MODEL_WEBSERVICE_BASE_IMAGE", raising=False)
    Path("model.bin").write_bytes(b"weights")
    Path("score.py").write_text("def init(): ...\n\n\ndef run(data):\n    return data\n")
    Path("myenv.yml").write_text("name: test\ndependencies:\n  - numpy\n")
    return folder


@dataclass
class FakePackages:
    """Locks and installs without an index: what is asked for is what is there."""

    versions: dict[str, str] = field(default_factory=dict)
    """What the lock holds besides the requirements' own text."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    warning: str = ""
    """What the installation reports."""

    def lock(self, needs: Dependencies, server_requirements: Sequence[str], **options: Any) -> Lock:
        self.asked.append({"needs": needs, "server": list(server_requirements), **options})
        text = "\n".join([*needs.requirements, *server_requirements, *(f"{k}=={v}" for k, v in self.versions.items())])
        return Lock(text, hashlib.sha256(text.encode()).hexdigest(), self.versions)

    def build(
        self,
        lock: Lock,
        *,
        target: Path,
        python_version: str,
        platform: str,
        environ: Mapping[str, str],
        report: Callable[[str], None] = print,
    ) -> str:
        if self.warning:
            report(self.warning)
        source = target.with_name("packages")
        source.write_text(f"{lock.text} for Python {python_version} on {platform}")
        try:
            return layers.write_layer(target, {"opt/dependencies/packages": source})
        finally:
            source.unlink()


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePackages:
    """Lock and install without an index, beside a server of two lines."""
    server = tmp_path / "server"
    (server / "scoring_server").mkdir(parents=True)
    (server / "scoring_server" / "__init__.py").write_text("")
    (server / "requirements.txt").write_text("# the server's own\nuvloop>=0.21  # fast\n\n")
    (server / "azmlinfsrv").write_text("#!/bin/sh\n")
    (server / "azmlinfsrv").chmod(0o755)
    fake = FakePackages()
    monkeypatch.setattr(image_context, "SERVER_FOLDER", server)
    monkeypatch.setattr("components.lock.lock", fake.lock)
    monkeypatch.setattr("components.installation.build_dependencies_layer", fake.build)
    return fake


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    """Put a fake Docker daemon in the place of the one that `connect` would find."""
    fake = FakeDaemon()

    def connect(host: str = "") -> FakeDaemon:
        fake.asked_for.append(host)
        return fake

    monkeypatch.setattr("components.daemon.connect", connect)
    return fake


@pytest.fixture
def up(daemon: FakeDaemon) -> Run:
    """Run a program as an update."""

    def run(program: Callable[[], object], *existing: str) -> Engine:
        models.declared.clear()
        models.outputs.clear()
        return Engine(daemon, existing=existing).run(program)

    return run


@pytest.fixture
def preview(daemon: FakeDaemon) -> Run:
    """Run a program as a preview, of a stack that has the `existing` containers."""

    def run(program: Callable[[], object], *existing: str) -> Engine:
        models.declared.clear()
        models.outputs.clear()
        return Engine(daemon, preview=True, existing=existing).run(program)

    return run
