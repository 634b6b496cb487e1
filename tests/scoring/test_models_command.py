"""`python -m scoring models` on the real daemon and on a real registry: list, show, tag, delete, download, record."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import joblib
import numpy as np
import pytest

from components import models
from scoring.__main__ import main
from tests.registries import PASSWORD, USER, registry

pytestmark = pytest.mark.e2e

NAME = "command_test"


class Command:
    """The command, for one store."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *options: str, standard_input: str = "") -> None:
        self.capsys, self.options, self.standard_input = capsys, options, standard_input

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command; returns what it says, on standard error when it is to fail."""
        original = sys.stdin
        sys.stdin = io.StringIO(self.standard_input)
        try:
            assert main(["models", *words, *self.options]) == code
        finally:
            sys.stdin = original
        said = self.capsys.readouterr()
        return said.err if code else said.out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Two versions of a model, a folder, built as the component builds them, under a registry's name too."""
    base = tmp_path_factory.mktemp("models")
    (base / "saved" / "inner").mkdir(parents=True)
    (base / "saved" / "inner" / "run").write_text("run\n")
    (base / "saved" / "inner" / "run").chmod(0o755)
    (base / "saved" / "link").symlink_to("inner/run")
    with closing(docker.from_env()) as client, registry() as made:
        built = []
        for version in ("1", "2"):
            (base / "saved" / "weights").write_bytes(version.encode() * 3_000_000)
            tags = {"stage": "prod" if version == "1" else "test"}
            model = models.describe(base / "saved", name=NAME, version=version, tags=tags, framework="Custom")
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(base)
                context = models.stage(model, "tests", f"{NAME}-{version}", "linux/amd64")
            client.images.build(path=str(base / context.path), tag=model.reference, rm=True)
            pushed = f"{made.address}/team/{model.reference}"
            client.images.get(model.reference).tag(pushed)
            login = {"username": USER, "password": PASSWORD}
            lines = client.images.push(pushed, auth_config=login, stream=True, decode=True)
            assert not [line for line in lines if "error" in line]
            client.images.remove(pushed)
            built.append(model.reference)
        yield [made.address, *built]
        for reference in built:
            if client.images.list(reference):
                client.images.remove(reference)


@pytest.fixture(params=["daemon", "registry"])
def command(request: pytest.FixtureRequest, references: list[str], capsys: pytest.CaptureFixture[str]) -> Command:
    if request.param == "daemon":
        return Command(capsys)
    options = ("--registry", f"{references[0]}/team", "--username", USER, "--password-stdin")
    return Command(capsys, *options, standard_input=f"{PASSWORD}\n")


def test_listing(command: Command) -> None:
    lines = command("list", NAME).splitlines()
    assert lines[0].split() == ["name", "version", "created", "tags", "framework", "reference", "size"]
    assert [line.split()[:2] for line in lines[2:]] == [[NAME, "2"], [NAME, "1"]]
    assert [each["version"] for each in command.json("list", f"{NAME}?stage=prod")] == ["1"]
    assert [each["version"] for each in command.json("list", "?stage=test") if each["name"] == NAME] == ["2"]
    assert {each["name"] for each in command.json("list")} >= {NAME}
    assert command.json("list", "no_such_model") == []
    assert command("list", "no_such_model") == ""


def test_showing(command: Command) -> None:
    shown = command.json("show", f"{NAME}:1")
    assert (shown["name"], shown["version"], shown["framework"]) == (NAME, "1", "Custom")
    assert len(shown["sha256"]) == 64
    assert "stage=prod" in command("show", f"{NAME}?stage=prod")
    said = command("show", f"{NAME}:9", code=1)
    assert said.startswith(f"error: no model '{NAME}:9' is registered in ")
    assert f"{NAME}:2, {NAME}:1" in said


def test_tagging_keeps_content_and_age(command: Command) -> None:
    before = command.json("show", f"{NAME}:1")
    assert command.json("tag", "add", f"{NAME}:1", "approved=yes", "stage=old")["tags"] == {
        "approved": "yes",
        "stage": "old",
    }
    assert command.json("tag", "remove", f"{NAME}:1", "approved")["tags"] == {"stage": "old"}
    assert "has no tag 'approved'" in command("tag", "remove", f"{NAME}:1", "approved", code=1)
    assert "'x' is no tag: give KEY=VALUE" in command("tag", "add", f"{NAME}:1", "x", code=1)
    assert command("tag", "add", f"{NAME}:1", "stage=prod").endswith("has the tags: stage=prod\n")
    after = command.json("show", f"{NAME}:1")
    assert {**after, "image": "", "size": 0} == {**before, "image": "", "size": 0}
    assert [each["version"] for each in command.json("list", NAME)] == ["2", "1"]


def test_downloading(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "there"
    said = command.json("download", f"{NAME}:1", "-o", str(target))
    assert (target / "weights").read_bytes() == b"1" * 3_000_000
    assert (target / "inner" / "run").stat().st_mode & 0o777 == 0o755
    assert (target / "link").readlink() == Path("inner/run")
    assert said["path"] == str(target)
    assert "is there already" in command("download", f"{NAME}:1", "-o", str(target), code=1)


def test_deleting(command: Command) -> None:
    assert "add --yes" in command("delete", f"{NAME}:2", code=1)
    assert command("delete", f"{NAME}:2", "--yes").startswith("Deleted ")
    assert [each["version"] for each in command.json("list", NAME)] == ["1"]


def test_a_wrong_password_and_half_a_login(references: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--registry", references[0])
    wrong = Command(capsys, *at, "--username", USER, "--password-stdin", standard_input="wrong\n")
    assert f"refuses the user '{USER}'" in wrong("list", code=1)
    assert "belong together" in Command(capsys, *at, "--username", USER)("list", code=1)
    assert "is not allowed: give host[:port][/path]" in Command(capsys, "--registry", "nohost")("list", code=1)


def test_recording_the_versions_of_this_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joblib.dump(np.eye(2), tmp_path / "m.joblib")
    said = Command(capsys).json("record", str(tmp_path / "m.joblib"))
    assert (said["numpy"], said["joblib"]) == (np.__version__, joblib.__version__)
    assert models.describe(tmp_path / "m.joblib").libraries == {
        key: said[key] for key in ("python", "scikit-learn", "numpy", "joblib")
    }
    assert "does not exist" in Command(capsys)("record", str(tmp_path / "none"), code=1)


def test_help_and_wrong_arguments() -> None:
    run = [sys.executable, "-m", "scoring", "models"]
    said = subprocess.run([*run, "download", "--help"], check=True, capture_output=True, text=True).stdout
    assert "exit codes:" in said
    assert "\x1b" not in said
    assert subprocess.run([*run, "frobnicate"], check=False, capture_output=True).returncode == 2
