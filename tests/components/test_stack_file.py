"""What is known of a stack by its files alone."""

from pathlib import Path

import pytest

from components.problems import Problem
from components.stack_file import StackFile

PROJECT = """\
name: model-webservice
stackConfigDir: stacks
config:
  services:
    type: array
    default:
      - {name: one, style: modelFile, executionScript: one.py}
      - {name: two, style: registeredModel}
      - {name: three, style: image}
  modelPath: {type: string, default: sample.pkl}
  executionScript: {type: string, default: score.py}
  imageReference: {type: string, default: ""}
  dockerHost: {type: string, default: ""}
  zeroDowntime: {type: boolean, default: false}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "stacks").mkdir()
    return tmp_path


def stack(project: Path, text: str) -> StackFile:
    (project / "stacks" / "Pulumi.trial.yaml").write_text(text)
    return StackFile(project, "trial")


def test_a_stack_says_what_differs_from_the_project(project: Path) -> None:
    file = stack(project, "config:\n  model-webservice:modelPath: own.pkl\n  executionScript: own.py\n")
    assert (file.text("modelPath"), file.text("executionScript"), file.text("imageReference")) == (
        "own.pkl",
        "own.py",
        "",
    )
    assert StackFile(project, "none").text("modelPath") == "sample.pkl"
    assert file.value("absent") is None


def test_a_stack_of_an_organisation_has_the_same_file(project: Path) -> None:
    assert StackFile(project, "org/model-webservice/trial").path == project / "stacks" / "Pulumi.trial.yaml"


def test_a_secret_is_no_text(project: Path) -> None:
    assert stack(project, "config:\n  model-webservice:modelPath: {secure: AAA}\n").text("modelPath") == ""


@pytest.mark.parametrize(
    ("text", "host", "source"),
    [
        ("", "", ""),
        ("config:\n  model-webservice:dockerHost: ssh://far\n", "ssh://far", "dockerHost in stacks/Pulumi.trial.yaml"),
        ("config:\n  docker:host: tcp://far\n", "tcp://far", "docker:host in stacks/Pulumi.trial.yaml"),
        (
            "config:\n  docker:host: tcp://far\n  model-webservice:dockerHost: ssh://far\n",
            "ssh://far",
            "dockerHost in stacks/Pulumi.trial.yaml",
        ),
    ],
)
def test_the_daemon_that_a_stack_names(project: Path, text: str, host: str, source: str) -> None:
    file = stack(project, text)
    assert file.docker_host == host
    assert not source or file.docker_host_source == f"the setting {source}"


def test_the_daemon_that_the_project_names(project: Path) -> None:
    (project / "Pulumi.yaml").write_text(PROJECT + "  docker:host: {value: ssh://all}\n")
    file = stack(project, "")
    assert (file.docker_host, file.docker_host_source) == ("ssh://all", "the setting docker:host in Pulumi.yaml")


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("config:\n  model-webservice:zeroDowntime: true\n", True),
        ('config:\n  model-webservice:zeroDowntime: "true"\n', True),
        ("config:\n  model-webservice:services:\n    - name: a\n    - name: b\n      zeroDowntime: true\n", True),
        ("config:\n  model-webservice:services:\n    - name: a\n", False),
        ("config:\n  model-webservice:zeroDowntime: false\n", False),
        ("encryptionsalt: x\n", False),
        ("config:\n  model-webservice:services: [odd]\n", False),
        ("config: odd\n", False),
        ("[", False),
        ("\x00", False),
    ],
)
def test_a_stack_that_wants_a_gateway(project: Path, text: str, has: bool) -> None:
    assert stack(project, text).has_gateway is has
    assert not StackFile(project, "none").has_gateway


def test_the_scripts_of_the_projects_own_services(project: Path) -> None:
    file = stack(project, "")
    scripts = {name: list(file.scripts_of(name)) for name in ("one", "two", "three", "four")}
    assert scripts == {"one": ["one.py"], "two": ["score.py"], "three": ["score.py"], "four": []}


def test_the_scripts_of_a_stacks_services(project: Path) -> None:
    text = """\
config:
  model-webservice:executionScript: own.py
  model-webservice:imageReference: there:1
  model-webservice:services:
    - {name: one, style: image}
    - {name: two, style: registeredModel}
    - name: three
      style: image
      versions: [{name: blue, executionScript: blue.py}, {name: green, image: there:2}]
"""
    file = stack(project, text)
    scripts = {name: list(file.scripts_of(name)) for name in ("one", "two", "three")}
    assert scripts == {"one": [], "two": ["own.py"], "three": ["blue.py", ""]}


def test_a_stack_with_a_file_exists(project: Path) -> None:
    stack(project, "").check_exists()


@pytest.mark.parametrize(("name", "hint"), [("trail", r" Did you mean 'trial'\?"), ("qa", "")])
def test_a_stack_without_a_file_is_refused_with_those_that_there_are(project: Path, name: str, hint: str) -> None:
    stack(project, "")
    (project / "stacks" / "Pulumi.dev.yaml").touch()
    said = rf"^there is no stack '{name}', as there is no stacks/Pulumi\.{name}\.yaml; there are dev, trial\.{hint} To"
    with pytest.raises(Problem, match=said):
        StackFile(project, name).check_exists()
