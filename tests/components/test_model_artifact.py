"""A registered model: its image, its labels, its outputs, and what is refused."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.model_artifact import ModelArtifact
from tests.components.engine import IMAGE, MODEL_ARTIFACT, REMOTE_IMAGE, UNKNOWN, FakeDaemon, Run, id_of

pytestmark = pytest.mark.usefixtures("project")

SHA256 = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"


def register(**given: Any) -> ModelArtifact:
    return ModelArtifact("mnist", {"model_path": "model.bin", **given})  # type: ignore[typeddict-item] # any arguments


def labels(folder: str = ".staging/dev/mnist") -> list[str]:
    return [line for line in Path(folder, "Dockerfile").read_text().splitlines() if line.startswith("LABEL")]


def test_a_model_is_an_image_that_is_removed_with_it(up: Run) -> None:
    engine = up(register)
    assert engine.graph == [
        (IMAGE, "mnist-image", "mnist"),
        (REMOTE_IMAGE, "mnist-stored", "mnist"),
        (MODEL_ARTIFACT, "mnist", "model-webservice-dev"),
    ]
    assert engine.find(MODEL_ARTIFACT).outputs == {
        "modelName": "model.bin",
        "modelVersion": SHA256[:12],
        "reference": f"models/model.bin:{SHA256[:12]}",
        "sha256": SHA256,
        "imageId": id_of(f"models/model.bin:{SHA256[:12]}"),
    }


def test_a_preview_knows_all_but_the_images_id(preview: Run) -> None:
    assert preview(register).find(MODEL_ARTIFACT).outputs == {
        "modelName": "model.bin",
        "modelVersion": SHA256[:12],
        "reference": f"models/model.bin:{SHA256[:12]}",
        "sha256": SHA256,
        "imageId": UNKNOWN,
    }


def test_what_is_said_of_a_model_becomes_labels(up: Run) -> None:
    def program() -> None:
        register(
            model_name="My Model",
            model_version="3",
            tags={"b": "2", "a": "$1"},
            properties={"accuracy": "0.9"},
            description='Reads "digits"',
            model_framework="ScikitLearn",
            model_framework_version="1.7.2",
        )

    engine = up(program)
    assert engine.find(IMAGE).inputs["imageName"] == "models/my-model:3"
    assert labels() == [
        'LABEL "model-webservice.model.framework"="ScikitLearn"',
        'LABEL "model-webservice.model.framework-version"="1.7.2"',
        'LABEL "model-webservice.model.name"="My Model"',
        'LABEL "model-webservice.model.properties"="{\\"accuracy\\": \\"0.9\\"}"',
        f'LABEL "model-webservice.model.sha256"="{SHA256}"',
        'LABEL "model-webservice.model.tags"="{\\"a\\": \\"\\$1\\", \\"b\\": \\"2\\"}"',
        'LABEL "model-webservice.model.version"="3"',
        'LABEL "org.opencontainers.image.description"="Reads \\"digits\\""',
    ]


def test_the_same_content_is_the_same_model_wherever_it_lies(up: Run) -> None:
    Path("elsewhere").mkdir()
    Path("elsewhere/other.bin").write_bytes(b"weights")
    first = up(lambda: register(model_name="m")).find(IMAGE).inputs["imageName"]
    assert (
        up(lambda: register(model_path="elsewhere/other.bin", model_name="m")).find(IMAGE).inputs["imageName"] == first
    )


def test_a_model_may_outlive_its_resource(up: Run) -> None:
    assert up(lambda: register(keep_locally=True)).find(REMOTE_IMAGE).inputs["keepLocally"] is True
    assert 'LABEL "model-webservice.model.kept"="true"' in labels()


def test_a_model_that_another_stack_keeps_is_kept(preview: Run, up: Run, daemon: FakeDaemon) -> None:
    daemon.images["models/mnist:3"] = {"model-webservice.model.sha256": SHA256, "model-webservice.model.kept": "true"}
    for run in (preview, up):
        engine = run(lambda: register(model_name="mnist", model_version="3"))
        assert engine.find(REMOTE_IMAGE).inputs["keepLocally"] is True
        assert 'LABEL "model-webservice.model.kept"="true"' in labels()


def test_what_a_new_description_leaves_without_a_name_is_removed(preview: Run, up: Run, daemon: FakeDaemon) -> None:
    preview(register)
    assert daemon.tidied == []
    up(register)
    version = {"model-webservice.model.name": "model.bin", "model-webservice.model.version": SHA256[:12]}
    assert daemon.tidied == [version]


@pytest.mark.parametrize(("given", "platform"), [({}, "linux/amd64"), ({"platform": "linux/arm64"}, "linux/arm64")])
def test_the_platform_is_the_daemons_unless_it_is_given(up: Run, given: dict[str, str], platform: str) -> None:
    assert up(lambda: register(**given)).find(IMAGE).inputs["build"]["platform"] == platform


def test_a_tag_or_description_alone_makes_no_other_version(up: Run) -> None:
    first = up(register).find(IMAGE).inputs["imageName"]
    assert up(lambda: register(tags={"a": "1"})).find(IMAGE).inputs["imageName"] == first


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model_path": "none.bin"}, r"^mnist: the model 'none.bin' does not exist: train it"),
        ({"model_path": "empty"}, r"^mnist: the model folder 'empty' is empty: give one that holds the model's files"),
        ({"model_name": "a/b"}, r"the model name 'a/b' is not allowed"),
        ({"model_version": "1 2"}, r"the model version '1 2' is not allowed"),
        ({"workspace": "ws"}, r"^mnist: workspace is given, which is not supported: there is no workspace.* Drop it\."),
        ({"asset_path": "x"}, r"asset_path is given, which is not supported: it is modelPath"),
        ({"model_nam": "x"}, r"unknown argument 'model_nam'. Did you mean 'model_name'\? Allowed: child_paths, "),
        ({"child_paths": ["x"]}, r"childPaths is given for 'model.bin', which is a file"),
    ],
)
def test_a_bad_model_is_refused_in_a_preview(preview: Run, given: dict[str, str], said: str) -> None:
    Path("empty/inner").mkdir(parents=True)
    with pytest.raises(pulumi.RunError, match=said):
        preview(lambda: register(**given))


def test_a_version_that_has_other_content_is_refused(preview: Run, daemon: FakeDaemon) -> None:
    daemon.images["models/mnist:3"] = {"model-webservice.model.sha256": "f" * 64}
    with pytest.raises(
        pulumi.RunError,
        match=r"version '3' of the model 'mnist' is registered with other content \(sha256 ffffffffffff",
    ):
        preview(lambda: register(model_name="mnist", model_version="3"))


def test_a_version_that_has_the_same_content_is_registered_again(preview: Run, daemon: FakeDaemon) -> None:
    daemon.images["models/mnist:3"] = {"model-webservice.model.sha256": SHA256}
    engine = preview(lambda: register(model_name="mnist", model_version="3"))
    assert engine.find(IMAGE).inputs["imageName"] == "models/mnist:3"
