"""The build context of a scoring image: its layers, its Dockerfile, its tag."""

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components import image_config, image_context
from components.models import KnownModel
from components.problems import Problem
from tests.components.conftest import FakePackages

pytestmark = pytest.mark.usefixtures("project")

MODEL = KnownModel("models/mnist:3", "mnist", "3", {})


def stage(*found: KnownModel, platform: str = "linux/amd64", **given: Any) -> image_context.ImageContext:
    arguments: Any = {"execution_script": "score.py", "conda_file": "myenv.yml", **given}
    return image_context.stage(image_config.check(arguments, {}), found, "svc", "dev", "svc", platform, {})


def files(layer: str) -> list[str]:
    with tarfile.open(Path(".staging/dev/svc", layer)) as archive:
        return [entry.name for entry in archive if entry.isfile()]


def test_a_context_holds_its_layers_and_the_dockerfile(packages: FakePackages) -> None:
    context = stage(MODEL)
    assert context.path == ".staging/dev/svc"
    assert sorted(entry.name for entry in Path(context.path).iterdir()) == [
        "Dockerfile",
        "dependencies.tar",
        "script.tar",
        "server.tar",
    ]
    assert files("dependencies.tar") == ["opt/dependencies/packages"]
    assert files("server.tar") == ["opt/server/scoring_server/__init__.py", "usr/local/bin/azmlinfsrv"]
    assert files("script.tar") == ["var/azureml-app/score.py"]


def test_the_dockerfile_says_what_the_image_is(packages: FakePackages) -> None:
    stage(MODEL, tags={"area": "mnist"}, properties={"p": "1"}, description="Reads digits", base_image="base:1")
    lines = Path(".staging/dev/svc/Dockerfile").read_text().splitlines()
    assert lines[:5] == [
        "FROM base:1",
        "ADD dependencies.tar /",
        "ADD server.tar /",
        "COPY --from=models/mnist:3 / /",
        "ADD script.tar /",
    ]
    assert 'ENV AZUREML_ENTRY_SCRIPT="score.py"' in lines
    assert 'ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models/mnist/3"' in lines
    assert [line for line in lines if line.startswith("LABEL")] == [
        'LABEL "model-webservice.image.models"="models/mnist:3"',
        'LABEL "model-webservice.image.name"="svc"',
        'LABEL "model-webservice.image.properties"="{\\"p\\": \\"1\\"}"',
        'LABEL "model-webservice.image.tags"="{\\"area\\": \\"mnist\\"}"',
        'LABEL "org.opencontainers.image.base.name"="base:1"',
        'LABEL "org.opencontainers.image.description"="Reads digits"',
    ]


def test_the_lock_is_asked_for_the_servers_needs_too(packages: FakePackages) -> None:
    stage(platform="linux/arm64", python_version="3.12")
    (asked,) = packages.asked
    assert asked["server"] == ["uvloop>=0.21"]
    assert asked["needs"].requirements == ("numpy",)
    assert (asked["lock_file"], asked["python_version"], asked["platform"], asked["environ"]) == (
        Path("myenv.lock"),
        "3.12",
        "linux/arm64",
        {},
    )


@pytest.mark.parametrize(
    "given",
    [
        {"packages": ["scipy"]},
        {"base_image": "other:1"},
        {"tags": {"a": "1"}},
        {"dependencies": ["model.bin"]},
        {"python_version": "3.12"},
        {"platform": "linux/arm64"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_the_tag_is_another_for_another_content(packages: FakePackages, given: dict[str, Any]) -> None:
    first = stage(MODEL)
    assert stage(MODEL).tag == first.tag
    assert stage(MODEL, **given).tag != first.tag


def test_the_tag_is_another_for_another_model(packages: FakePackages) -> None:
    assert stage(MODEL).tag != stage(KnownModel("models/mnist:4", "mnist", "4", {})).tag


def test_the_tag_is_another_for_another_sample_of_the_same_model(packages: FakePackages) -> None:
    tags = {stage(replace(MODEL, samples=samples)).tag for samples in ({}, {"sample_input.json": "1"})}
    tags.add(stage(replace(MODEL, samples={"sample_input.json": "2"})).tag)
    assert len(tags) == 3


def test_notes_are_the_sources_and_the_installations(packages: FakePackages) -> None:
    packages.warning = "no bytecode"
    Path("myenv.yml").write_text("dependencies:\n  - numpy\n  - pip:\n    - azureml-defaults\n")
    notes = stage().notes
    assert "azureml-defaults" in notes[0]
    assert notes[-1] == "no bytecode"


def test_a_model_of_another_library_version_is_refused_before_anything_is_installed(packages: FakePackages) -> None:
    packages.versions = {"scikit-learn": "1.7.2"}
    with pytest.raises(Problem, match=r"the model 'mnist' was saved with scikit-learn 1.5.0"):
        stage(KnownModel("models/mnist:3", "mnist", "3", {"scikit-learn": "1.5.0"}))
    assert not Path(".staging/dev/svc/dependencies.tar").exists()


def test_the_projects_server_is_there() -> None:
    assert image_context.server_requirements()
    assert "scoring_server" in [path.name for path in image_context.server_packages()]


def test_extra_steps_come_first_and_as_root(packages: FakePackages) -> None:
    Path("steps").write_text("RUN apt-get install -y libgomp1\n")
    context = stage(docker_file="steps", base_image="base:1")
    lines = Path(".staging/dev/svc/Dockerfile").read_text().splitlines()
    assert lines[:4] == ["FROM base:1", "USER 0:0", "RUN apt-get install -y libgomp1", "ADD dependencies.tar /"]
    assert lines.index("USER 10001:10001") > 4
    assert "may differ from build to build" in context.notes[-1]


def test_a_mismatch_of_versions_is_a_warning_where_that_is_set(packages: FakePackages) -> None:
    packages.versions = {"scikit-learn": "1.7.2"}
    model = KnownModel("models/mnist:3", "mnist", "3", {"scikit-learn": "1.5.0", "python": "3.9.1"})
    with pytest.raises(Problem, match=r"saved with scikit-learn 1.5.0.*saved with Python 3.9.1"):
        stage(model)
    (warning,) = stage(model, train_serve_check="warning").warnings
    assert "saved with scikit-learn 1.5.0, but the image would have scikit-learn 1.7.2" in warning
    assert "saved with Python 3.9.1, but the image would have Python 3.11" in warning


def test_the_image_says_what_its_service_needs_and_which_digests_its_models_have(packages: FakePackages) -> None:
    model = KnownModel("models/mnist:3", "mnist", "3", sha256="ab" * 32, resources={"cpu": 2.0})
    stage(model, enable_gpu=True)
    lines = Path(".staging/dev/svc/Dockerfile").read_text().splitlines()
    assert 'LABEL "model-webservice.image.needs"="{\\"cpu\\": 2.0, \\"gpu\\": 1.0}"' in lines
    assert f'ENV SCORING_MODEL_DIGESTS="{{\\"mnist/3\\": \\"{"ab" * 32}\\"}}"' in lines
