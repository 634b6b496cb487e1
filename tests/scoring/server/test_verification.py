"""Models are served as they were registered: a real server started over a changed model does not start."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from scoring_server.settings import Settings
from scoring_server.verification import ModelChangedError, verify

from components import model_files, models

from .process import app_root, launch, running


class Container:
    """A container's file system with one registered model, and the server's settings for it."""

    def __init__(self, base: Path, path: Path) -> None:
        base = base / f"container of {path.name}"
        self.root, self.records = app_root(base / "app", "plain.py", "sibling.py"), base / "records"
        model = models.describe(path, name="digits", version="3")
        self.model = self.root / "azureml-models" / "digits" / "3" / path.name
        self.record = self.records / "digits" / "3" / "files.json"
        self.model.parent.mkdir(parents=True)
        self.record.parent.mkdir(parents=True)
        if path.is_dir():
            shutil.copytree(path, self.model, symlinks=True)
        else:
            self.model.write_bytes(path.read_bytes())
        self.record.write_text(model_files.record(model.files, path.name, model.sha256))
        self.environ = {
            "AML_APP_ROOT": str(self.root),
            "SCORING_MODEL_RECORDS": str(self.records),
            "SCORING_MODEL_DIGESTS": json.dumps({"digits/3": model.sha256}),
        }

    def verify(self, **others: str) -> int:
        return verify(Settings.from_environ({**self.environ, **others}))


@pytest.fixture
def folder(tmp_path: Path) -> Container:
    """A model that is a folder with files, a program, a link and an empty folder."""
    path = tmp_path / "saved"
    (path / "inner" / "empty").mkdir(parents=True)
    (path / "weights.bin").write_bytes(b"weights" * 300_000)
    (path / "inner" / "tool").write_text("tool")
    (path / "inner" / "tool").chmod(0o755)
    (path / "link").symlink_to("weights.bin")
    return Container(tmp_path, path)


@pytest.fixture
def file(tmp_path: Path) -> Container:
    """A model that is a single file."""
    (tmp_path / "model.bin").write_bytes(b"weights")
    return Container(tmp_path, tmp_path / "model.bin")


def test_a_model_as_it_was_registered_passes(folder: Container, file: Container) -> None:
    assert folder.verify() == 2_100_004
    assert file.verify() == 7


def test_nothing_is_compared_where_nothing_was_registered() -> None:
    assert verify(Settings.from_environ({})) == 0


def change_content(folder: Container) -> None:
    (folder.model / "weights.bin").write_bytes(b"Weights" * 300_000)


def add(folder: Container) -> None:
    (folder.model / "more.bin").write_text("more")


def add_beside(folder: Container) -> None:
    (folder.model.parent / "other").write_text("other")


def remove(folder: Container) -> None:
    (folder.model / "inner" / "tool").unlink()


def forbid(folder: Container) -> None:
    (folder.model / "inner" / "tool").chmod(0o644)


def redirect(folder: Container) -> None:
    (folder.model / "link").unlink()
    (folder.model / "link").symlink_to("inner/tool")


def replace(folder: Container) -> None:
    (folder.model / "inner" / "empty").rmdir()
    (folder.model / "inner" / "empty").write_text("")


def change_record_too(folder: Container) -> None:
    change_content(folder)
    record = json.loads(folder.record.read_text())
    record["files"][-1][3] = "0" * 64
    folder.record.write_text(json.dumps(record))


def drop_record(folder: Container) -> None:
    folder.record.unlink()


def damage_record(folder: Container) -> None:
    folder.record.write_text("{}")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (
            change_content,
            r"weights.bin of version 3 of the model 'digits' has changed: sha256 \w{64} was registered .2100000 bytes",
        ),
        (add, r"more.bin is no part of version 3 of the model 'digits'"),
        (add_beside, r"/3/other is no part of"),
        (remove, r"inner/tool of version 3 .* cannot be read: No such file"),
        (forbid, r"inner/tool .* its executable bit is another"),
        (redirect, r"link of .* has changed: target weights.bin was registered .*, it has inner/tool"),
        (replace, r"inner/empty of .* was registered as a folder, and is a file"),
        (change_record_too, r"the record .*files.json is not that of version 3 of the model 'digits'"),
        (drop_record, r"the record .* cannot be read: .*No such file"),
        (damage_record, r"the record .* cannot be read: 'entry'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_changed_model_does_not_pass(folder: Container, act, said: str) -> None:
    act(folder)
    with pytest.raises(ModelChangedError, match=said):
        folder.verify()
    assert folder.verify(SCORING_VERIFY_MODELS="false") == 0


def test_a_server_starts_over_its_model_and_not_over_a_changed_one(file: Container) -> None:
    with running(file.root, "plain.py", file.environ) as server:
        assert server.request("GET", "/").status == 200
    file.model.write_bytes(b"Weights")
    server = launch(file.root, "plain.py", file.environ)
    assert not server.log.wait_for("ready for serving traffic")
    assert server.stop() == 3
    assert "Cannot start: " in server.log.text
    assert "model.bin of version 3 of the model 'digits' has changed" in server.log.text


IMPORTED, INITIALISING = "run() is", "Invoking user's init function"


@pytest.fixture
def slow(file: Container) -> Container:
    """A model whose content comes when it is written: who reads it waits."""
    file.model.unlink()
    os.mkfifo(file.model)
    return file


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_is_read_while_the_script_is_imported_and_before_it_may_load_it(slow: Container, workers: int) -> None:
    environ = {**slow.environ, "WORKER_COUNT": str(workers)}
    server = launch(slow.root, "plain.py", environ)
    with slow.model.open("wb", buffering=0) as model:  # when the server has opened it
        assert server.log.wait_for(IMPORTED)
        assert server.log.wait_for("Listening on")
        assert (server.request("GET", "/").status, server.score(1).status) == (503, 503)
        assert server.log.count(INITIALISING) == 0
        model.write(b"weights")
    assert server.log.wait_for("ready for serving traffic", workers)
    assert server.score(1).json() == 1
    assert server.stop() == 0


@pytest.mark.parametrize("refuse", ["false", "true"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_changed_model_is_not_even_loaded(slow: Container, workers: int, refuse: str) -> None:
    environ = {**slow.environ, "WORKER_COUNT": str(workers), "SCORING_LISTEN_WHEN_READY": refuse}
    server = launch(slow.root, "plain.py", environ)
    with slow.model.open("wb", buffering=0) as model:
        assert server.log.wait_for(IMPORTED)
        if refuse == "false":
            assert server.log.wait_for("Listening on")
            assert (server.request("GET", "/").status, server.score(1).status) == (503, 503)
        model.write(b"Weights")
    assert server.process.wait(20) == 3
    server.log.join()
    assert server.log.count("Cannot start: ") == 1
    assert "model.bin of version 3 of the model 'digits' has changed" in server.log.text
    assert server.log.count(INITIALISING) == 0
    assert server.log.count("ready for serving traffic") == 0
    assert server.log.count("Traceback") == 0


def test_it_ends_when_told_while_a_model_is_read(slow: Container) -> None:
    server = launch(slow.root, "plain.py", {**slow.environ, "WORKER_COUNT": "2"})
    with slow.model.open("wb"):
        assert server.log.wait_for("Listening on")
        assert server.log.wait_for(IMPORTED)
        assert server.stop(signal.SIGTERM) == 0
    assert server.log.count("ready for serving traffic") == 0
