"""The image configuration: checked before anything is built."""

from pathlib import Path
from typing import Any

import pytest

from components import image_config
from components.problems import Problem

pytestmark = pytest.mark.usefixtures("project")


def check(environ: dict[str, str] | None = None, **given: Any) -> image_config.ImageConfig:
    arguments: Any = {"execution_script": "score.py", **given}
    return image_config.check(arguments, environ or {})


def test_a_script_alone_is_a_configuration() -> None:
    config = check()
    assert (config.script, config.files, config.lock_file) == (Path("score.py"), (), Path("score.lock"))
    assert (config.base_image, config.python_version, config.platform) == ("python:3.11-slim", "3.11", "")
    assert config.needs.requirements == ()


@pytest.mark.parametrize(
    ("given", "environ", "base_image"),
    [
        ({}, {}, "python:3.11-slim"),
        ({}, {"MODEL_WEBSERVICE_BASE_IMAGE": "mine:1"}, "mine:1"),
        ({"base_image": ""}, {"MODEL_WEBSERVICE_BASE_IMAGE": "mine:1"}, "mine:1"),
        ({"base_image": "own@sha256:00"}, {"MODEL_WEBSERVICE_BASE_IMAGE": "mine:1"}, "own@sha256:00"),
    ],
)
def test_the_base_image_is_the_users_else_the_machines_else_the_default(
    given: dict[str, str], environ: dict[str, str], base_image: str
) -> None:
    assert check(environ, **given).base_image == base_image


@pytest.mark.parametrize(
    ("given", "lock_file"),
    [
        ({}, "score.lock"),
        ({"packages": ["numpy"]}, "score.lock"),
        ({"requirements_file": "requirements.txt"}, "requirements.lock"),
        ({"conda_file": "myenv.yml", "requirements_file": "requirements.txt"}, "myenv.lock"),
    ],
)
def test_the_lock_lies_beside_what_it_is_made_from(given: dict[str, Any], lock_file: str) -> None:
    Path("requirements.txt").write_text("scipy\n")
    assert check(**given).lock_file == Path(lock_file)


def test_all_sources_of_dependencies_count() -> None:
    Path("requirements.txt").write_text("scipy\n")
    config = check(conda_file="myenv.yml", requirements_file="requirements.txt", packages=["pandas>=2"])
    assert config.needs.requirements == ("numpy", "scipy", "pandas>=2")


def test_a_sample_input_beside_the_script_goes_with_it() -> None:
    Path("sample_input.json").write_text("{}")
    assert check().files == (Path("sample_input.json"),)
    Path("other").mkdir()
    Path("other/sample_input.json").write_text("{}")
    assert check(dependencies=["other/sample_input.json"]).files == (Path("other/sample_input.json"),)


def test_files_lie_beside_the_script() -> None:
    Path("lib/inner").mkdir(parents=True)
    sources = check(dependencies=["lib/inner", "myenv.yml"]).layer_sources("/var/azureml-app")
    assert sources == {
        "var/azureml-app/score.py": Path("score.py"),
        "var/azureml-app/inner": Path("lib/inner"),
        "var/azureml-app/myenv.yml": Path("myenv.yml"),
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"execution_script": "none.py"}, r"the entry script 'none.py' does not exist"),
        ({"execution_script": "empty.py"}, r"'empty.py' does not define init\(\) and run\(\)"),
        (
            {"runtime": "spark-py"},
            r"the runtime 'spark-py' is not supported, as PySpark needs .*: give 'python', or leave it out",
        ),
        ({"dependencies": ["none"]}, r"'none', named in dependencies, does not exist: correct or drop it"),
        ({"dependencies": ["lib/score.py"]}, r"'score.py' and 'lib/score.py' both become 'score.py'.*: rename one"),
        ({"conda_file": "none.yml"}, r"none.yml"),
        ({"conda_file": "broken.yml"}, r"broken.yml"),
        ({"conda_file": "r.yml"}, r"r-base"),
        ({"conda_file": "old.yml"}, r"3\.6"),
        ({"packages": ["not a requirement!"]}, r"packages, number 1"),
    ],
)
def test_a_bad_configuration_is_refused(given: dict[str, Any], said: str) -> None:
    Path("empty.py").write_text("")
    Path("lib").mkdir()
    Path("lib/score.py").write_text("")
    Path("broken.yml").write_text("dependencies: [numpy\n")
    Path("r.yml").write_text("dependencies:\n  - r-base\n")
    Path("old.yml").write_text("dependencies:\n  - python=3.6\n")
    with pytest.raises(Problem, match=said):
        check(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"runtime": "python-slim"}, r"'python-slim' is not supported, as every image here is made from a slim base"),
        ({"runtime": "r"}, r"the runtime 'r' is not supported: give 'python'"),
        (
            {"cuda_version": "9.0"},
            r"imageConfig.cuda_version is given, which is not supported: CUDA comes with baseImage",
        ),
        ({"docker_file": "steps"}, r"dockerFile 'steps' line 1: USER is not allowed"),
        ({"schema_file": "score.py"}, r"schemaFile 'score.py' is not JSON"),
        ({"schema_file": "s.json", "dependencies": ["swagger2.json"]}, r"both become 'swagger2.json'"),
        ({"train_serve_check": "off"}, r"trainServeCheck is 'off': give 'error' or 'warning'"),
        ({"base_image_registry": {"address": "r.example"}}, r"baseImageRegistry is given without baseImage"),
        (
            {"base_image": "x", "base_image_registry": {"username": "me"}},
            r"baseImageRegistry.username is given without",
        ),
    ],
)
def test_what_azure_ml_takes_and_this_does_not(given: dict[str, Any], said: str) -> None:
    Path("steps").write_text("USER root\n")
    Path("s.json").write_text('{"swagger": "2.0"}')
    Path("swagger2.json").write_text("{}")
    with pytest.raises(Problem, match=said):
        check(**given)


def test_a_schema_lies_where_the_server_looks_for_it() -> None:
    Path("s.json").write_text('{"swagger": "2.0"}')
    sources = check(schema_file="s.json").layer_sources("/var/azureml-app")
    assert sources["var/azureml-app/swagger2.json"] == Path("s.json")


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({"base_image": "python:3.11"}, "python:3.11"),
        ({"base_image": "python:3.11", "base_image_registry": {"address": "r.example/b"}}, "r.example/b/python:3.11"),
        ({"base_image": "r.example/x:1", "base_image_registry": {"address": "r.example"}}, "r.example/x:1"),
    ],
)
def test_the_base_image_is_named_in_its_registry(given: dict[str, Any], base: str) -> None:
    assert check(**given).base_image == base
