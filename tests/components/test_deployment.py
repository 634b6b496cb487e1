"""From settings to components: what services share, what they do not, and what is exported."""

import gc
import json
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.access_settings import SECRET_KEYS
from components.deployment import Deployment
from components.problems import Problem
from components.settings import STYLES, Settings
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
    FakeDaemon,
    Run,
    Secret,
)
from tests.components.test_access_keys import KEY, OTHER

THIRD = "02468ace13579bdf" * 2

pytestmark = pytest.mark.usefixtures("project", "packages")

ROOT = Path(__file__).parents[2]
STACK = "model-webservice-dev"
DECLARED: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]


def config_of(**given: Any) -> dict[str, str]:
    """Return the configuration of a stack with the given settings, as the engine passes it to the program."""
    own = {
        "services": [service(style, f"aci-mnist-{number}") for number, style in enumerate(STYLES, 1)],
        "modelPath": "model.bin",
        "modelName": "mnist",
        "executionScript": "score.py",
        "condaFile": "myenv.yml",
    }
    values = {key: declaration["default"] for key, declaration in DECLARED.items()} | own | given
    return {
        f"model-webservice:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
    }


def program(*, secret: bool = False, **given: Any) -> Callable[[], None]:
    """Return what the project's program does with the given settings."""
    config = config_of(**given)
    secrets = ["model-webservice:services"] if secret else []

    def run() -> None:
        settings = Settings.from_config(config, list(DECLARED), "model-webservice", secrets)
        pulumi.export("services", Deployment(settings).deploy())

    return run


def out_of_reach(*given: Any, **options: Any) -> None:
    raise Problem("the registry cannot be reached")


def service(style: str, name: str = "svc", **given: Any) -> dict[str, Any]:
    return {"name": name, "style": style, **given}


def test_the_three_styles_share_a_model_and_an_image(up: Run) -> None:
    assert up(program()).graph == [
        (CONTAINER, "aci-mnist-1-container", "aci-mnist-1"),
        (CONTAINER, "aci-mnist-2-container", "aci-mnist-2"),
        (CONTAINER, "aci-mnist-3-container", "aci-mnist-3"),
        (IMAGE, "aci-mnist-1-image-image", "aci-mnist-1-image"),
        (IMAGE, "aci-mnist-1-model.bin-image", "aci-mnist-1-model.bin"),
        (IMAGE, "aci-mnist-2-image-image", "aci-mnist-2-image"),
        (IMAGE, "mnist-image", "mnist"),
        (IMAGE, "myimage1-image", "myimage1"),
        (REMOTE_IMAGE, "aci-mnist-1-image-stored", "aci-mnist-1-image"),
        (REMOTE_IMAGE, "aci-mnist-1-model.bin-stored", "aci-mnist-1-model.bin"),
        (REMOTE_IMAGE, "aci-mnist-2-image-stored", "aci-mnist-2-image"),
        (REMOTE_IMAGE, "mnist-stored", "mnist"),
        (REMOTE_IMAGE, "myimage1-stored", "myimage1"),
        (CONTAINER_WEBSERVICE, "aci-mnist-1", STACK),
        (CONTAINER_WEBSERVICE, "aci-mnist-2", STACK),
        (CONTAINER_WEBSERVICE, "aci-mnist-3", STACK),
        (MODEL_ARTIFACT, "aci-mnist-1-model.bin", "aci-mnist-1"),
        (MODEL_ARTIFACT, "mnist", STACK),
        (SCORING_IMAGE, "aci-mnist-1-image", "aci-mnist-1"),
        (SCORING_IMAGE, "aci-mnist-2-image", "aci-mnist-2"),
        (SCORING_IMAGE, "myimage1", STACK),
    ]


@pytest.mark.parametrize(
    ("style", "own"),
    [
        ("modelFile", {"svc", "svc-model.bin", "svc-image"}),
        ("registeredModel", {"svc", "svc-image", "mnist"}),
        ("image", {"svc", "myimage1", "mnist"}),
    ],
)
def test_what_no_service_asks_for_is_not_made(up: Run, style: str, own: set[str]) -> None:
    engine = up(program(services=[service(style)]))
    assert {made.name for made in engine.resources if made.type.startswith("model-webservice:")} == own


def test_no_service_is_no_resource(up: Run) -> None:
    assert up(program(services=[])).resources == []


def test_services_of_one_image_share_it(up: Run) -> None:
    engine = up(program(services=[service("image", "svc-1"), service("image", "svc-2")]))
    images = {made.inputs["image"] for made in engine.resources if made.type == CONTAINER}
    assert len(images) == 1
    assert len([made for made in engine.resources if made.type == SCORING_IMAGE]) == 1


def test_what_is_known_of_each_service_is_exported(up: Run) -> None:
    engine = up(program(services=[service("modelFile", port=0)]))
    image = engine.find(IMAGE, "svc-image-image").inputs["imageName"]
    assert engine.exports == {
        "services": {
            "svc": {
                "style": "modelFile",
                "image": image,
                "imageId": engine.find(CONTAINER).inputs["image"],
                "models": {},
                "state": "Healthy",
                "scoringUri": "http://127.0.0.1:32768/score",
                "swaggerUri": "http://127.0.0.1:32768/swagger.json",
                "address": "127.0.0.1:32768",
                "authEnabled": False,
                "sslCertPemFile": "",
            }
        }
    }


def test_a_preview_exports_what_it_knows(preview: Run) -> None:
    exported = preview(program(services=[service("modelFile")])).exports["services"]["svc"]
    assert exported["style"] == "modelFile"
    assert exported["image"].startswith("svc:")
    assert exported["scoringUri"] is UNKNOWN


def test_the_model_of_a_file_is_kept_too_and_its_image_not(up: Run) -> None:
    engine = up(program(services=[service("modelFile")], keepModels=True))
    kept = {made.name: made.inputs["keepLocally"] for made in engine.resources if made.type == REMOTE_IMAGE}
    assert kept == {"svc-model.bin-stored": True, "svc-image-stored": False}


def test_settings_reach_the_resources(up: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.service_config.refusal_to_listen", lambda address, port: 0)
    run = program(
        services=[service("image", port=8080, cpuCores=2, environment={"A": "1"})],
        memoryGb="0.25",
        modelVersion="7",
        modelTags={"area": "mnist"},
        keepModels=True,
        imageName="reader",
        imageTags={"type": "digits"},
        baseImage="base:1",
        bindAddress="0.0.0.0",
        waitTimeout=60,
        stopGraceSeconds=5,
        tags={"data": "mnist"},
        description="Reads digits",
    )
    engine = up(run)
    container = engine.find(CONTAINER).inputs
    assert (container["cpus"], container["memory"], container["stopTimeout"]) == ("2.0", 256, 5)
    assert container["ports"] == [{"internal": 5001, "external": 8080, "ip": "0.0.0.0"}]
    assert container["envs"] == ["A=1", "SCORING_DRAIN=4", "SERVICE_NAME=svc", "WORKER_COUNT=2"]
    assert container["healthcheck"]["startPeriod"] == "1m0s"
    assert [label["value"] for label in container["labels"]] == ["Reads digits", "svc", '{"data": "mnist"}']
    assert engine.find(IMAGE, "mnist-image").inputs["imageName"] == "models/mnist:7"
    assert engine.find(IMAGE, "reader-image").inputs["imageName"].startswith("reader:")
    assert engine.find(REMOTE_IMAGE, "mnist-stored").inputs["keepLocally"] is True
    assert engine.find(REMOTE_IMAGE, "reader-stored").inputs["keepLocally"] is False
    text = Path(".staging/dev/reader/Dockerfile").read_text()
    assert text.startswith("FROM base:1\n")
    assert 'LABEL "model-webservice.image.tags"="{\\"type\\": \\"digits\\"}"' in text


def test_the_fix_for_a_model_of_another_python_is_one_that_settings_take(preview: Run, packages: FakePackages) -> None:
    Path("model.bin.versions.json").write_text('{"python": "3.12.1"}')
    with pytest.raises(
        pulumi.RunError, match=r"saved with Python 3.12.1, but the image would have Python 3.11"
    ) as said:
        preview(program())
    fix = re.search(
        r"Give a baseImage with Python (?P<base>[0-9.]+) and pythonVersion '(?P<python>[0-9.]+)'", str(said.value)
    )
    assert fix, said
    packages.asked.clear()
    preview(program(baseImage=f"python:{fix['base']}-slim", pythonVersion=fix["python"]))
    assert [asked["python_version"] for asked in packages.asked] == ["3.12"] * 3


def test_the_fix_for_a_base_image_of_another_python_is_one_that_settings_take(preview: Run) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"'python:3.12-slim' has Python 3.12 .* but pythonVersion is 3.11"
    ) as said:
        preview(program(baseImage="python:3.12-slim"))
    fix = re.search(r"Set pythonVersion to '([0-9.]+)'", str(said.value))
    assert fix, said
    preview(program(baseImage="python:3.12-slim", pythonVersion=fix[1]))


def test_the_fix_for_dependencies_of_another_python_is_one_that_settings_take(preview: Run) -> None:
    Path("myenv.yml").write_text("dependencies:\n  - python=3.12\n  - numpy\n")
    with pytest.raises(
        pulumi.RunError, match=r"ask for Python .*3\.12.* or give a baseImage, and its pythonVersion, that"
    ):
        preview(program())
    preview(program(baseImage="python:3.12-slim", pythonVersion="3.12"))


@pytest.mark.parametrize(
    ("base", "pulled"),
    [
        ("me/base:1", True),
        ("me/base", True),
        ("r.example/base:1", True),
        ("docker.io/me/base:1", True),
        ("there:1", False),
    ],
)
def test_a_private_base_image_is_pulled_with_the_login_that_is_set(
    up: Run, preview: Run, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, base: str, pulled: bool
) -> None:
    monkeypatch.setattr("components.registry.Registry", out_of_reach)
    daemon.images["there:1"] = {}
    login = {"baseImageUsername": "me", "baseImagePassword": "secret-word"}
    config = config_of(baseImage=base, services=[service("modelFile")], **login)

    def run() -> None:
        secrets = ["model-webservice:baseImagePassword"]
        Deployment(Settings.from_config(config, list(DECLARED), "model-webservice", secrets)).deploy()

    preview(run)
    assert daemon.pulled == []
    engine = up(run)
    assert daemon.pulled == ([(base, {"username": "me", "password": "secret-word"})] if pulled else [])
    assert Path(".staging/dev/svc-image/Dockerfile").read_text().startswith(f"FROM {base}\n")
    assert "secret-word" not in repr([engine.resources, engine.exports, engine.log])


def test_a_preview_says_once_for_a_model_which_versions_are_not_recorded(up: Run, preview: Run) -> None:
    Path("model.pkl").write_bytes(b"weights")
    run = program(modelPath="model.pkl")
    (said,) = preview(run).log
    assert said.startswith("'model.pkl' does not say with which version of Python, scikit-learn, numpy, joblib")
    assert up(run).log == []
    Path("model.pkl.versions.json").write_text('{"python": "3.11.7"}')
    assert preview(run).log == []


def test_what_is_said_of_a_model_reaches_it_and_its_services(up: Run) -> None:
    needs = {"cpu": 0.5, "memoryInGb": 2}
    run = program(
        services=[service("image"), service("registeredModel", "own", cpuCores=1)],
        resourceConfiguration=needs,
        datasets={"training": "s3://digits"},
        cpuCores="",
        memoryGb="",
    )
    engine = up(run)
    text = Path(".staging/dev/mnist/Dockerfile").read_text()
    assert 'LABEL "model-webservice.model.datasets"="{\\"training\\": \\"s3://digits\\"}"' in text
    assert 'LABEL "model-webservice.model.resources"="{\\"cpu\\": 0.5, \\"memory_in_gb\\": 2.0}"' in text
    limits = {made.name: made.inputs for made in engine.resources if made.type == CONTAINER}
    assert [(limits[name]["cpus"], limits[name]["memory"]) for name in ("svc-container", "own-container")] == [
        ("0.5", 2048),
        ("1.0", 2048),
    ]


def test_a_service_of_a_model_that_needs_a_gpu_is_refused_where_there_is_none(preview: Run) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"the image needs a GPU \(enableGpu, or its model's resourceConfiguration"
    ):
        preview(program(services=[service("image")], resourceConfiguration={"gpu": 1}))


def test_a_need_below_zero_is_said_by_its_key(preview: Run) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"^mnist: resourceConfiguration.memoryInGb is -1.0: give a number above 0"
    ):
        preview(program(services=[service("image")], resourceConfiguration={"memoryInGb": -1}))


def test_several_model_files_are_several_models_of_a_service(up: Run) -> None:
    Path("other.bin").write_bytes(b"other")
    engine = up(
        program(
            services=[service("modelFile"), service("registeredModel", "one")], modelPaths=["model.bin", "other.bin"]
        )
    )
    assert {made.name for made in engine.resources if made.type == MODEL_ARTIFACT} == {
        "svc-model.bin",
        "svc-other.bin",
        "mnist",
    }
    copied = [line for line in Path(".staging/dev/svc-image/Dockerfile").read_text().splitlines() if "--from" in line]
    assert [line.partition("models/")[2].partition(":")[0] for line in copied] == ["model.bin", "other.bin"]


def test_another_runtime_is_refused(preview: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"the runtime 'spark-py' is not supported, as PySpark needs"):
        preview(program(runtime="spark-py"))


def test_a_services_own_script_is_its_own(up: Run) -> None:
    Path("own.py").write_text("init = run = print\n")
    up(program(services=[service("modelFile", "svc-1"), service("modelFile", "svc-2", executionScript="own.py")]))
    scripts = [
        line
        for name in ("svc-1", "svc-2")
        for line in Path(f".staging/dev/{name}-image/Dockerfile").read_text().splitlines()
        if "ENTRY_SCRIPT" in line
    ]
    assert scripts == ['ENV AZUREML_ENTRY_SCRIPT="score.py"', 'ENV AZUREML_ENTRY_SCRIPT="own.py"']


def test_a_model_that_is_registered_elsewhere_is_not_registered(preview: Run, daemon: FakeDaemon) -> None:
    daemon.images["models/mnist:3"] = {"model-webservice.model.name": "mnist", "model-webservice.model.version": "3"}
    engine = preview(program(services=[service("registeredModel")], modelReference="mnist:3", modelPath="none.bin"))
    assert [made for made in engine.resources if made.type == MODEL_ARTIFACT] == []
    assert "COPY --from=models/mnist:3 / /" in Path(".staging/dev/svc-image/Dockerfile").read_text()


def test_another_daemon_is_the_provider_of_everything(up: Run, daemon: FakeDaemon) -> None:
    engine = up(program(dockerHost="ssh://edge"))
    assert engine.find(PROVIDER).inputs == {"host": "ssh://edge"}
    children = [made.provider for made in engine.resources if made.type.startswith("docker:")]
    assert children == ["docker-host"] * 13
    assert set(daemon.asked_for) == {"ssh://edge"}


def test_an_environment_that_is_a_secret_stays_one(up: Run) -> None:
    engine = up(program(secret=True, services=[service("modelFile", environment={"TOKEN": "t"})]))
    assert engine.find(CONTAINER).inputs["envs"] == Secret(
        ["SCORING_DRAIN=29", "SERVICE_NAME=svc", "TOKEN=t", "WORKER_COUNT=1"]
    )
    assert "TOKEN" not in json.dumps(engine.exports)


def test_an_environment_that_is_none_is_plain(up: Run) -> None:
    engine = up(program(services=[service("modelFile", environment={"LEVEL": "t"})]))
    assert engine.find(CONTAINER).inputs["envs"] == [
        "LEVEL=t",
        "SCORING_DRAIN=29",
        "SERVICE_NAME=svc",
        "WORKER_COUNT=1",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"modelPath": "none.bin"}, r"^aci-mnist-1: the model 'none.bin' does not exist"),
        ({"modelReference": "none:1"}, r"^(aci-mnist-2-image|myimage1): no model 'none:1' is registered"),
        ({"executionScript": "none.py"}, r"^aci-mnist-1: the entry script 'none.py' does not exist"),
        ({"condaFile": "none.yml"}, r"^aci-mnist-1: .*none\.yml"),
        ({"cpuCores": "0"}, r"^aci-mnist-1: cpuCores is 0.0: give a number above 0"),
        ({"memoryGb": "-1"}, r"^aci-mnist-1: memoryGb is -1.0: give a number above 0"),
        ({"bindAddress": "here"}, r"^aci-mnist-1: bindAddress is 'here'"),
        ({"imageName": "My Image"}, r"^My Image: the image name 'My Image' is not allowed"),
        ({"modelName": "a/b"}, r"^a/b: the model name 'a/b' is not allowed"),
    ],
)
def test_a_bad_setting_is_refused_in_a_preview(preview: Run, given: dict[str, str], said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        preview(program(**given))


@pytest.fixture(autouse=True)
def the_collector_as_it_was() -> Iterator[None]:
    """The program tunes Python's garbage collector, for a process that it has to itself."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def run_project() -> None:
    """Run the project's own program."""
    runpy.run_path(str(ROOT / "__main__.py"))


def test_the_projects_program_reads_the_engines_configuration(up: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    services = [service("modelFile", environment={"TOKEN": "t"})]
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config_of(services=services)))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["model-webservice:services"]))
    engine = up(run_project)
    assert engine.find(CONTAINER).inputs["envs"] == Secret(
        ["SCORING_DRAIN=29", "SERVICE_NAME=svc", "TOKEN=t", "WORKER_COUNT=1"]
    )
    assert list(engine.exports["services"]) == ["svc"]
    assert "keys" not in engine.exports


def test_the_projects_program_exports_keys_as_a_secret(up: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(services=[service("modelFile")], authEnabled=True, primaryKey=KEY, secondaryKey=OTHER)
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    secret = [f"model-webservice:{key}" for key in SECRET_KEYS]
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(secret))
    assert up(run_project).exports["keys"] == Secret({"svc": {"primary": KEY, "secondary": OTHER}})


def test_the_projects_program_refuses_what_pulumi_yaml_does_not_declare(
    preview: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({**config_of(), "model-webservice:cpuCore": "1"}))
    with pytest.raises(pulumi.RunError, match=r"^model-webservice: unknown configuration key 'cpuCore'\. Did you mean"):
        preview(run_project)


def test_each_service_gets_its_own_keys_and_they_are_told_by_name(up: Run) -> None:
    entries = [service("modelFile"), service("modelFile", "own"), service("modelFile", "open", authEnabled=False)]
    own = {"own": {"primary": THIRD}}
    config = config_of(services=entries, authEnabled=True, primaryKey=KEY, secondaryKey=OTHER, keys=own)
    secret = [f"model-webservice:{key}" for key in SECRET_KEYS]
    settings = Settings.from_config(config, list(DECLARED), "model-webservice", secret)
    expected = {"svc": {"primary": KEY, "secondary": OTHER}, "own": {"primary": THIRD, "secondary": OTHER}}
    assert Deployment(settings).keys() == expected
    engine = up(lambda: pulumi.export("services", Deployment(settings).deploy()))
    for name, keys in expected.items():
        (upload,) = engine.find(CONTAINER, f"{name}-delivery").inputs["uploads"]
        assert upload["content"] == Secret(f"{keys['primary']}\n{keys['secondary']}\n")
    assert not [made for made in engine.resources if made.name == "open-delivery"]
    shown = [(made.inputs, made.outputs) for made in engine.resources if not made.name.endswith("-delivery")]
    assert not [key for key in (KEY, OTHER, THIRD) if key in repr([shown, engine.exports])]
    asked = {name for name, seen in engine.exports["services"].items() if seen["authEnabled"]}
    assert asked == {"svc", "own"}
