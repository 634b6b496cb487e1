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
