"""A scoring image: its graph, its name and tag, the models that it waits for, what is refused."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.container_webservice import ContainerWebservice
from components.model_artifact import ModelArtifact
from components.scoring_image import ScoringImage
from tests.components.conftest import FakePackages
from tests.components.engine import IMAGE, REMOTE_IMAGE, SCORING_IMAGE, UNKNOWN, Engine, FakeDaemon, Run, id_of

pytestmark = pytest.mark.usefixtures("project", "packages")


def build(config: Any = None, name: str = "myimage1", **given: Any) -> ScoringImage:
    arguments: Any = {"image_config": {"execution_script": "score.py", **(config or {})}, **given}
    return ScoringImage(name, arguments)


def test_an_image_has_its_graph_and_outputs(up: Run) -> None:
    engine = up(build)
    assert engine.graph == [
        (IMAGE, "myimage1-image", "myimage1"),
        (REMOTE_IMAGE, "myimage1-stored", "myimage1"),
        (SCORING_IMAGE, "myimage1", "model-webservice-dev"),
    ]
    name = engine.find(IMAGE).inputs["imageName"]
    assert engine.find(SCORING_IMAGE).outputs == {"imageName": name, "reference": name, "imageId": id_of(name)}


def test_a_preview_knows_the_tag_of_the_update(preview: Run, up: Run) -> None:
    planned = preview(build)
    outputs = planned.find(SCORING_IMAGE).outputs
    assert outputs is not None
    assert outputs["imageId"] is UNKNOWN
    assert outputs["reference"] == up(build).find(IMAGE).inputs["imageName"]


def test_the_name_may_be_another_than_the_resources(up: Run) -> None:
    image = up(lambda: build(image_name="team/reader")).find(IMAGE)
    assert image.inputs["imageName"].startswith("team/reader:")
    assert image.inputs["build"]["context"] == ".staging/dev/myimage1"


def test_two_images_of_the_same_content_are_two_to_docker(up: Run) -> None:
    for name in ("a", "b"):
        context = up(lambda name=name: build(name=name)).find(IMAGE).inputs["build"]["context"]
        assert f'LABEL "model-webservice.image.name"="{name}"' in Path(context, "Dockerfile").read_text().splitlines()


def contexts(engine: Engine) -> dict[str, str]:
    """The folders that images are built from, by the image's own name."""
    return {
        made.inputs["imageName"].rpartition(":")[0]: made.inputs["build"]["context"]
        for made in engine.resources
        if made.type == IMAGE
    }


def test_a_model_and_an_image_of_one_name_have_folders_of_their_own(up: Run) -> None:
    def program() -> None:
        model = ModelArtifact("churn", {"model_path": "model.bin", "model_name": "churn"})
        build(name="churn", models=[model.reference])

    seen = contexts(up(program))
    assert seen == {"models/churn": ".staging/dev/churn", "churn": ".staging/dev/churn.2"}
    assert "FROM scratch" in Path(seen["models/churn"], "Dockerfile").read_text()
    assert "COPY --from=models/churn" in Path(seen["churn"], "Dockerfile").read_text()
    assert contexts(up(program)) == seen, "the program again, as an update after its preview"


def test_an_image_of_the_name_of_a_services_own_has_a_folder_of_its_own(up: Run) -> None:
    def program() -> None:
        build(name="mnist-image")
        ContainerWebservice("mnist", {"model_paths": ["model.bin"], "image_config": {"execution_script": "score.py"}})

    assert contexts(up(program)) == {
        "mnist-image": ".staging/dev/mnist-image",
        "mnist": ".staging/dev/mnist-image.2",
        "models/model.bin": ".staging/dev/mnist-model.bin",
    }


def test_a_model_of_the_daemon_is_copied_in(preview: Run, daemon: FakeDaemon) -> None:
    daemon.images["models/mnist:3"] = {"model-webservice.model.name": "mnist", "model-webservice.model.version": "3"}
    preview(lambda: build(models=["mnist"]))
    assert "COPY --from=models/mnist:3 / /" in Path(".staging/dev/myimage1/Dockerfile").read_text()


def test_an_image_waits_for_the_models_of_its_program(up: Run) -> None:
    def program() -> None:
        model = ModelArtifact("mnist", {"model_path": "model.bin"})
        build(models=[model.reference])

    assert up(program).find(IMAGE, "myimage1-image").dependencies == ["mnist-image", "mnist-stored"]


@pytest.mark.parametrize("reference", ["mnist", "mnist:5", "models/mnist:5", "mnist?stage=prod"])
@pytest.mark.parametrize("model_first", [True, False])
def test_an_image_waits_for_a_model_of_its_program_by_a_plain_name_too(
    up: Run, reference: str, model_first: bool
) -> None:
    def register() -> None:
        ModelArtifact(
            "m", {"model_path": "model.bin", "model_name": "mnist", "model_version": "5", "tags": {"stage": "prod"}}
        )

    def program() -> None:
        steps = [register, lambda: build(models=[reference])]
        for step in steps if model_first else reversed(steps):
            step()

    image = up(program).find(IMAGE, "myimage1-image")
    assert image.dependencies == ["m-image", "m-stored"]
    assert "COPY --from=models/mnist:5 / /" in Path(".staging/dev/myimage1/Dockerfile").read_text()


def test_the_daemons_platform_is_taken_unless_one_is_given(up: Run, packages: FakePackages) -> None:
    assert up(build).find(IMAGE).inputs["build"]["platform"] == "linux/amd64"
    other = up(lambda: build({"platform": "linux/arm64"}))
    assert other.find(IMAGE).inputs["build"]["platform"] == "linux/arm64"
    assert [asked["platform"] for asked in packages.asked] == ["linux/amd64", "linux/arm64"]


def test_notes_are_told(up: Run, packages: FakePackages) -> None:
    packages.warning = "the packages have no bytecode"
    assert up(build).log == ["the packages have no bytecode"]


def test_an_image_may_outlive_its_resource(up: Run) -> None:
    assert up(lambda: build(keep_locally=True)).find(REMOTE_IMAGE).inputs["keepLocally"] is True


@pytest.mark.parametrize(
    ("given", "config", "said"),
    [
        ({"image_name": "My Image"}, {}, r"^myimage1: the image name 'My Image' is not allowed"),
        ({"image_name": "x:1"}, {}, r"^myimage1: the image name 'x:1' carries a tag"),
        ({"models": ["mnist"]}, {}, r"^myimage1: no model 'mnist' is registered"),
        ({"models": ["m@1"]}, {}, r"^myimage1: 'm@1' is not a model reference"),
        ({}, {"execution_script": "none.py"}, r"^myimage1: the entry script 'none.py' does not exist"),
        ({}, {"runtime": "spark"}, r"^myimage1: the runtime 'spark' is not supported"),
    ],
)
def test_bad_input_is_refused_in_a_preview(preview: Run, given: Any, config: Any, said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        preview(lambda: build(config, **given))


def test_a_failed_lock_is_reported_by_its_message(preview: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.problems import Problem

    def fail(*arguments: Any, **options: Any) -> None:
        raise Problem("there is no package numby: correct its name.")

    monkeypatch.setattr("components.lock.lock", fail)
    with pytest.raises(pulumi.RunError, match=r"^myimage1: there is no package numby: correct its name\.$"):
        preview(build)
