"""Settings: the mapping that the engine gives, read by what `Pulumi.yaml` declares, and what is said of a bad one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.access_settings import SECRET_KEYS
from components.image_config import ImageConfigArgs
from components.model_artifact import ModelArtifactArgs
from components.names import camel
from components.problems import Problem
from components.registry_settings import SECRET_KEYS as REGISTRY_SECRETS
from components.registry_settings import RegistrySettings
from components.settings import SERVICE_KEYS, STYLES, Settings

ROOT = Path(__file__).parents[2]
DECLARED: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
STACKS = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))


def as_text(value: Any) -> str:
    """Return a value of the configuration as the engine passes it."""
    return value if isinstance(value, str) else json.dumps(value)


def settings(*, secret: tuple[str, ...] = (), others: dict[str, str] | None = None, **given: Any) -> Settings:
    """Return the settings of a stack that sets the `given` keys."""
    values = {key: declaration["default"] for key, declaration in DECLARED.items()} | given
    config = {f"model-webservice:{key}": as_text(value) for key, value in values.items()}
    return Settings.from_config(
        {**config, **(others or {})},
        list(DECLARED),
        "model-webservice",
        [f"model-webservice:{key}" for key in secret],
    )


def service(**given: Any) -> dict[str, Any]:
    return {"name": "aci-mnist-1", "style": "modelFile", **given}


def test_the_defaults_are_three_services_of_each_style_once() -> None:
    assert [(entry.name, entry.style) for entry in settings().services] == [
        ("aci-mnist-1", "modelFile"),
        ("aci-mnist-2", "registeredModel"),
        ("aci-mnist-3", "image"),
    ]


def test_every_declared_key_has_a_type_a_description_and_a_default() -> None:
    assert [key for key, said in DECLARED.items() if not {"type", "description", "default"} <= said.keys()] == []


def test_the_description_of_the_services_names_all_their_keys_and_no_others() -> None:
    words = re.findall(r"\w+", DECLARED["services"]["description"])
    assert [key for key in SERVICE_KEYS if key not in words] == []
    assert {word for word in words if re.search(r"[a-z][A-Z]", word)} <= {*SERVICE_KEYS, *STYLES}


def test_the_keys_that_the_description_calls_the_stacks_are_the_stacks() -> None:
    listed = DECLARED["services"]["description"].partition("differs from the stack's, ")[2]
    assert [key for key in SERVICE_KEYS if key in re.findall(r"\w+", listed) and key not in DECLARED] == []
    own = {"name", "style", "port", "environment", "dnsNameLabel", "versions"}
    assert {key for key in SERVICE_KEYS if key not in re.findall(r"\w+", listed)} == own


ELSEWHERE = {
    "base_image_registry": "baseImageUsername, baseImagePassword",
    "keep_locally": "keepModels",
    "platform": "the daemon's",
    "requirements_file": "condaFile",
    "packages": "condaFile",
}
"""Arguments that a stack sets otherwise."""


@pytest.mark.parametrize(
    ("arguments", "prefix"), [(ModelArtifactArgs, "model"), (ImageConfigArgs, "image")], ids=["model", "image"]
)
def test_every_argument_of_a_model_and_an_image_has_a_key(arguments: type, prefix: str) -> None:
    of_services = {"tags", "properties", "description"}
    given = [camel(f"{prefix}_{name}") if name in of_services else camel(name) for name in arguments.__annotations__]
    given = ["modelChildPaths" if key == "childPaths" else key for key in given]
    assert [key for key in given if key not in DECLARED] == [
        camel(name) for name in arguments.__annotations__ if name in ELSEWHERE
    ]


def test_what_a_models_service_needs_is_read_by_its_names_in_python() -> None:
    seen = settings(resourceConfiguration={"cpu": 0.5, "memoryInGb": "2", "gpu": 1.0}).resources
    assert seen == {"cpu": 0.5, "memory_in_gb": 2, "gpu": 1}
    assert settings().resources == {}


def test_every_value_arrives_in_its_kind() -> None:
    seen = settings(
        modelPath="model.bin",
        modelTags={"area": "mnist", "year": 2026, "old": False},
        keepModels=True,
        dependencies=["a.py", "b"],
        waitTimeout=60,
        stopGraceSeconds="5",
        bindAddress="0.0.0.0",
        dockerHost="ssh://box",
    )
    assert seen.model_path == "model.bin"
    assert seen.model_tags == {"area": "mnist", "year": "2026", "old": "false"}
    assert seen.keep_models is True
    assert seen.dependencies == ["a.py", "b"]
    assert (seen.wait_timeout, seen.stop_grace_seconds) == (60, 5)
    assert (seen.bind_address, seen.docker_host) == ("0.0.0.0", "ssh://box")


def test_what_a_service_does_not_say_is_the_stacks() -> None:
    own = service(
        name="own", port=8080, cpuCores=2, memoryGb="4", tags={"b": "2"}, description="mine", executionScript="own.py"
    )
    common, mine = settings(
        services=[service(), own], cpuCores="0.5", memoryGb="0.25", tags={"a": "1"}, description="ours"
    ).services
    assert (common.port, common.cpu_cores, common.memory_gb) == (0, 0.5, 0.25)
    assert (common.tags, common.description) == ({"a": "1"}, "ours")
    assert common.execution_script == DECLARED["executionScript"]["default"]
    assert (mine.port, mine.cpu_cores, mine.memory_gb) == (8080, 2, 4)
    assert (mine.tags, mine.description, mine.execution_script) == ({"b": "2"}, "mine", "own.py")


def test_an_environment_is_a_secret_when_the_services_are() -> None:
    services = [service(environment={"TOKEN": "t", "N": 1})]
    plain, hidden = (
        settings(services=services).services[0],
        settings(services=services, secret=("services",)).services[0],
    )
    assert plain.environment == hidden.environment == {"TOKEN": "t", "N": "1"}
    assert (plain.environment_is_secret, hidden.environment_is_secret) == (False, True)


def test_keys_of_other_namespaces_are_not_the_projects() -> None:
    assert settings(others={"docker:context": "x", "pulumi:tags": "y", "other:dockerHost": "z"}) == settings()


@pytest.mark.parametrize(
    ("own", "providers", "host"),
    [("", "ssh://box", "ssh://box"), ("ssh://box", "", "ssh://box"), ("ssh://box", "ssh://box", "ssh://box")],
)
def test_the_daemon_of_the_docker_provider_is_the_stacks(own: str, providers: str, host: str) -> None:
    assert settings(dockerHost=own, others={"docker:host": providers}).docker_host == host


def test_two_daemons_are_refused_with_what_to_drop() -> None:
    said = r"dockerHost is 'ssh://box' and docker:host is 'tcp://other': .* Drop one .* pulumi config rm docker:host"
    with pytest.raises(Problem, match=said):
        settings(dockerHost="ssh://box", others={"docker:host": "tcp://other"})


def test_a_secret_daemon_of_the_docker_provider_is_refused() -> None:
    config = {f"model-webservice:{key}": as_text(declaration["default"]) for key, declaration in DECLARED.items()}
    with pytest.raises(Problem, match=r"^docker:host is set as a secret, but .* Set it without --secret") as error:
        Settings.from_config({**config, "docker:host": "s3cret"}, list(DECLARED), "model-webservice", ["docker:host"])
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cpuCore": 1}, r"unknown configuration key 'cpuCore'\. Did you mean 'cpuCores'\? Allowed: authEnabled, base"),
        ({"xyzzy": 1}, r"unknown configuration key 'xyzzy'\. Allowed: "),
        ({"services": [service(cpu_cores=1)]}, r"unknown key in services\[0\] 'cpu_cores'\. Did you mean 'cpuCores'\?"),
        ({"services": "aci"}, r"services is 'aci': give a list of services, each with name and style"),
        ({"services": {"name": "aci"}}, r"services is .*: give a list of services"),
        ({"services": ["aci"]}, r"services\[0\] is a text: give a mapping with name and style"),
        (
            {"services": [service(), service(style="file")]},
            r"services\[1\].style is 'file': give one of modelF",
        ),
        ({"services": [{"name": "aci-mnist-1"}]}, r"services\[0\].style is None: give one of modelFile"),
        ({"services": [service(style={})]}, r"services\[0\].style is {}: give one of modelFile"),
        ({"services": [service(name="Aci")]}, r"the service name 'Aci' is not allowed: 3 to 32"),
        ({"services": [{"style": "image"}]}, r"the service name '' is not allowed: 3 to 32"),
        ({"services": [service(), service()]}, r"two services are named 'aci-mnist-1': rename one"),
        (
            {"services": [service(port=8080), service(name="other"), service(name="third", port=8080)]},
            r"the services 'aci-mnist-1' and 'third' have the same port, 8080: give one of them another, or 0 to let D",
        ),
        ({"services": [service(port="x")]}, r"services\[0\].port is 'x': give a number"),
        ({"services": [service(port=80.5)]}, r"services\[0\].port is 80.5: give a whole number"),
        ({"services": [service(cpuCores=True)]}, r"services\[0\].cpuCores is True: give a number"),
        ({"services": [service(memoryGb=[])]}, r"services\[0\].memoryGb is \[\]: give a number"),
        ({"services": [service(tags=["a"])]}, r"services\[0\].tags is a list: give a mapping of names to texts"),
        ({"services": [service(tags={"a": {}})]}, r"services\[0\].tags.a is a mapping: give a text"),
        ({"services": [service(environment="x")]}, r"services\[0\].environment is a text: give a mapping"),
        (
            {"services": [service(style="image", executionScript="x.py")]},
            r"services\[0\].executionScript is given with the style image, whose script is the image's: drop it",
        ),
        ({"cpuCores": "half"}, r"cpuCores is 'half': give a number"),
        ({"memoryGb": "nan"}, r"memoryGb is 'nan': give a number"),
        ({"waitTimeout": "inf"}, r"waitTimeout is 'inf': give a number"),
        ({"stopGraceSeconds": 1.5}, r"stopGraceSeconds is '1.5': give a whole number"),
        ({"keepModels": "yes"}, r"keepModels is 'yes': give true or false"),
        ({"modelTags": "a"}, r"modelTags is 'a': give a mapping of names to texts"),
        ({"tags": {"a": ["b"]}}, r"tags.a is a list: give a text"),
        ({"dependencies": "a.py"}, r"dependencies is 'a.py': give a list of paths"),
        ({"modelPaths": "a.pkl"}, r"modelPaths is 'a.pkl': give a list of paths"),
        ({"datasets": ["a"]}, r"datasets is .*: give a mapping of names to texts"),
        (
            {"resourceConfiguration": 1},
            r"resourceConfiguration is '1': give a mapping of cpu, memoryInGb, gpu to numbers",
        ),
        ({"resourceConfiguration": {"cpus": 1}}, r"unknown key in resourceConfiguration 'cpus'\. Did you mean 'cpu'\?"),
        ({"resourceConfiguration": {"memory_in_gb": 1}}, r"'memory_in_gb'\. .* Allowed: cpu, gpu, memoryInGb"),
        ({"resourceConfiguration": {"cpu": "a"}}, r"resourceConfiguration.cpu is 'a': give a number"),
        ({"resourceConfiguration": {"gpu": 0.5}}, r"resourceConfiguration.gpu is 0.5: give a whole number"),
    ],
)
def test_a_bad_setting_is_refused_with_what_is_allowed(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said):
        settings(**given)


@pytest.mark.parametrize("key", sorted(set(DECLARED) - {"services", *SECRET_KEYS, *REGISTRY_SECRETS}))
def test_a_secret_that_would_not_stay_one_is_refused_without_its_value(key: str) -> None:
    with pytest.raises(Problem, match=rf"^{key} is set as a secret, but .* Set it without --secret") as error:
        settings(secret=(key,), **{key: "s3cret"})
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "services",
    [
        "s3cret",
        ["s3cret"],
        [["s3cret"]],
        [service(environment="s3cret")],
        [service(environment={"TOKEN": ["s3cret"]})],
        [service(environment={"TOKEN": "s3cret"}, port="x")],
        [service(environment={"TOKEN": "s3cret"}, extra=1)],
    ],
)
def test_no_error_shows_a_secret(services: Any) -> None:
    with pytest.raises(Problem) as error:
        settings(services=services, secret=("services",))
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_every_stacks_file_is_read(path: Path) -> None:
    own = yaml.safe_load(path.read_text())["config"]
    assert settings(**{key.partition(":")[2]: value for key, value in own.items()}).services


def test_there_are_three_environments() -> None:
    assert {path.stem for path in STACKS} >= {"Pulumi.dev", "Pulumi.staging", "Pulumi.prod"}


def test_a_registrys_login_is_read_and_its_password_must_be_a_secret() -> None:
    given = {"registry": "r.example/team", "registryUsername": "me", "registryPassword": "secret-word"}
    assert settings(secret=("registryPassword",), **given).registry == RegistrySettings(
        "r.example/team", "me", "secret-word"
    )
    with pytest.raises(Problem, match=r"registryPassword is set in plain text: .*--secret registryPassword") as error:
        settings(**given)
    assert "secret-word" not in str(error.value)
    base = settings(secret=("baseImagePassword",), baseImageUsername="me", baseImagePassword="p").base_image_registry
    assert base == RegistrySettings("", "me", "p")
    assert "secret-word" not in repr(settings(secret=("registryPassword",), **given))


def test_ports_that_docker_chooses_are_never_the_same() -> None:
    assert [entry.port for entry in settings(services=[service(), service(name="other", port=0)]).services] == [0, 0]


def test_a_service_whose_limits_are_empty_leaves_them_to_its_model() -> None:
    seen = settings(cpuCores="", memoryGb="", services=[service(), service(name="other", cpuCores=2)]).services
    assert [(entry.cpu_cores, entry.memory_gb) for entry in seen] == [(None, None), (2.0, None)]
