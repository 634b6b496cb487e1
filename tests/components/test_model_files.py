"""A model's files: which belong to it, and the record of their digests."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from components import layers, model_files, models
from components.problems import Problem

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture(autouse=True)
def folder(project: Path) -> Path:
    """A model's folder with files that belong to it, and some that do not."""
    made = Path("saved")
    for name in ("weights.bin", "vocabulary/words.txt", "vocabulary/more.txt", "checkpoints/1.bin"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name)
    return made


@pytest.mark.parametrize(
    ("children", "files"),
    [
        ([], ["checkpoints/1.bin", "vocabulary/more.txt", "vocabulary/words.txt", "weights.bin"]),
        (["weights.bin"], ["weights.bin"]),
        (["saved/weights.bin", "vocabulary/words.txt"], ["vocabulary/words.txt", "weights.bin"]),
        (["vocabulary/"], ["vocabulary/more.txt", "vocabulary/words.txt"]),
    ],
)
def test_child_paths_choose_what_belongs_to_a_model(folder: Path, children: list[str], files: list[str]) -> None:
    model = models.describe(folder, version="1", child_paths=children)
    assert [each.path for each in model.files if each.kind == "file"] == files
    context = models.stage(model, "dev", "x", "linux/amd64")
    with tarfile.open(Path(context.path, model_files.LAYER)) as archive:
        names = [entry.name for entry in archive if entry.isfile()]
    assert names[1:] == [f"var/azureml-app/azureml-models/saved/1/saved/{name}" for name in files]


def test_what_does_not_belong_to_a_model_makes_no_other_version(folder: Path) -> None:
    first = models.describe(folder, child_paths=["weights.bin"])
    (folder / "checkpoints/2.bin").write_text("2")
    assert models.describe(folder, child_paths=["weights.bin"]).sha256 == first.sha256
    assert models.describe(folder).sha256 != first.sha256


@pytest.mark.parametrize(
    ("path", "children", "said"),
    [
        ("model.bin", ["x"], r"childPaths is given for 'model.bin', which is a file"),
        ("saved", ["none.bin"], r"childPaths names 'none.bin', which is not in the model's folder 'saved'"),
        ("saved", ["../model.bin"], r"'../model.bin', which is not in the model's folder"),
        ("saved", ["."], r"'\.', which is not in the model's folder"),
    ],
)
def test_bad_child_paths(path: str, children: list[str], said: str) -> None:
    with pytest.raises(Problem, match=said):
        models.describe(Path(path), child_paths=children)


def test_the_record_has_the_digest_that_the_model_is_registered_under(folder: Path) -> None:
    (folder / "weights.bin").chmod(0o755)
    model = models.describe(folder, child_paths=["weights.bin"])
    record = json.loads(model_files.record(model.files, "saved", model.sha256))
    digest = hashlib.sha256(b"weights.bin").hexdigest()
    assert record == {"sha256": model.sha256, "entry": "saved", "files": [["file", "weights.bin", True, digest, 11]]}
    assert layers.digest_of(model.files) == model.sha256


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"sampleInputDataset is 'sample.json', which is no file"),
        ("[1", r"sampleInputDataset 'sample.json' is not JSON"),
        ('"' + "x" * 100_000 + '"', r"has 100002 bytes, allowed are 100000: give one sample"),
    ],
)
def test_bad_samples(content: str | None, said: str) -> None:
    if content is not None:
        Path("sample.json").write_text(content)
    with pytest.raises(Problem, match=said):
        models.describe(Path("model.bin"), sample_input="sample.json")


def test_samples_lie_beside_the_record() -> None:
    Path("s.json").write_text("[1]")
    model = models.describe(Path("model.bin"), version="1", sample_input="s.json", sample_output="s.json")
    context = models.stage(model, "dev", "x", "linux/amd64")
    with tarfile.open(Path(context.path, model_files.LAYER)) as archive:
        names = [entry.name for entry in archive if entry.isfile()]
    beside = "opt/model-records/model.bin/1"
    assert names[:3] == [f"{beside}/{name}" for name in ("files.json", "sample_input.json", "sample_output.json")]
