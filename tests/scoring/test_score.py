"""The sample's scripts, run in this process on an app root as the image has it."""

import ast
import json
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from scoring.mnist.data import held_out
from scoring.mnist.train import MODEL, save
from scoring.stack import PROJECT

SAMPLE = PROJECT / "scoring" / "mnist"
MODEL_NAMES = {"score.py": "sklearn_mnist", "score_file.py": "sklearn_mnist_model.pkl"}

Place = Callable[[str], Path]


@pytest.fixture(autouse=True)
def server_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The server's import names, as the image has them, and no trace of them afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(PROJECT / "scoring" / "server")
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("azureml", "scoring_server"):
            del sys.modules[name]


@pytest.fixture
def place(tmp_path: Path, model: LogisticRegression, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Puts the trained model under a name into an app root, as the only one there."""

    def put(name: str) -> Path:
        folder = tmp_path / "azureml-models" / name / "0123456789ab"
        folder.mkdir(parents=True)
        save(model, tmp_path / "outputs" / MODEL.name)
        shutil.copy(tmp_path / "outputs" / MODEL.name, folder)
        monkeypatch.setenv("AML_APP_ROOT", str(tmp_path))
        monkeypatch.setenv("AZUREML_MODEL_DIR", str(folder))
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return put


def script(name: str) -> dict[str, Any]:
    """The script's globals after `init`."""
    # A function's globals are those of its module as it ran, not the copy that run_path returns.
    namespace: dict[str, Any] = runpy.run_path(str(SAMPLE / name))["run"].__globals__
    namespace["init"]()
    return namespace


@pytest.mark.parametrize(("name", "model_name"), MODEL_NAMES.items())
def test_the_script_labels_digits(place: Place, model: LogisticRegression, name: str, model_name: str) -> None:
    place(model_name)
    pixels, labels = held_out()
    result = script(name)["run"](json.dumps({"data": pixels.tolist()}))
    assert json.loads(json.dumps(result)) == model.predict(pixels).tolist()
    assert np.count_nonzero(result == labels) >= 900


@pytest.mark.parametrize(("name", "model_name"), MODEL_NAMES.items())
def test_the_script_finds_no_model_under_another_name(place: Place, name: str, model_name: str) -> None:
    place("another")
    with pytest.raises(Exception, match=re.escape(model_name)) as raised:
        script(name)
    assert raised.typename == "ModelNotFoundError"


def test_the_scripts_differ_in_the_models_name_alone() -> None:
    def code(name: str) -> str:
        tree = ast.parse((SAMPLE / name).read_text())
        assert ast.get_docstring(tree)
        return "\n".join(ast.unparse(statement) for statement in tree.body[1:])

    assert code("score.py").replace("'sklearn_mnist'", "'sklearn_mnist_model.pkl'") == code("score_file.py")


def test_the_environment_has_the_library_that_pickled_the_model() -> None:
    import sklearn

    environment = yaml.safe_load((SAMPLE / "myenv.yml").read_text())
    assert f"scikit-learn={sklearn.__version__}" in environment["dependencies"]
    major = np.__version__.partition(".")[0]
    assert f"numpy>={major}.0,<{int(major) + 1}" in environment["dependencies"]


def test_the_sample_input_is_held_out_digits_that_the_model_reads(place: Place) -> None:
    place("sklearn_mnist")
    text = (SAMPLE / "sample_input.json").read_text()
    labels = script("score.py")["run"](text)
    assert labels == [7, 2, 1, 0, 4]
    pixels, true = held_out()
    for row, label in zip(np.array(json.loads(text)["data"]), labels, strict=True):
        (place_,) = np.flatnonzero(np.abs(pixels - row).max(axis=1) < 0.001)
        assert true[place_] == label
