from __future__ import annotations

from pathlib import Path

import pytest
from scoring_server.models import ModelNotFoundError, get_model_path, served_models
from scoring_server.settings import Settings


def make(root: Path, *files: str) -> None:
    for file in files:
        path = root / "azureml-models" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("model")


def found(root: Path, name: str, version: int | str | None = None, model_dir: str = "") -> str:
    environ = {"AML_APP_ROOT": str(root), "AZUREML_MODEL_DIR": model_dir}
    return str(Path(get_model_path(name, version, environ)).relative_to(root / "azureml-models"))


def test_newest_version_by_number(tmp_path: Path) -> None:
    make(tmp_path, "m/2/a.pkl", "m/10/b.pkl", "m/9/c.pkl")
    assert found(tmp_path, "m") == "m/10/b.pkl"
    assert found(tmp_path, "m", 2) == "m/2/a.pkl"
    assert found(tmp_path, "m", "9") == "m/9/c.pkl"


def test_a_number_is_newer_than_a_name(tmp_path: Path) -> None:
    make(tmp_path, "m/ffff/a.pkl", "m/1/b.pkl")
    assert found(tmp_path, "m") == "m/1/b.pkl"


def test_the_entry_may_be_a_folder(tmp_path: Path) -> None:
    make(tmp_path, "m/1/folder/a.pkl", "m/1/folder/b.pkl")
    assert found(tmp_path, "m") == "m/1/folder"


@pytest.mark.parametrize("model_dir", ["azureml-models", "azureml-models/m/1"])
def test_root_by_model_dir(tmp_path: Path, model_dir: str) -> None:
    make(tmp_path, "m/1/a.pkl")
    environ = {"AML_APP_ROOT": "/nowhere", "AZUREML_MODEL_DIR": str(tmp_path / model_dir)}
    assert get_model_path("m", environ=environ) == str(tmp_path / "azureml-models/m/1/a.pkl")


def test_beside_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local.pkl").write_text("model")
    environ = {"AML_APP_ROOT": str(tmp_path)}
    assert get_model_path("local.pkl", environ=environ) == str(tmp_path / "local.pkl")


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("other", None, ["neither", "azureml-models/", "    m/", "        1/", "            a.pkl"]),
        ("m", 7, ["no version '7'", "1/"]),
        ("two", None, ["holds 2 entries", "exactly one", "a.pkl", "b.pkl"]),
        ("empty", None, ["has no version. "]),
    ],
)
def test_errors_show_what_is_there(tmp_path: Path, name: str, version: int | None, expected: list[str]) -> None:
    make(tmp_path, "m/1/a.pkl", "two/1/a.pkl", "two/1/b.pkl", "empty/file")
    with pytest.raises(ModelNotFoundError) as caught:
        found(tmp_path, name, version)
    for text in expected:
        assert text in str(caught.value)


def test_no_models_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="does not exist"):
        found(tmp_path, "m")


def test_served_models_are_those_in_the_container_and_those_with_a_digest(tmp_path: Path) -> None:
    for folder in ("a/1", "a/2", "b/7"):
        (tmp_path / "azureml-models" / folder).mkdir(parents=True)
    (tmp_path / "azureml-models" / "a" / "file").touch()
    settings = Settings(app_root=str(tmp_path), model_digests={"a/2": "ab", "c/1": "cd"})
    assert [tuple(model) for model in served_models(settings)] == [
        ("a", "1", ""),
        ("a", "2", "ab"),
        ("b", "7", ""),
        ("c", "1", "cd"),
    ]
    assert served_models(settings)[0].id == "a:1"
    assert served_models(Settings(app_root=str(tmp_path / "none"))) == []
