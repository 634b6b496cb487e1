"""Fixtures of the end-to-end tests: the daemon, and a stack with three services that is gone afterwards."""

import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from components.image_config import BASE_IMAGE, BASE_IMAGE_VARIABLE
from tests.e2e.own_daemon import copy_images, own_daemon
from tests.e2e.project import Project, check_out

NAMES = ("e2e-mnist-1", "e2e-mnist-2", "e2e-mnist-3")

RECORDING = {"SCORING_LOG_FORMAT": "json", "SCORING_REQUEST_LOG_RATE": "1"}


def settings(**others: object) -> dict[str, object]:
    """Return the settings of the three services, under names that no other stack has."""
    return {
        "services": [
            {"name": NAMES[0], "style": "modelFile", "executionScript": "scoring/mnist/score_file.py"},
            {"name": NAMES[1], "style": "registeredModel"},
            {"name": NAMES[2], "style": "image", "environment": RECORDING},
        ],
        "modelName": "e2e_mnist",
        "imageName": "e2e-myimage1",
        "executionScript": "scoring/mnist/score_e2e.py",
        # Trained again by these tests, whose Python need not be the image's.
        "trainServeCheck": "warning",
        **others,
    }


def write_script(checkout: Path) -> None:
    """Write the sample's script for the model's name in these tests."""
    text = (checkout / "scoring/mnist/score.py").read_text()
    (checkout / "scoring/mnist/score_e2e.py").write_text(text.replace('"sklearn_mnist"', '"e2e_mnist"'))


@pytest.fixture(scope="session")
def daemon() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def other_daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    """A Docker host of its own, with the base image, in place of the machine's."""
    with own_daemon() as host:
        copy_images([os.environ.get(BASE_IMAGE_VARIABLE, BASE_IMAGE)], host)
        monkeypatch.setenv("DOCKER_HOST", host)
        client = docker.DockerClient(base_url=host)
        yield client
        client.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack of the three services in a checkout of its own, not brought up yet."""
    base = tmp_path_factory.mktemp("project")
    made = Project(check_out(base / "checkout"), base / "state")
    write_script(made.checkout)
    made.configure(settings())
    yield made
    done = made.destroy()
    assert not done.failed, done.output
