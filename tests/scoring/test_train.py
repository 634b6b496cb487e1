import hashlib
import json
import os
import pickle
import platform
import stat
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from components.saved_versions import record_of, saved_with
from scoring.mnist import data
from scoring.mnist import train as training
from scoring.mnist.train import accuracy, main, save
from scoring.stack import PROJECT


def test_the_same_seed_gives_the_same_bytes_in_another_process(model: LogisticRegression, tmp_path: Path) -> None:
    here, there = tmp_path / "here.pkl", tmp_path / "folder" / "there.pkl"
    sha256 = save(model, here)
    done = subprocess.run(
        [sys.executable, "-m", "scoring.mnist.train", "--json", "--output", str(there)],
        cwd=PROJECT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert here.read_bytes() == there.read_bytes()
    assert sha256 == hashlib.sha256(here.read_bytes()).hexdigest()
    report = json.loads(done.stdout)
    assert report == {"model": str(there), "accuracy": accuracy(model), "seed": 42, "sha256": sha256}
    assert stat.S_IMODE(there.stat().st_mode) == 0o644
    assert sorted(path.name for path in there.parent.iterdir()) == ["there.pkl", "there.pkl.versions.json"]
    assert saved_with(there) == saved_with(here)
    assert saved_with(there).keys() == {"python", "scikit-learn", "numpy", "joblib"}
    assert saved_with(there)["python"] == platform.python_version()


def test_another_seed_trains_another_model_as_good(model: LogisticRegression) -> None:
    other = training.train(seed=7)
    assert not np.array_equal(other.coef_, model.coef_)
    assert accuracy(other) >= 0.90


def test_the_saved_model_reads_held_out_digits(model: LogisticRegression, tmp_path: Path) -> None:
    save(model, tmp_path / "model.pkl")
    pixels, labels = data.held_out()
    right = np.count_nonzero(joblib.load(tmp_path / "model.pkl").predict(pixels) == labels)
    assert right / len(labels) == accuracy(model)
    assert 0.90 <= accuracy(model) < 1


def test_text_report(
    model: LogisticRegression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "train", lambda seed: model)
    assert main(["--output", str(tmp_path / "m.pkl"), "--seed", "42"]) == 0
    assert capsys.readouterr().out == (
        f"held-out accuracy {accuracy(model):.3f} on 1,000 digits never trained on (seed 42)\nmodel {tmp_path}/m.pkl\n"
    )


def test_too_poor_a_model_is_not_written(
    model: LogisticRegression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels, labels = data.training()
    poor = LogisticRegression(solver="saga", tol=0.1).fit(pixels[:40], labels[:40])
    monkeypatch.setattr(training, "train", lambda seed: poor)
    output = tmp_path / "model.pkl"
    output.write_text("the previous model")
    assert main(["--output", str(output)]) == 1
    assert "is below 0.90" in capsys.readouterr().err
    assert output.read_text() == "the previous model"
    assert list(tmp_path.iterdir()) == [output]


def test_an_output_that_cannot_be_written_is_an_error(
    model: LogisticRegression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "train", lambda seed: model)
    (tmp_path / "file").touch()
    assert main(["--output", str(tmp_path / "file" / "model.pkl")]) == 1
    assert "give a writable file with --output" in capsys.readouterr().err


class Unpicklable:
    """Cannot be pickled, whatever other libraries of the process have taught pickle."""

    def __reduce__(self) -> str:
        raise pickle.PicklingError("not this")


def test_a_failed_write_leaves_the_previous_model_and_nothing_else(tmp_path: Path) -> None:
    output = tmp_path / "model.pkl"
    output.write_text("the previous model")
    record_of(output).write_text('{"python": "3.9.18"}')
    with pytest.raises(pickle.PicklingError):
        save(LogisticRegression(random_state=Unpicklable()), output)
    assert output.read_text() == "the previous model"
    assert sorted(tmp_path.iterdir()) == [output, record_of(output)]
    assert saved_with(output) == {"python": "3.9.18"}


def test_the_record_of_a_former_model_does_not_stay_beside_the_new_one(
    model: LogisticRegression, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError("no space left")

    output = tmp_path / "model.pkl"
    record_of(output).write_text('{"python": "3.9.18"}')
    monkeypatch.setattr(training, "record", fail)
    with pytest.raises(OSError, match="no space left"):
        save(model, output)
    assert "python" not in saved_with(output)


@pytest.mark.parametrize("seed", ["x", "-1", "1.5", str(2**32), "²"])
def test_seeds_that_numpy_does_not_take_are_wrong_arguments(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main([f"--seed={seed}"])
    assert raised.value.code == 2
    assert "is not a seed: give a whole number from 0 to 4294967295" in capsys.readouterr().err
