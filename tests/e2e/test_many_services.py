"""A hundred services in one stack: all come up, nothing is done twice, nothing is left.

What they take of time and memory is measured by `make bench-deploy`.
"""

from collections.abc import Iterator

import docker
import pytest

from tests.e2e.project import Project, check_out, plain_service
from tests.holdings import containers, image_tags

pytestmark = pytest.mark.e2e

NAMES = [f"e2e-many-{number:02}" for number in range(100)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("many")
    made = Project(check_out(base / "checkout"), base / "state", "many")
    settings = plain_service(made.checkout, NAMES[0], imageName="e2e-many", modelName="e2e-many", waitTimeout=300)
    small = {"style": "image", "cpuCores": 0.5, "memoryGb": 0.1}
    made.configure({**settings, "services": [{"name": name, **small} for name in NAMES]})
    yield made
    done = made.destroy()
    assert not done.failed, done.diagnostics


def standing(daemon: docker.DockerClient) -> list[str]:
    return sorted(seen.name for seen in containers(daemon) if seen.name.startswith("e2e-many-"))


def test_all_become_healthy(project: Project, daemon: docker.DockerClient) -> None:
    run = project.up()
    assert not run.failed, run.diagnostics
    services = project.services()
    assert {name: seen["state"] for name, seen in services.items()} == dict.fromkeys(NAMES, "Healthy")
    assert len({seen["scoringUri"] for seen in services.values()}) == len(NAMES)
    assert len({seen["imageId"] for seen in services.values()}) == 1, "they share one image"
    assert standing(daemon) == NAMES


def test_nothing_is_changed_by_a_second_up(project: Project) -> None:
    run = project.up()
    assert (run.failed, run.operations) == (False, {}), run.diagnostics


def test_destroy_leaves_nothing(project: Project, daemon: docker.DockerClient) -> None:
    run = project.destroy()
    assert not run.failed, run.diagnostics
    assert standing(daemon) == []
    assert [tag for tag in image_tags(daemon) if "e2e-many" in tag] == []
