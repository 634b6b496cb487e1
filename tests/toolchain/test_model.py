"""The sample is trained where a stack uses it and it is not there; a model of the user's never."""

import io

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain import model
from toolchain.console import Console
from toolchain.step import StepError, Unavailable

SAMPLE = str(model.MODEL)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The commands that train."""
    seen: list[object] = []
    monkeypatch.setattr(model, "run", lambda command, **options: seen.append(command) or "accuracy 0.9\nmore\n")
    return seen


def said(given: str, *files: str) -> str:
    stream = io.StringIO()
    model.ensure(ChosenMachine(files=frozenset(f"/project/{file}" for file in files)), Console(stream, {}), given)
    return stream.getvalue().splitlines()[-1]


@pytest.mark.parametrize("given", [SAMPLE, f"./{SAMPLE}", f"/project/{SAMPLE}"])
def test_the_sample_is_trained_unless_it_is_there(trained: list[object], given: str) -> None:
    assert said(given) == f"model          made: {SAMPLE}, accuracy 0.9"
    assert len(trained) == 1
    assert said(SAMPLE, SAMPLE) == f"model          found: {SAMPLE}"
    assert len(trained) == 1


@pytest.mark.parametrize(
    ("given", "files", "expected"),
    [
        ("own/model.pkl", ["own/model.pkl"], "found: own/model.pkl"),
        ("own/model.pkl", [], "there is no own/model.pkl, which the stack's modelPath names"),
    ],
)
def test_a_model_of_the_users_is_never_made(trained: list[object], given: str, files: list[str], expected: str) -> None:
    assert said(given, *files) == f"model          {expected}"
    assert trained == []


def test_a_training_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **options: object) -> str:
        raise Unavailable("python failed: no memory")

    monkeypatch.setattr(model, "run", fail)
    with pytest.raises(StepError, match=r"python -m scoring.mnist.train: python failed: no memory"):
        said(SAMPLE)
