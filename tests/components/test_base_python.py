"""The Python of a base image: what tells it, and what is said where packages would be locked for another."""

from typing import Any

import pulumi
import pytest

from components import base_python, image_config
from components.problems import Problem
from components.registry import StoredImage
from components.registry_login import Login
from tests.components.engine import FakeDaemon, Run
from tests.components.test_scoring_image import build

pytestmark = pytest.mark.usefixtures("project", "packages")

TITLE = "org.opencontainers.image.title"


@pytest.mark.parametrize("given", ["3.9", "3.10", "3.11", "3.11.7", "3.14"])
def test_versions(given: str) -> None:
    assert base_python.check_version(given) == given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("3.1", r"pythonVersion is '3.1': give the base image's Python, such as '3.11'. In YAML, put 3.10 into quotes"),
        ("3", r"pythonVersion is '3': give the base image's Python, such as '3.11'\.$"),
        ("3.x", r"pythonVersion is '3.x'"),
        ("2.7", r"pythonVersion is '2.7'"),
        (">=3.11", r"pythonVersion is '>=3.11'"),
        ("3.11-slim", r"pythonVersion is '3.11-slim'"),
    ],
)
def test_what_is_no_version(given: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        image_config.check({"execution_script": "score.py", "python_version": given})


@pytest.mark.parametrize(
    ("environment", "labels", "found"),
    [
        ({"PYTHON_VERSION": "3.12.4"}, {}, "3.12.4"),
        ({"PYTHON_VERSION": "3.14.0rc2"}, {}, "3.14.0"),
        ({"PYTHON_VERSION": "3.12.4"}, {TITLE: "Debian 12 with Python 3.11"}, "3.12.4"),
        ({}, {TITLE: "Debian 12 with Python 3.11"}, "3.11"),
        ({"PYTHON_VERSION": "conda"}, {TITLE: "Python images"}, ""),
        ({}, {}, ""),
    ],
)
def test_what_an_image_holds_tells_its_python(environment: Any, labels: Any, found: str) -> None:
    assert base_python.of_content(environment, labels)[0] == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("python:3.12-slim", "3.12"),
        ("python:3.12.4", "3.12.4"),
        ("docker.io/library/python:3.10-bookworm", "3.10"),
        ("mirror.example:5000/library/python:3.13", "3.13"),
        ("python", ""),
        ("python:3", ""),
        ("python:latest", ""),
        ("python:3.12@sha256:00", ""),
        ("mcr.example/devcontainers/python:3.0.1", ""),
        ("team/python:3.12", ""),
        ("mine:3.12", ""),
    ],
)
def test_the_tags_of_dockers_own_images_tell_their_python(name: str, found: str) -> None:
    assert base_python.of_name(name)[0] == found


def has(daemon: FakeDaemon, name: str, environment: dict[str, str], labels: dict[str, str] | None = None) -> None:
    daemon.images[name] = labels or {}
    daemon.environments[name] = environment


def test_what_the_daemon_has_counts_before_the_name(daemon: FakeDaemon) -> None:
    has(daemon, "python:3.12-slim", {"PYTHON_VERSION": "3.13.1"})
    assert base_python.find("python:3.12-slim", daemon, Login())[0] == "3.13.1"
    has(daemon, "python:3.12-slim", {})
    assert base_python.find("python:3.12-slim", daemon, Login())[0] == ""


class FakeRegistry:
    """A registry with one image, which `me` may ask for."""

    def __init__(self, address: str, login: Login | None) -> None:
        self.address, self.login = address, login

    def image(self, reference: str) -> StoredImage | None:
        if self.login != Login("me", "word"):
            raise Problem("the registry refuses")
        config = {"config": {"Env": ["PATH=/bin", "PYTHON_VERSION=3.13.2"]}}
        return StoredImage(reference, "", "", {}, config) if reference == f"{self.address}/base:1" else None

    def close(self) -> None: ...


def test_a_registry_is_asked_for_what_the_daemon_has_not(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.registry.Registry", FakeRegistry)
    assert base_python.find("r.example/base:1", daemon, Login("me", "word"))[0] == "3.13.2"
    assert base_python.find("r.example/base:2", daemon, Login("me", "word"))[0] == ""
    assert base_python.find("r.example/base:1", daemon, Login())[0] == "", "refused: then it is not known"


@pytest.mark.parametrize(
    ("base", "version", "said"),
    [
        (
            "own:1",
            "3.11",
            r"^myimage1: the base image 'own:1' has Python 3.12.4 \(by its variable PYTHON_VERSION\), but ",
        ),
        (
            "own:1",
            "3.13",
            r"but pythonVersion is 3.13, .* Set pythonVersion to '3.12', or give a baseImage with Python 3.13",
        ),
        (
            "python:3.10-slim",
            "",
            r"has Python 3.10 \(by its tag\), but pythonVersion is 3.11, .* pythonVersion to '3.10'",
        ),
        ("", "3.12", r"'python:3.11-slim' has Python 3.11 .* give a baseImage with Python 3.12\.$"),
    ],
)
def test_a_base_image_with_another_python_is_refused_before_anything_is_locked(
    preview: Run, daemon: FakeDaemon, packages: Any, base: str, version: str, said: str
) -> None:
    has(daemon, "own:1", {"PYTHON_VERSION": "3.12.4"})
    with pytest.raises(pulumi.RunError, match=said):
        preview(lambda: build({"base_image": base, "python_version": version}))
    assert packages.asked == []


@pytest.mark.parametrize(
    ("base", "version"),
    [("own:1", "3.12"), ("own:1", "3.12.9"), ("python:3.10", "3.10"), ("unknown:1", "3.13"), ("", "")],
)
def test_a_base_image_whose_python_agrees_or_is_not_known(
    preview: Run, daemon: FakeDaemon, packages: Any, base: str, version: str
) -> None:
    has(daemon, "own:1", {"PYTHON_VERSION": "3.12.4"})
    preview(lambda: build({"base_image": base, "python_version": version}))
    assert [asked["python_version"] for asked in packages.asked] == [version or "3.11"]
