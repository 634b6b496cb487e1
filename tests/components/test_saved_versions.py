"""The versions that a model was saved with: found, and compared with the lock."""

import json
import pickle
import platform
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression

from components.lock import parse_lock
from components.problems import Problem
from components.saved_versions import check, note_of, record, record_of, saved_with

LOCK = parse_lock("scikit-learn==1.7.2 \\\n    --hash=sha256:00\nnumpy==2.0\njoblib==1.5.0\n")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A real model, saved by joblib."""
    model = LogisticRegression().fit(np.eye(4), [0, 1, 0, 1])
    joblib.dump(model, tmp_path / "model.joblib")
    return tmp_path / "model.joblib"


PICKLE = {"scikit-learn": sklearn.__version__, "joblib": ">=1.2"}


def test_a_real_pickle_says_scikit_learns_version_and_joblibs_lower_limit(saved: Path) -> None:
    assert saved_with(saved) == PICKLE


def test_a_plain_pickle_of_numpy_2_needs_its_modules(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(np.arange(3)))
    assert saved_with(path) == {"numpy": ">=1.26.1"}


def test_what_training_recorded_counts_before_the_pickle(saved: Path) -> None:
    record_of(saved).write_text(json.dumps({"python": "3.12.1", "numpy": "2.1.0", "joblib": "1.4.2", "other": "1"}))
    assert saved_with(saved) == {**PICKLE, "python": "3.12.1", "numpy": "2.1.0", "joblib": "1.4.2"}
    folder = saved.parent
    (folder / "versions.json").write_text('{"python": "3.9.0"}')
    assert saved_with(folder) == {**PICKLE, "python": "3.9.0"}


def test_a_record_of_this_python_is_what_counts(saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    versions = record(saved)
    assert versions == {
        "python": platform.python_version(),
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "joblib": joblib.__version__,
    }
    assert saved_with(saved) == versions
    assert saved.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.joblib", "model.joblib.versions.json"]


@pytest.mark.parametrize(
    ("name", "recorded", "missing"),
    [
        ("m.pkl", {}, "Python, scikit-learn, numpy, joblib it"),
        ("m.bin", {"scikit-learn": "1.7.2", "joblib": ">=1.2"}, "Python, numpy, joblib it"),
        ("m.joblib", {"scikit-learn": "1.7.2", "numpy": "2.0", "joblib": "1.4"}, "Python it"),
    ],
)
def test_what_a_pickle_does_not_say_is_named_with_what_records_it(
    name: str, recorded: dict[str, str], missing: str
) -> None:
    note = note_of(Path("my models", name), recorded)
    assert f"'my models/{name}' does not say with which version of {missing} was saved" in note
    assert note.endswith(f"in the environment that trained it: python -m scoring models record 'my models/{name}'")


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("m.pkl", {"python": "3.11.7"}),
        ("m.pkl", {"python": "3.11.7", "joblib": ">=1.2"}),
        ("m.onnx", {}),
        ("folder", {}),
    ],
)
def test_what_is_recorded_or_no_pickle_is_no_matter(name: str, recorded: dict[str, str]) -> None:
    assert note_of(Path(name), recorded) == ""


def test_what_mlflow_saved_with_a_model_counts(saved: Path) -> None:
    folder = saved.parent
    (folder / "requirements.txt").write_text("mlflow==3.0\nnumpy==1.26.4\nScikit_Learn == 1.5.0\nscipy\n")
    (folder / "python_env.yaml").write_text("python: 3.10.12\nbuild_dependencies: [pip]\n")
    assert saved_with(folder) == PICKLE
    (folder / "MLmodel").write_text("")
    found = {"python": "3.10.12", "numpy": "1.26.4", "scikit-learn": "1.5.0", "joblib": ">=1.2"}
    assert saved_with(folder) == found
    (folder / "python_env.yaml").write_text("- none\n")
    del found["python"]
    assert saved_with(folder) == found


@pytest.mark.parametrize("text", ["{", "[]", '{"numpy": "two"}', '{"numpy": 2}'])
def test_a_record_that_is_none(saved: Path, text: str) -> None:
    record_of(saved).write_text(text)
    with pytest.raises(Problem, match=r"model.joblib.versions.json' is no record of versions"):
        saved_with(saved)


@pytest.mark.parametrize(
    "recorded",
    [
        {},
        {"scikit-learn": "1.7.2"},
        {"scikit-learn": "1.7.2", "numpy": "2.0.0"},
        {"numpy": ">=1.26.1", "joblib": ">=1.2", "python": "3.11.9"},
    ],
)
def test_versions_that_agree(recorded: dict[str, str]) -> None:
    check(recorded, LOCK, "digits", python_version="3.11")


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ({"scikit-learn": "1.6.1"}, ["'digits' was saved with scikit-learn 1.6.1", "scikit-learn 1.7.2", "==1.6.1"]),
        ({"scikit-learn": "1.6.1, 1.7.2"}, ["1.6.1, 1.7.2", "save the model again"]),
        ({"xgboost": "2.0"}, ["'digits' was saved with xgboost 2.0", "do not name xgboost", "Name xgboost==2.0"]),
        ({"scikit-learn": "1.8.dev0"}, ["1.8.dev0"]),
        ({"scikit-learn": "odd"}, ["odd"]),
        ({"numpy": "1.26.4"}, ["saved with numpy 1.26.4", "would have numpy 2.0", "Name numpy==1.26.4"]),
        ({"joblib": "1.4.2"}, ["saved with joblib 1.4.2", "would have joblib 1.5.0"]),
        ({"numpy": ">=2.1"}, ["saved with numpy >=2.1", "would have numpy 2.0", "Name numpy>=2.1 in"]),
        ({"python": "3.12.1"}, ["saved with Python 3.12.1", "would have Python 3.11", "pythonVersion '3.12'"]),
        ({"python": "3.9.0", "joblib": "1.4.2"}, ["Python 3.9.0", "; and it was saved with joblib 1.4.2", "'warning'"]),
    ],
)
def test_versions_that_do_not_agree(recorded: dict[str, str], said: list[str]) -> None:
    with pytest.raises(Problem) as raised:
        check(recorded, LOCK, "digits", python_version="3.11")
    assert [part for part in said if part not in str(raised.value)] == []
