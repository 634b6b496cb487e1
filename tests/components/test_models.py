"""Models as records: described by their content, found by references, laid out for the image."""

import hashlib
import pickle
import tarfile
from pathlib import Path

import pytest

from components import models
from components.models import KnownModel, Model
from components.problems import Problem
from tests.components.engine import FakeDaemon

pytestmark = pytest.mark.usefixtures("project")


def registered(name: str, version: str, libraries: str = "") -> dict[str, str]:
    """Return the labels of a registered model."""
    known = {models.NAME: name, models.VERSION: version, models.LIBRARIES: libraries}
    return {key: value for key, value in known.items() if value}


def known(daemon: FakeDaemon) -> FakeDaemon:
    daemon.images["models/mnist:1"] = registered("mnist", "1")
    daemon.images["models/mnist:2"] = registered("mnist", "2", '{"scikit-learn": "1.7.2"}')
    daemon.images["models/my-model:7"] = registered("My Model", "7")
    daemon.images["models/not-a-model:1"] = {}
    return daemon


TWO = KnownModel("models/mnist:2", "mnist", "2", {"scikit-learn": "1.7.2"})


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("mnist", TWO),
        ("mnist:2", TWO),
        ("models/mnist", TWO),
        ("models/mnist:1", KnownModel("models/mnist:1", "mnist", "1", {})),
        ("My Model", KnownModel("models/my-model:7", "My Model", "7", {})),
        ("My Model:7", KnownModel("models/my-model:7", "My Model", "7", {})),
    ],
)
def test_a_reference_finds_a_registered_model(daemon: FakeDaemon, reference: str, found: KnownModel) -> None:
    assert models.find(reference, known(daemon)) == found  # type: ignore[arg-type] # the fake has the same methods


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("mnist:3", r"Registered: models/mnist:2, models/mnist:1\."),
        ("minst", r"the default socket|docker.sock\. Register it with a ModelArtifact"),
        ("models/not-a-model:1", r"no model 'models/not-a-model:1' is registered"),
    ],
)
def test_a_reference_that_finds_none_is_a_problem(daemon: FakeDaemon, reference: str, hint: str) -> None:
    with pytest.raises(Problem, match=hint):
        models.find(reference, known(daemon))  # type: ignore[arg-type] # the fake has the same methods


def test_a_model_of_this_program_is_found_by_its_reference_before_it_is_built(daemon: FakeDaemon) -> None:
    models.declare(Model(Path("model.bin"), "mnist", "5", "0" * 64, libraries={"scikit-learn": "1.7.2"}))
    assert models.find("models/mnist:5", daemon) == KnownModel(  # type: ignore[arg-type] # the fake has the same methods
        "models/mnist:5", "mnist", "5", {"scikit-learn": "1.7.2"}, "0" * 64
    )


def test_the_hint_names_this_programs_models_where_the_daemon_has_none(daemon: FakeDaemon) -> None:
    models.declare(Model(Path("model.bin"), "mnist", "5", "0" * 64))
    with pytest.raises(Problem, match=r"Registered: models/mnist:5\."):
        models.find("other", daemon)  # type: ignore[arg-type] # the fake has the same methods


@pytest.mark.parametrize(
    "reference",
    [
        "mnist",
        "mnist:5",
        "models/mnist",
        "models/mnist:5",
        "mnist?stage=prod",
        "mnist?stage",
        "mnist:5?a=1&stage",
        "?stage=prod",
    ],
)
@pytest.mark.parametrize("registry", ["", "registry.example:5000/team"])
def test_a_model_of_this_program_is_found_by_its_name_version_and_tags(
    daemon: FakeDaemon, reference: str, registry: str
) -> None:
    tags = {"stage": "prod", "a": "1"}
    models.declare(Model(Path("model.bin"), "mnist", "5", "0" * 64, registry=registry, tags=tags))
    assert models.find(reference, known(daemon)).tags == tags  # type: ignore[arg-type] # the fake has the same methods


def test_a_name_that_fits_several_models_of_this_program_is_a_problem(daemon: FakeDaemon) -> None:
    for version in "56":
        models.declare(Model(Path("model.bin"), "mnist", version, "0" * 64))
    with pytest.raises(
        Problem, match=r"several models .*models/mnist:5, models/mnist:6\): give the 'reference' output"
    ):
        models.find("mnist", daemon)  # type: ignore[arg-type] # the fake has the same methods
    assert models.find_declared("mnist:6") == KnownModel("models/mnist:6", "mnist", "6", {}, "0" * 64)


@pytest.mark.parametrize(
    ("reference", "version"),
    [("mnist?stage=prod", "1"), ("mnist?stage=dev", "2"), ("mnist?stage", "2"), ("mnist?stage=prod&by=me", "1")],
)
def test_tags_choose_the_newest_model_that_has_them(daemon: FakeDaemon, reference: str, version: str) -> None:
    for number, tags in (("1", '{"stage": "prod", "by": "me"}'), ("2", '{"stage": "dev"}')):
        daemon.images[f"models/mnist:{number}"] = {**registered("mnist", number), models.TAGS: tags}
    daemon.images["models/mnist:3"] = registered("mnist", "3")
    assert models.find(reference, daemon).version == version  # type: ignore[arg-type] # the fake has the same methods


def test_tags_alone_choose_the_newest_of_all_models(daemon: FakeDaemon) -> None:
    for name, tags in (
        ("digits", '{"stage": "prod"}'),
        ("letters", '{"stage": "prod"}'),
        ("words", '{"stage": "dev"}'),
    ):
        daemon.images[f"models/{name}:1"] = {**registered(name, "1"), models.TAGS: tags}
    daemon.images["other:1"] = {"stage": "prod"}
    assert models.find("?stage=prod", daemon).name == "letters"  # type: ignore[arg-type] # the fake has the same methods
    with pytest.raises(Problem, match=r"no model '\?stage=test' is registered in .* Registered: models/words:1, "):
        models.find("?stage=test", daemon)  # type: ignore[arg-type] # the fake has the same methods


def test_the_first_place_that_has_the_model_counts(daemon: FakeDaemon) -> None:
    other = known(FakeDaemon())
    daemon.images["models/mnist:1"] = registered("mnist", "1")
    found = models.find("mnist", daemon, other)  # type: ignore[arg-type] # the fake has the same methods
    assert found.version == "1"
    assert models.find("My Model", daemon, other).version == "7"  # type: ignore[arg-type] # likewise


def test_what_is_empty_is_no_label() -> None:
    assert Model(Path("m"), "mnist", "1", "abc").labels() == {
        "model-webservice.model.name": "mnist",
        "model-webservice.model.version": "1",
        "model-webservice.model.sha256": "abc",
    }


def test_the_libraries_of_a_pickle_are_found_and_labelled() -> None:
    Path("model.pkl").write_bytes(pickle.dumps({"coef_": [1.0], "_sklearn_version": "1.7.2"}))
    model = models.describe(Path("model.pkl"))
    assert model.libraries == {"scikit-learn": "1.7.2"}
    assert model.labels()["model-webservice.model.libraries"] == '{"scikit-learn": "1.7.2"}'


def test_a_folder_is_a_model_by_all_its_files() -> None:
    Path("saved/inner").mkdir(parents=True)
    Path("saved/inner/weights").write_text("1")
    first = models.describe(Path("saved"))
    Path("saved/inner/weights").write_text("2")
    second = models.describe(Path("saved/"))
    assert (first.name, second.name) == ("saved", "saved")
    assert first.version != second.version


@pytest.mark.parametrize(("path", "inside"), [("model.bin", "model.bin"), ("saved", "saved/inner/weights")])
def test_a_models_layer_holds_it_where_azure_ml_has_it(path: str, inside: str) -> None:
    Path("saved/inner").mkdir(parents=True)
    Path("saved/inner/weights").write_text("1")
    model = models.describe(Path(path), name="My Model", version="7")
    context = models.stage(model, "dev", "x", "linux/amd64")
    with tarfile.open(Path(context.path, "model.tar")) as archive:
        files = [entry.name for entry in archive if entry.isfile()]
    assert files == ["opt/model-records/My Model/7/files.json", f"var/azureml-app/azureml-models/My Model/7/{inside}"]
    assert sorted(entry.name for entry in Path(context.path).iterdir()) == ["Dockerfile", "model.tar"]


def test_litter_of_a_folder_counts_as_it_is_in_the_layer() -> None:
    Path("saved/__pycache__").mkdir(parents=True)
    Path("saved/weights").write_text("1")
    Path("saved/__pycache__/x.pyc").write_text("1")
    first = models.describe(Path("saved"))
    Path("saved/__pycache__/x.pyc").write_text("2")
    assert models.describe(Path("saved")).version != first.version


def test_what_a_model_comes_with_is_labelled() -> None:
    Path("in.json").write_text('{"data": [[1]]}')
    model = models.describe(
        Path("model.bin"),
        version="1",
        datasets={"training": "s3://digits"},
        resources={"cpu": 0.5, "memory_in_gb": 2, "gpu": 0},
        sample_input="in.json",
        framework="ScikitLearn",
    )
    known = KnownModel.from_labels("m", model.labels())
    assert known.resources == {"cpu": 0.5, "memory_in_gb": 2.0}
    assert known.samples == {"sample_input.json": hashlib.sha256(b'{"data": [[1]]}').hexdigest()}
    assert model.labels()["model-webservice.model.datasets"] == '{"training": "s3://digits"}'


def test_the_frameworks_version_is_that_of_the_file_unless_it_is_given() -> None:
    Path("model.pkl").write_bytes(pickle.dumps({"coef_": [1.0], "_sklearn_version": "1.7.2"}))
    assert models.describe(Path("model.pkl"), framework="ScikitLearn").framework_version == "1.7.2"
    assert models.describe(Path("model.pkl"), framework="ScikitLearn", framework_version="1").framework_version == "1"
    assert models.describe(Path("model.pkl")).framework_version == ""


def test_a_resource_below_zero_is_a_problem() -> None:
    with pytest.raises(Problem, match=r"resourceConfiguration.cpu is -1: give a number above 0"):
        models.describe(Path("model.bin"), resources={"cpu": -1})


def test_what_lay_in_the_context_before_is_removed() -> None:
    context = models.stage(models.describe(Path("model.bin")), "dev", "x", "linux/amd64")
    Path(context.path, "old.tar").write_text("")
    assert models.stage(models.describe(Path("model.bin")), "dev", "x", "linux/amd64") == context
    assert not Path(context.path, "old.tar").exists()
