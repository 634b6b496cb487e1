"""Images depend on their inputs alone: not on the checkout's path, nor on the daemon."""

from pathlib import Path

import docker
import pytest

from tests.e2e.project import Project, check_out

pytestmark = pytest.mark.e2e

SERVICE = "e2e-same"
LARGEST_MB = 360


def new_project(base: Path) -> Project:
    base.mkdir()
    made = Project(check_out(base / "checkout"), base / "state")
    made.configure(
        {
            "services": [
                {"name": SERVICE, "style": "modelFile", "executionScript": "scoring/mnist/score_file.py"},
            ]
        }
    )
    return made


def built(project: Project, client: docker.DockerClient) -> dict[str, object]:
    """Bring the stack up, and return what the image is by the daemon's word; the stack is gone afterwards."""
    try:
        run = project.up()
        assert not run.failed, run.output
        return client.api.inspect_image(project.services()[SERVICE]["image"])
    finally:
        done = project.destroy()
        assert not done.failed, done.output


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, daemon: docker.DockerClient) -> dict[str, object]:
    return built(new_project(tmp_path_factory.mktemp("first") / "here"), daemon)


def test_the_same_image_from_another_checkout(
    first: dict[str, object], tmp_path: Path, daemon: docker.DockerClient
) -> None:
    again = built(new_project(tmp_path / "a longer path, with blanks"), daemon)
    assert again["Id"] == first["Id"]
    assert again["RepoTags"] == first["RepoTags"]


def test_the_same_layers_on_another_daemon(
    first: dict[str, object], tmp_path: Path, other_daemon: docker.DockerClient
) -> None:
    elsewhere = built(new_project(tmp_path / "elsewhere"), other_daemon)
    assert elsewhere["RootFS"] == first["RootFS"]
    assert elsewhere["RepoTags"] == first["RepoTags"]


def test_the_image_is_small(first: dict[str, object]) -> None:
    assert first["Size"] / 1e6 <= LARGEST_MB
