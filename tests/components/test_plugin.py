"""The components as a plugin: its schema, how it tells mistakes, and a consumer's program by the real engine."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pulumi.provider.server import ComponentInitError

from components import __main__ as plugin
from components import reporting
from tests.components.engine import CONTAINER, CONTAINER_WEBSERVICE, IMAGE, REMOTE_IMAGE, Engine, FakeDaemon, Run
from toolchain.state import file_address

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "components"
LAUNCHER = "pulumi-resource-model-webservice"


@pytest.fixture(scope="module")
def provider() -> plugin.Provider:
    return plugin.Provider(plugin.COMPONENTS, plugin.NAME)


@pytest.fixture(scope="module")
def schema(provider: plugin.Provider) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(provider.schema or "")
    return read


def properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every input, output and field of the schema, by a name that says where it is."""
    found = {}
    for token, said in {**schema["resources"], **schema["types"]}.items():
        for kind in ("inputProperties", "properties"):
            found |= {f"{token} {kind} {name}": said for name, said in said.get(kind, {}).items()}
    return found


def test_the_schema_has_three_components_and_their_types(schema: dict[str, Any]) -> None:
    assert schema["name"] == "model-webservice"
    assert set(schema["resources"]) == {
        "model-webservice:index:ModelArtifact",
        "model-webservice:index:ScoringImage",
        "model-webservice:index:ContainerWebservice",
    }
    assert set(schema["types"]) == {
        "model-webservice:index:ImageConfigArgs",
        "model-webservice:index:RegistryArgs",
        "model-webservice:index:ResourceConfigurationArgs",
        "model-webservice:index:VersionArgs",
    }
    assert all(said["isComponent"] for said in schema["resources"].values())


def test_everything_in_the_schema_is_described(schema: dict[str, Any]) -> None:
    for token, said in {**schema["resources"], **schema["types"]}.items():
        assert said.get("description"), token
    assert [name for name, said in properties(schema).items() if not said.get("description")] == []


def test_names_are_camel_case(schema: dict[str, Any]) -> None:
    assert [name for name in properties(schema) if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name.split()[-1])] == []


@pytest.mark.parametrize(
    ("component", "inputs", "outputs"),
    [
        ("ModelArtifact", ["modelPath"], ["imageId", "modelName", "modelVersion", "reference", "sha256"]),
        ("ScoringImage", ["imageConfig"], ["imageId", "imageName", "reference"]),
        (
            "ContainerWebservice",
            [],
            [
                "address",
                "containerId",
                "image",
                "imageId",
                "models",
                "scoringUri",
                "serviceName",
                "state",
                "swaggerUri",
            ],
        ),
    ],
)
def test_what_must_be_given_and_what_always_comes(
    schema: dict[str, Any], component: str, inputs: list[str], outputs: list[str]
) -> None:
    said = schema["resources"][f"model-webservice:index:{component}"]
    assert said.get("requiredInputs", []) == inputs
    assert sorted(said["required"]) == sorted(said["properties"]) == outputs


def test_an_image_configuration_needs_its_script_alone(schema: dict[str, Any]) -> None:
    assert schema["types"]["model-webservice:index:ImageConfigArgs"]["required"] == ["executionScript"]


def test_references_and_the_environment_may_be_outputs(schema: dict[str, Any]) -> None:
    outputs = {name for name, said in properties(schema).items() if "inputProperties" in name and not said.get("plain")}
    assert {name.partition("index:")[2] for name in outputs} == {
        "ScoringImage inputProperties models",
        "ContainerWebservice inputProperties models",
        "ContainerWebservice inputProperties image",
        "ContainerWebservice inputProperties environment",
        "ContainerWebservice inputProperties primaryKey",
        "ContainerWebservice inputProperties secondaryKey",
    }


def test_keys_are_secrets_in_every_language(schema: dict[str, Any]) -> None:
    assert {name.partition("index:")[2] for name, said in properties(schema).items() if said.get("secret")} == {
        "ContainerWebservice inputProperties primaryKey",
        "ContainerWebservice inputProperties secondaryKey",
    }


@pytest.mark.parametrize(
    ("name", "type_"),
    [("port", "integer"), ("waitTimeout", "integer"), ("cpuCores", "number"), ("keepLocally", "boolean")],
)
def test_inputs_have_their_types(schema: dict[str, Any], name: str, type_: str) -> None:
    assert schema["resources"][CONTAINER_WEBSERVICE]["inputProperties"][name]["type"] == type_


@pytest.mark.usefixtures("project", "packages")
def test_inputs_of_another_language_make_the_same_graph(up: Run, provider: plugin.Provider) -> None:
    inputs: dict[str, Any] = {
        "modelPaths": ["model.bin"],
        "imageConfig": {"executionScript": "score.py", "condaFile": "myenv.yml", "tags": {"a": "1"}},
        "cpuCores": 1.0,
        "stopGraceSeconds": 5.0,
        "port": 0.0,
    }
    states = []
    engine = up(lambda: states.append(provider.construct("svc", CONTAINER_WEBSERVICE, inputs).state))
    assert {made.type for made in engine.resources} >= {CONTAINER, IMAGE, REMOTE_IMAGE}
    assert (engine.find(CONTAINER).inputs["cpus"], engine.find(CONTAINER).inputs["stopTimeout"]) == ("1.0", 5)
    assert sorted(states[0]) == [
        "address",
        "containerId",
        "image",
        "imageId",
        "models",
        "scoringUri",
        "serviceName",
        "state",
        "swaggerUri",
    ]


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch) -> plugin.Provider:
    """The provider as the plugin serves it."""
    served: list[plugin.Provider] = []
    monkeypatch.setattr(reporting, "error_of", reporting.error_of)
    monkeypatch.setattr(plugin, "main", lambda provider, args: served.append(provider))
    plugin.serve()
    return served[0]


def test_a_mistake_in_a_plugin_is_told_by_its_message(daemon: FakeDaemon, hosted: plugin.Provider) -> None:
    with pytest.raises(pulumi.InputPropertiesError, match=r"^Svc: the service name 'Svc' is not allowed") as error:
        Engine(daemon).run(lambda: hosted.construct("Svc", CONTAINER_WEBSERVICE, {"image": "i:1"}))
    assert error.value.errors == []


@pytest.mark.usefixtures("project", "packages")
def test_a_mistake_that_shows_later_is_told_by_its_message(daemon: FakeDaemon, hosted: plugin.Provider) -> None:
    inputs: dict[str, Any] = {"models": ["none:1"], "imageConfig": {"executionScript": "score.py"}}
    with pytest.raises(pulumi.InputPropertiesError, match=r"^svc-image: no model 'none:1' is registered"):
        Engine(daemon).run(lambda: hosted.construct("svc", CONTAINER_WEBSERVICE, inputs))


def test_another_error_keeps_its_traceback(hosted: plugin.Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.service_config.check", lambda name, args, stack: 1 / 0)
    daemon = FakeDaemon()
    with pytest.raises(ComponentInitError) as error:
        Engine(daemon).run(lambda: hosted.construct("svc", CONTAINER_WEBSERVICE, {"image": "i:1"}))
    assert isinstance(error.value.inner, ZeroDivisionError)


def test_the_plugins_requirements_are_the_projects() -> None:
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    required = [line for line in lines if not line.startswith("#")]
    of_project = (ROOT / "pyproject.toml").read_text()
    assert [line for line in required if f'"{line}"' not in of_project] == []


def test_the_plugins_requirements_are_all_that_it_imports() -> None:
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    required = {canonicalize_name(Requirement(line).name) for line in lines if not line.startswith("#")}
    imported = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    distributions = packages_distributions()
    foreign = imported - set(sys.stdlib_module_names) - {"components"}
    assert {canonicalize_name(distributions[name][0]) for name in foreign} == required


def test_the_folder_is_a_python_plugin_with_an_environment_of_its_own() -> None:
    said = yaml.safe_load((FOLDER / "PulumiPlugin.yaml").read_text())
    assert said == {"runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": "venv"}}}
    assert os.access(FOLDER / LAUNCHER, os.X_OK)


CONSUMER = """
import json
import pulumi


class Remote(pulumi.ComponentResource):
    def __init__(self, name, inputs):
        outputs = dict.fromkeys(["serviceName", "image", "imageId", "scoringUri"])
        super().__init__("model-webservice:index:ContainerWebservice", name, {**outputs, **inputs}, remote=True)


given = json.load(open("service.json"))
environment = {"TOKEN": pulumi.Output.secret("s3cret")}
made = Remote(given["name"], {**given["inputs"], "environment": environment})
pulumi.export("serviceName", made.serviceName)
pulumi.export("scoringUri", made.scoringUri)
"""


class Consumer:
    """A program of its own, in a folder of its own, that uses the plugin."""

    def __init__(self, folder: Path, plugin_folder: Path) -> None:
        self.folder = folder
        self.launcher = plugin_folder / LAUNCHER
        (folder / "state").mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text(
            "name: consumer\nruntime: python\nplugins:\n  providers:\n"
            f"    - name: model-webservice\n      path: {plugin_folder}\n"
        )
        (folder / "__main__.py").write_text(CONSUMER)
        (folder / "score.py").write_text("init = run = print\n")
        assert self.pulumi("stack", "init", "dev").returncode == 0

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": file_address(self.folder / "state"),
            "PULUMI_CONFIG_PASSPHRASE": "of the tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        return subprocess.run(
            ["pulumi", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )

    def preview(self, name: str, *arguments: str, **inputs: Any) -> subprocess.CompletedProcess[str]:
        (self.folder / "service.json").write_text(json.dumps({"name": name, "inputs": inputs}))
        return self.pulumi("preview", "--non-interactive", "--color", "never", *arguments)


@pytest.fixture(scope="module")
def consumer(tmp_path_factory: pytest.TempPathFactory) -> Consumer:
    """A consumer of the plugin as a checkout elsewhere has it."""
    folder = tmp_path_factory.mktemp("plugin")
    ours = shutil.ignore_patterns("__pycache__", "venv", "lib", "lib64", "bin", "include", "pyvenv.cfg")
    shutil.copytree(FOLDER, folder / "components", ignore=ours)
    shutil.copytree(ROOT / "scoring" / "server", folder / "scoring" / "server", ignore=ours)
    return Consumer(folder / "consumer", folder / "components")


@pytest.mark.e2e
@pytest.mark.beside
class TestRealEngine:
    """The plugin by the real engine, from its consumer's working directory."""

    def test_the_engine_reads_the_schema(self, consumer: Consumer, schema: dict[str, Any]) -> None:
        done = consumer.pulumi("package", "get-schema", str(consumer.launcher))
        assert done.returncode == 0, done.stderr
        read = json.loads(done.stdout)
        assert read["resources"].keys() == schema["resources"].keys()
        service = read["resources"][CONTAINER_WEBSERVICE]
        assert service["inputProperties"].keys() == schema["resources"][CONTAINER_WEBSERVICE]["inputProperties"].keys()

    def test_a_consumer_previews_a_service_from_an_image(self, consumer: Consumer, base_image: str) -> None:
        done = consumer.preview("consumer-svc", "--json", image=base_image, cpuCores=0.5, stopGraceSeconds=5)
        assert done.returncode == 0, done.stdout + done.stderr
        steps = {step["urn"].split("::")[-1]: step for step in json.loads(done.stdout)["steps"]}
        assert {name: step["op"] for name, step in steps.items() if name.startswith("consumer-svc")} == {
            "consumer-svc": "create",
            "consumer-svc-container": "create",
        }
        container = steps["consumer-svc-container"]["newState"]
        assert container["parent"].endswith("ContainerWebservice::consumer-svc")
        inputs = container["inputs"]
        assert inputs["image"].startswith("sha256:")
        assert (inputs["name"], inputs["cpus"], inputs["stopTimeout"]) == ("consumer-svc", "0.5", 5)
        assert inputs["envs"] == "[secret]"
        assert "s3cret" not in done.stdout + done.stderr

    @pytest.mark.parametrize(
        ("name", "inputs", "said"),
        [
            ("Svc", {"image": "i:1"}, "Svc: the service name 'Svc' is not allowed: 3 to 32"),
            ("svc", {"image": "i:1", "models": ["m:1"]}, "svc: models, image are given, one is allowed: keep models"),
            (
                "svc",
                {"models": ["none:1"], "imageConfig": {"executionScript": "score.py"}},
                "svc-image: no model 'none:1' is registered",
            ),
        ],
    )
    def test_a_mistake_is_told_by_its_message_alone(
        self, consumer: Consumer, name: str, inputs: dict[str, Any], said: str
    ) -> None:
        done = consumer.preview(name, **inputs)
        assert done.returncode != 0
        problem = re.search(r"resource '\w+' has a problem: (.*)\n(.*)", done.stdout + done.stderr)
        assert problem is not None, done.stdout + done.stderr
        assert re.search(said, problem[1])
        assert "File " not in problem[2]
        assert str(consumer.launcher.parent) not in done.stdout + done.stderr
