"""The graph of each style, literally, in an update and in a preview."""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker
import pytest

from components import readiness
from components.container_webservice import ContainerWebservice
from components.model_artifact import ModelArtifact
from components.scoring_image import ScoringImage
from tests.components.conftest import FakePackages
from tests.components.engine import (
    CONTAINER,
    CONTAINER_WEBSERVICE,
    IMAGE,
    MODEL_ARTIFACT,
    PROVIDER,
    REMOTE_IMAGE,
    SCORING_IMAGE,
    UNKNOWN,
    Engine,
    FakeContainer,
    FakeDaemon,
    Run,
    Secret,
    id_of,
)

pytestmark = pytest.mark.usefixtures("project", "packages")

STACK = "model-webservice-dev"
VERSION = "9a129038d9a0"
"""The first digits of the sha256 of the model's content, `weights`."""

FROM_FILE = [
    (CONTAINER, "svc-container", "svc"),
    (IMAGE, "svc-image-image", "svc-image"),
    (IMAGE, "svc-model.bin-image", "svc-model.bin"),
    (REMOTE_IMAGE, "svc-image-stored", "svc-image"),
    (REMOTE_IMAGE, "svc-model.bin-stored", "svc-model.bin"),
    (CONTAINER_WEBSERVICE, "svc", STACK),
    (MODEL_ARTIFACT, "svc-model.bin", "svc"),
    (SCORING_IMAGE, "svc-image", "svc"),
]
FROM_MODEL = [
    (CONTAINER, "svc-container", "svc"),
    (IMAGE, "mnist-image", "mnist"),
    (IMAGE, "svc-image-image", "svc-image"),
    (REMOTE_IMAGE, "mnist-stored", "mnist"),
    (REMOTE_IMAGE, "svc-image-stored", "svc-image"),
    (CONTAINER_WEBSERVICE, "svc", STACK),
    (MODEL_ARTIFACT, "mnist", STACK),
    (SCORING_IMAGE, "svc-image", "svc"),
]
FROM_IMAGE = [
    (CONTAINER, "svc-container", "svc"),
    (IMAGE, "myimage1-image", "myimage1"),
    (REMOTE_IMAGE, "myimage1-stored", "myimage1"),
    (CONTAINER_WEBSERVICE, "svc", STACK),
    (SCORING_IMAGE, "myimage1", STACK),
]


def config(**given: Any) -> Any:
    return {"execution_script": "score.py", "conda_file": "myenv.yml", **given}


def service(**given: Any) -> ContainerWebservice:
    return ContainerWebservice("svc", given)  # type: ignore[arg-type] # any arguments, wrong ones too


def from_file(**given: Any) -> None:
    service(model_paths=["model.bin"], image_config=config(), **given)


def from_model(**given: Any) -> None:
    model = ModelArtifact("mnist", {"model_path": "model.bin", "model_name": "mnist"})
    service(models=[model.reference], image_config=config(), **given)


def from_image(**given: Any) -> None:
    image = ScoringImage("myimage1", {"image_config": config()})
    service(image=image.reference, **given)


STYLES = pytest.mark.parametrize(
    ("program", "graph"), [(from_file, FROM_FILE), (from_model, FROM_MODEL), (from_image, FROM_IMAGE)]
)


@STYLES
def test_each_style_has_its_own_graph(up: Run, program: Any, graph: Any) -> None:
    assert up(program).graph == graph


@STYLES
def test_a_preview_has_the_same_graph(preview: Run, program: Any, graph: Any) -> None:
    assert preview(program).graph == graph


@STYLES
def test_every_component_registers_its_outputs(up: Run, program: Any, graph: Any) -> None:
    engine = up(program)
    assert [made.name for made in engine.resources if "model-webservice" in made.type and made.outputs is None] == []


def test_the_image_of_a_model_is_built_from_its_staged_folder(up: Run) -> None:
    engine = up(from_file)
    assert engine.find(IMAGE, "svc-model.bin-image").inputs == {
        "imageName": f"models/model.bin:{VERSION}",
        "build": {
            "context": ".staging/dev/svc-model.bin",
            "platform": "linux/amd64",
            "builderVersion": "BuilderBuildKit",
        },
        "buildOnPreview": False,
        "skipPush": True,
    }
    assert engine.find(REMOTE_IMAGE, "svc-model.bin-stored").inputs == {
        "name": f"models/model.bin:{VERSION}",
        "keepLocally": False,
        "forceRemove": True,
    }


def test_the_scoring_image_is_built_after_its_models(up: Run) -> None:
    engine = up(from_file)
    image = engine.find(IMAGE, "svc-image-image")
    name, _, tag = image.inputs["imageName"].partition(":")
    assert (name, len(tag)) == ("svc", 12)
    assert image.inputs == {
        "imageName": f"svc:{tag}",
        "build": {"context": ".staging/dev/svc-image", "platform": "linux/amd64", "builderVersion": "BuilderBuildKit"},
        "buildOnPreview": False,
        "skipPush": True,
    }
    assert image.dependencies == ["svc-model.bin-image", "svc-model.bin-stored"]
    assert engine.find(REMOTE_IMAGE, "svc-image-stored").inputs["name"] == f"svc:{tag}"


def test_the_container_is_hardened_and_limited(up: Run) -> None:
    def program() -> None:
        from_file(
            cpu_cores=1,
            memory_gb=0.5,
            port=8080,
            tags={"type": "classification", "data": "mnist"},
            description="Handwriting",
            environment={"ZONE": "a", "ALPHA": "1"},
            stop_grace_seconds=20,
            wait_timeout=90,
        )

    engine = up(program)
    container = engine.find(CONTAINER)
    assert container.inputs == {
        "name": "svc",
        "image": id_of(engine.find(IMAGE, "svc-image-image").inputs["imageName"]),
        "envs": ["ALPHA=1", "SCORING_DRAIN=19", "SERVICE_NAME=svc", "WORKER_COUNT=1", "ZONE=a"],
        "user": "10001:10001",
        "init": True,
        "readOnly": True,
        "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=64m"},
        "capabilities": {"drops": ["ALL"]},
        "securityOpts": ["no-new-privileges:true"],
        "cpus": "1.0",
        "memory": 512,
        "memorySwap": 512,
        "logDriver": "json-file",
        "logOpts": {"max-size": "10m", "max-file": "3"},
        "restart": "unless-stopped",
        "stopTimeout": 20,
        "destroyGraceSeconds": 20,
        "mustRun": True,
        "ports": [{"internal": 5001, "external": 8080, "ip": "127.0.0.1"}],
        "healthcheck": {
            "tests": readiness.HEALTH_CHECK,
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "startPeriod": "1m30s",
        },
        "labels": [
            {"label": "model-webservice.service.description", "value": "Handwriting"},
            {"label": "model-webservice.service.name", "value": "svc"},
            {"label": "model-webservice.service.tags", "value": '{"data": "mnist", "type": "classification"}'},
        ],
    }
    assert container.replace_on_changes == ["healthcheck"]


def test_the_outputs_of_a_service_say_where_and_what_it_is(up: Run, daemon: FakeDaemon) -> None:
    name = up(from_file).find(IMAGE, "svc-image-image").inputs["imageName"]
    daemon.environments[id_of(name)] = {"SCORING_MODEL_DIGESTS": '{"model.bin/3": "ab"}', "PATH": "/bin"}
    engine = up(from_file)
    assert engine.find(CONTAINER_WEBSERVICE).outputs == {
        "serviceName": "svc",
        "state": "Healthy",
        "scoringUri": "http://127.0.0.1:32768/score",
        "swaggerUri": "http://127.0.0.1:32768/swagger.json",
        "address": "127.0.0.1:32768",
        "image": name,
        "imageId": id_of(name),
        "models": {"model.bin:3": "ab"},
        "containerId": "svc-id",
    }


@pytest.mark.parametrize(
    ("bind_address", "uri"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/score"),
        ("0.0.0.0", "http://127.0.0.1:80/score"),
        ("10.0.0.7", "http://10.0.0.7:80/score"),
        ("::1", "http://[::1]:80/score"),
    ],
)
def test_the_port_is_published_where_it_is_asked_for(
    up: Run, bind_address: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.service_config.refusal_to_listen", lambda address, port: 0)
    engine = up(lambda: from_image(port=80, bind_address=bind_address))
    assert engine.find(CONTAINER).inputs["ports"] == [{"internal": 5001, "external": 80, "ip": bind_address}]
    outputs = engine.find(CONTAINER_WEBSERVICE).outputs
    assert outputs is not None
    assert outputs["scoringUri"] == uri


def test_the_image_runs_under_the_services_own_name(up: Run) -> None:
    engine = up(lambda: from_file(service_name="aci-mnist"))
    assert engine.find(CONTAINER).inputs["name"] == "aci-mnist"
    assert engine.find(IMAGE, "svc-image-image").inputs["imageName"].startswith("aci-mnist:")


@STYLES
def test_a_preview_knows_references_and_tags_and_no_ids(preview: Run, program: Any, graph: Any) -> None:
    engine = preview(program)
    for made in engine.resources:
        if made.type in (SCORING_IMAGE, MODEL_ARTIFACT):
            assert made.outputs is not None
            assert made.outputs["imageId"] is UNKNOWN
            assert len(made.outputs["reference"].rpartition(":")[2]) == 12
        if made.type == IMAGE:
            assert len(made.inputs["imageName"].rpartition(":")[2]) == 12
    outputs = engine.find(CONTAINER_WEBSERVICE).outputs
    assert outputs is not None
    assert outputs["serviceName"] == "svc"
    assert len(outputs["image"].rpartition(":")[2]) == 12
    assert [outputs[key] for key in ("state", "scoringUri", "swaggerUri", "containerId")] == [UNKNOWN] * 4


@STYLES
def test_a_preview_plans_the_inputs_of_the_update(preview: Run, up: Run, program: Any, graph: Any) -> None:
    def inputs(engine: Engine) -> dict[str, Any]:
        return {made.name: made.inputs for made in engine.resources if made.type != CONTAINER}

    planned = inputs(preview(program))
    assert planned == inputs(up(program))


def test_a_preview_of_a_running_service_looks_once_and_does_not_wait(preview: Run, daemon: FakeDaemon) -> None:
    daemon.next_container = lambda: FakeContainer(ready=False, log=["loading"])
    engine = preview(from_file, "svc-container")
    outputs = engine.find(CONTAINER_WEBSERVICE).outputs
    assert outputs is not None
    assert outputs["state"] == "Transitioning"
    assert daemon.containers["svc-id"].asked == 1
    assert engine.log == []


def test_an_update_passes_on_what_the_container_says(up: Run, daemon: FakeDaemon) -> None:
    daemon.next_container = lambda: FakeContainer("exited", 3, log=["loading", "KeyError: 'x'"])
    with pytest.raises(pulumi.RunError, match=r"(?s)^svc: the container of svc exited with code 3.*KeyError: 'x'$"):
        up(from_file)


def test_the_first_preview_asks_the_daemon_for_no_container(preview: Run, daemon: FakeDaemon) -> None:
    preview(from_file)
    assert daemon.containers == {}


def test_an_explicit_provider_is_passed_on_to_all_children(up: Run) -> None:
    def program() -> None:
        provider = pulumi_docker.Provider("edge", host="ssh://edge")
        opts = pulumi.ResourceOptions(provider=provider)
        ContainerWebservice("svc", {"model_paths": ["model.bin"], "image_config": config()}, opts)
        model = ModelArtifact("mnist", {"model_path": "model.bin", "model_name": "mnist"}, opts)
        ScoringImage("myimage1", {"models": [model.reference], "image_config": config()}, opts)

    engine = up(program)
    children = {made.name: made.provider for made in engine.resources if made.type.startswith("docker:")}
    assert len(children) == 9
    assert set(children.values()) == {"edge"}
    assert engine.find(PROVIDER).inputs == {"host": "ssh://edge"}


def test_children_of_the_default_provider_name_none(up: Run) -> None:
    assert {made.provider for made in up(from_file).resources} == {""}


def test_a_secret_in_the_environment_stays_one(up: Run) -> None:
    engine = up(lambda: from_file(environment={"TOKEN": pulumi.Output.secret("t"), "A": "1"}))
    assert engine.find(CONTAINER).inputs["envs"] == Secret(
        ["A=1", "SCORING_DRAIN=29", "SERVICE_NAME=svc", "TOKEN=t", "WORKER_COUNT=1"]
    )
    others = [made.inputs for made in engine.resources if made.type != CONTAINER]
    assert "'t'" not in repr(others)
    assert "TOKEN" not in "".join(path.read_text("latin-1") for path in Path(".staging").rglob("*") if path.is_file())


def test_a_secret_environment_is_one_as_a_whole(preview: Run) -> None:
    engine = preview(lambda: from_image(environment=pulumi.Output.secret({"TOKEN": "t"})))
    assert engine.find(CONTAINER).inputs["envs"] == Secret(
        ["SCORING_DRAIN=29", "SERVICE_NAME=svc", "TOKEN=t", "WORKER_COUNT=1"]
    )


def test_an_environment_may_override_what_the_service_sets(up: Run) -> None:
    engine = up(lambda: from_file(environment={"WORKER_COUNT": "4"}))
    assert engine.find(CONTAINER).inputs["envs"] == ["SCORING_DRAIN=29", "SERVICE_NAME=svc", "WORKER_COUNT=4"]


def test_the_same_inputs_give_the_same_inputs_of_every_resource(up: Run) -> None:
    def inputs() -> dict[str, Any]:
        return {made.name: made.inputs for made in up(from_model).resources}

    assert inputs() == inputs()


def changed(up: Run, path: str, text: str) -> tuple[set[str], Engine]:
    """Return the resources that another content of a file changes, and the engine of the second update."""
    first = up(from_file)
    Path(path).write_text(text)
    second = up(from_file)
    before = {made.name: made.inputs for made in first.resources}
    return {made.name for made in second.resources if made.inputs != before[made.name]}, second


def test_a_changed_script_changes_the_image_and_the_container_alone(up: Run) -> None:
    names, _ = changed(up, "score.py", "def init(): ...\n\n\ndef run(data):\n    return 1\n")
    assert names == {"svc-image-image", "svc-image-stored", "svc-container"}


def test_a_changed_model_changes_its_version_and_no_dependency_layer(up: Run) -> None:
    up(from_file)
    layer = Path(".staging/dev/svc-image/dependencies.tar").read_bytes()
    names, engine = changed(up, "model.bin", "other weights")
    assert names == {
        "svc-model.bin-image",
        "svc-model.bin-stored",
        "svc-image-image",
        "svc-image-stored",
        "svc-container",
    }
    tag = engine.find(REMOTE_IMAGE, "svc-model.bin-stored").inputs["name"]
    assert tag != f"models/model.bin:{VERSION}"
    assert Path(".staging/dev/svc-image/dependencies.tar").read_bytes() == layer
    assert f"COPY --from={tag} / /" in Path(".staging/dev/svc-image/Dockerfile").read_text()


def test_a_changed_environment_file_changes_the_image_and_the_container_alone(up: Run) -> None:
    names, _ = changed(up, "myenv.yml", "dependencies:\n  - scipy\n")
    assert names == {"svc-image-image", "svc-image-stored", "svc-container"}


def test_a_comment_in_the_environment_file_changes_nothing(up: Run) -> None:
    names, _ = changed(up, "myenv.yml", "name: other\ndependencies:\n  - numpy # fast\n")
    assert names == set()


def test_several_models_are_registered_one_by_one(up: Run) -> None:
    Path("second.bin").write_bytes(b"more")
    engine = up(lambda: service(model_paths=["model.bin", "second.bin"], image_config=config()))
    assert [made.name for made in engine.resources if made.type == MODEL_ARTIFACT] == [
        "svc-model.bin",
        "svc-second.bin",
    ]
    text = Path(".staging/dev/svc-image/Dockerfile").read_text()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("COPY")] == [
        f"--from={engine.find(IMAGE, f'svc-{name}-image').inputs['imageName']}" for name in ("model.bin", "second.bin")
    ]
    assert 'AZUREML_MODEL_DIR="/var/azureml-app/azureml-models"' in text


def test_an_image_that_is_there_runs_by_its_id(preview: Run, daemon: FakeDaemon) -> None:
    daemon.images["team/other:1"] = {}
    engine = preview(lambda: service(image="team/other:1"))
    assert engine.graph == [(CONTAINER, "svc-container", "svc"), (CONTAINER_WEBSERVICE, "svc", STACK)]
    assert engine.find(CONTAINER).inputs["image"] == id_of("team/other:1")


def test_what_a_service_makes_may_outlive_it(up: Run) -> None:
    engine = up(lambda: from_file(keep_locally=True))
    assert {made.inputs["keepLocally"] for made in engine.resources if made.type == REMOTE_IMAGE} == {True}


def test_the_daemon_that_is_named_is_asked_by_all(up: Run, daemon: FakeDaemon) -> None:
    up(lambda: from_file(docker_host="ssh://edge"))
    assert daemon.asked_for == ["ssh://edge"] * 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"^svc: nothing to deploy: give one of modelPaths .*, models .* or image"),
        ({"model_paths": []}, r"nothing to deploy"),
        (
            {"model_paths": ["model.bin"], "models": ["m:1"], "image_config": config()},
            r"modelPaths, models are given, one is allowed: keep modelPaths and drop models\.",
        ),
        (
            {"model_paths": ["model.bin"], "models": ["m:1"], "image": "i:1", "image_config": config()},
            r"modelPaths, models, image are given, one is allowed: keep modelPaths and drop models and image\.",
        ),
        ({"image": "i:1", "image_config": config()}, r"imageConfig is given with image, .*: drop imageConfig"),
        ({"models": ["m:1"]}, r"models needs imageConfig, at least its executionScript"),
        (
            {"model_paths": ["none.bin"], "image_config": config()},
            r"the model 'none.bin' does not exist: train it, or give the path",
        ),
        (
            {"models": ["mnist:1"], "image_config": config()},
            r"no model 'mnist:1' is registered in the Docker daemon at unix:///var/run/docker.sock\..*Register it",
        ),
        ({"image": "i:1", "service_name": "Svc_1"}, r"the service name 'Svc_1' is not allowed: 3 to 32"),
        ({"image": "i:1", "cpu_cores": 0}, r"cpuCores is 0: give a number above 0"),
        ({"image": "i:1", "memory_gb": -1}, r"memoryGb is -1: give a number above 0"),
        ({"image": "i:1", "port": 70000}, r"port is 70000: give 1 to 65535"),
        ({"image": "i:1", "bind_address": "localhost"}, r"bindAddress is 'localhost': give an IP address"),
        ({"image": "i:1", "wait_timeout": 0}, r"waitTimeout is 0: give whole seconds, 1 or more"),
        (
            {"model_paths": ["model.bin"], "image_config": config(execution_script="none.py")},
            r"the entry script 'none.py' does not exist: .*Scripts beside it: score.py",
        ),
    ],
)
def test_bad_input_is_refused_in_a_preview(preview: Run, daemon: FakeDaemon, given: Any, said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        preview(lambda: service(**given))


def test_nothing_is_registered_for_a_service_with_bad_input(daemon: FakeDaemon) -> None:
    engine = Engine(daemon, preview=True)
    with pytest.raises(pulumi.RunError):
        engine.run(lambda: service(model_paths=["model.bin"], image_config=config(), cpu_cores=0))
    assert {made.type for made in engine.resources} <= {CONTAINER_WEBSERVICE}
    assert not Path(".staging").exists()


def test_a_model_of_the_same_program_needs_no_daemon_in_a_preview(preview: Run, daemon: FakeDaemon) -> None:
    engine = preview(from_model)
    assert daemon.images == {}
    assert engine.find(IMAGE, "svc-image-image").inputs["imageName"].startswith("svc:")


def test_an_unknown_reference_is_refused_with_the_known_ones(preview: Run, daemon: FakeDaemon) -> None:
    daemon.images["models/mnist:1"] = daemon.images["models/mnist:2"] = {}
    with pytest.raises(pulumi.RunError, match=r"no model 'mnist:9' .*Registered: models/mnist:2, models/mnist:1\. "):
        preview(lambda: service(models=["mnist:9"], image_config=config()))


def test_a_model_that_was_saved_with_another_library_is_refused(
    preview: Run, daemon: FakeDaemon, packages: FakePackages
) -> None:
    prefix = "model-webservice.model"
    daemon.images["models/mnist:1"] = {
        f"{prefix}.name": "mnist",
        f"{prefix}.version": "1",
        f"{prefix}.libraries": '{"scikit-learn": "1.5.0"}',
    }
    packages.versions = {"scikit-learn": "1.7.2"}
    with pytest.raises(
        pulumi.RunError, match=r"saved with scikit-learn 1.5.0, but the image would have scikit-learn 1.7.2"
    ):
        preview(lambda: service(models=["mnist"], image_config=config()))
