"""Components with a registry: what is looked for, pulled and pushed, with which login, in previews and updates."""

from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import models, service_needs
from components.container_webservice import ContainerWebservice
from components.model_artifact import ModelArtifact
from components.problems import Problem
from components.registry_login import Login
from components.scoring_image import ScoringImage
from tests.components.engine import CONTAINER, IMAGE, REMOTE_IMAGE, FakeDaemon, Run, Secret, id_of

pytestmark = pytest.mark.usefixtures("project", "packages")

AT = "r.example/team"
REFERENCE = f"{AT}/models/mnist:5"
SHA256 = "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
LOGIN = {"username": "me", "password": "secret-word"}


class FakeRegistry:
    """A registry in memory that only `me` may ask."""

    images: dict[str, dict[str, str]]

    def __init__(self, address: str, login: Login | None = None) -> None:
        self.address, self.login, self.place = address, login, f"the registry {address}"
        if login != Login("me", "secret-word"):
            raise Problem(f"{self.place} refuses")

    def close(self) -> None: ...

    def repository_of(self, repository: str) -> str:
        return repository if repository.startswith("r.example/") else f"{self.address}/{repository}"

    def image(self, reference: str) -> Any:
        return type("Image", (), {"labels": self.images[reference]}) if reference in self.images else None

    def image_labels(self, reference: str) -> dict[str, str]:
        return self.images.get(reference, {})

    def tags_of(self, repository: str) -> list[str]:
        return [tag for tag in reversed(self.images) if tag.rpartition(":")[0] == repository]


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """The images of the registry, by reference."""
    FakeRegistry.images = {}
    for module in ("model_artifact", "scoring_image", "service_needs", "registry"):
        monkeypatch.setattr(f"components.{module}.Registry", FakeRegistry)
    return FakeRegistry.images


def access() -> Any:
    return {"address": AT, "username": "me", "password": pulumi.Output.secret("secret-word")}


def config(**given: Any) -> Any:
    return {"execution_script": "score.py", "conda_file": "myenv.yml", **given}


def register() -> ModelArtifact:
    args: Any = {"model_path": "model.bin", "model_name": "mnist", "model_version": "5", "registry": access()}
    return ModelArtifact("mnist", args)


def build(*models: str) -> None:
    args: Any = {"models": list(models), "image_config": config(), "registry": access()}
    ScoringImage("myimage1", args)


def serve(image: str) -> None:
    args: Any = {"image": image, "registry": access()}
    ContainerWebservice("svc", args)


def labels(sha256: str = SHA256) -> dict[str, str]:
    return {models.NAME: "mnist", models.VERSION: "5", models.SHA256: sha256, models.TAGS: '{"stage": "prod"}'}


def known_to(run: Any) -> str:
    """All that an engine was told and said in plain text."""
    return repr([[made.inputs, made.outputs] for made in run.resources]).replace("Secret(value='secret-word')", "")


def test_a_model_is_pushed_and_known_by_its_registry(up: Run) -> None:
    run = up(register)
    image = run.find(IMAGE)
    assert image.inputs["imageName"] == REFERENCE
    assert image.inputs["skipPush"] is False
    assert image.inputs["registry"]["server"] == "r.example"
    assert image.inputs["registry"]["password"] == Secret("secret-word")
    assert run.find(REMOTE_IMAGE).inputs["name"] == REFERENCE
    assert "secret-word" not in known_to(run) + "".join(run.log)


def test_a_preview_knows_the_reference_of_a_model_that_will_be_pushed(preview: Run) -> None:
    assert preview(register).find("model-webservice:index:ModelArtifact").outputs["reference"] == REFERENCE  # type: ignore[index]


def test_a_version_that_the_registry_has_with_other_content_is_refused(
    preview: Run, registry: dict[str, dict[str, str]]
) -> None:
    registry[REFERENCE] = labels("f" * 64)
    with pytest.raises(pulumi.RunError, match=r"version '5' of the model 'mnist' is registered with other content"):
        preview(register)


@pytest.mark.parametrize("reference", ["mnist", "mnist:5", "mnist?stage=prod", REFERENCE])
def test_a_model_of_the_registry_is_found_at_preview_and_pulled_at_update(
    preview: Run, up: Run, daemon: FakeDaemon, registry: dict[str, dict[str, str]], reference: str
) -> None:
    registry[REFERENCE] = labels()

    def program() -> None:
        build(reference)

    preview(program)
    assert daemon.pulled == []
    assert f"COPY --from={REFERENCE} / /" in Path(".staging/dev/myimage1/Dockerfile").read_text()
    run = up(program)
    assert daemon.pulled == [(REFERENCE, LOGIN)]
    assert run.find(IMAGE).inputs["imageName"].startswith(f"{AT}/myimage1:")
    assert "secret-word" not in known_to(run) + "".join(run.log)
    daemon.images[REFERENCE] = labels()
    up(program)
    assert len(daemon.pulled) == 1


def test_a_model_that_only_the_daemon_has_is_found_too(preview: Run, daemon: FakeDaemon) -> None:
    daemon.images["models/mnist:5"] = labels()
    preview(lambda: build("mnist"))
    assert "COPY --from=models/mnist:5 / /" in Path(".staging/dev/myimage1/Dockerfile").read_text()


def test_a_login_is_not_sent_to_another_registry(preview: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"the registry s.example refuses"):
        preview(lambda: build("s.example/models/mnist:5"))


def test_an_image_of_the_registry_is_pulled_for_its_container(
    preview: Run, up: Run, daemon: FakeDaemon, registry: dict[str, dict[str, str]]
) -> None:
    image = f"{AT}/myimage1:1"
    registry[image] = {service_needs.LABEL: '{"cpu": 2, "memory_in_gb": 1}'}

    def program() -> None:
        serve(image)

    planned = preview(program).find(CONTAINER).inputs
    assert (planned["image"], planned["cpus"], planned["memory"], daemon.pulled) == (image, "2.0", 1024, [])
    run = up(program)
    assert daemon.pulled == [(image, LOGIN)]
    assert run.find(CONTAINER).inputs["image"] == id_of(image)
    assert "secret-word" not in known_to(run)


def test_an_image_that_the_registry_does_not_have_is_said_at_preview(preview: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"has no image 'r.example/team/none:1': push it, or correct the name"):
        preview(lambda: serve(f"{AT}/none:1"))


def test_a_base_image_is_pulled_with_its_registrys_login(preview: Run, up: Run, daemon: FakeDaemon) -> None:
    base: Any = {"address": "b.example/bases", "username": "you", "password": "other-word"}

    def program() -> None:
        ScoringImage("myimage1", {"image_config": config(base_image="python:3.11", base_image_registry=base)})

    preview(program)
    assert daemon.pulled == []
    up(program)
    assert daemon.pulled == [("b.example/bases/python:3.11", {"username": "you", "password": "other-word"})]
    assert "FROM b.example/bases/python:3.11" in Path(".staging/dev/myimage1/Dockerfile").read_text()
