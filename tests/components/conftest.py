"""A project's folder of its own, a fake Docker daemon, and engines that record what programs register."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.components.engine import Engine, FakeDaemon


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a project's folder with a model, a script and its environment file; return the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODEL_WEBSERVICE_BASE_IMAGE", raising=False)
    Path("model.bin").write_bytes(b"weights")
    Path("score.py").write_text("def init(): ...\n\n\ndef run(data):\n    return data\n")
    Path("myenv.yml").write_text("name: test\ndependencies:\n  - numpy\n")
    return tmp_path


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    """Put a fake Docker daemon in the place of the one that `connect` would find."""
    fake = FakeDaemon()
    monkeypatch.setattr("components.daemon.connect", lambda host="": fake)
    return fake


@pytest.fixture
def up(daemon: FakeDaemon) -> Callable[[Callable[[], object]], Engine]:
    """Run a program as an update."""

    def run(program: Callable[[], object]) -> Engine:
        importlib.import_module("components.models").declared.clear()
        return Engine(daemon).run(program)

    return run


@pytest.fixture
def preview(daemon: FakeDaemon) -> Callable[[Callable[[], object]], Engine]:
    """Run a program as a preview of a stack that has nothing yet."""

    def run(program: Callable[[], object]) -> Engine:
        importlib.import_module("components.models").declared.clear()
        return Engine(daemon, preview=True).run(program)

    return run
