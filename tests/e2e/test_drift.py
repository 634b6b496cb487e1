"""What was changed by hand: the next `up` puts it right, `destroy` works all the same, and every output is true.

The tests share one stack with one service.
"""

import hashlib
from collections.abc import Callable, Iterator

import docker
import pytest
import requests
from docker.models.containers import Container

from tests.e2e.project import Project, check_out, plain_service
from tests.holdings import containers

pytestmark = pytest.mark.e2e

SERVICE = "e2e-drift"
GIBIBYTE = 2**30


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("drift")
    made = Project(check_out(base / "checkout"), base / "state")
    made.configure(plain_service(made.checkout, SERVICE))
    run = made.up()
    assert not run.failed, run.output
    yield made
    done = made.destroy()
    assert not done.failed, done.output


def kill(container: Container) -> None:
    container.kill()
    container.wait()


CHANGES: dict[str, Callable[[Container], object]] = {
    "removed": lambda container: container.remove(force=True),
    "stopped": lambda container: container.stop(timeout=5),
    "killed": kill,
    "given more memory": lambda container: container.update(mem_limit=2 * GIBIBYTE, memswap_limit=2 * GIBIBYTE),
    "never restarted": lambda container: container.update(restart_policy={"Name": "no"}),
    "renamed": lambda container: container.rename(f"{SERVICE}-other"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_next_up_puts_it_right(
    project: Project, daemon: docker.DockerClient, change: Callable[[Container], object]
) -> None:
    change(daemon.containers.get(SERVICE))
    run = project.up()
    assert not run.failed, run.output
    assert run.operations, "nothing was done"
    assert_as_declared(project, daemon)
    assert project.preview().operations == {}


UNDONE: dict[str, tuple[Callable[[Container], object], str]] = {
    "paused": (lambda container: container.pause(), "paused"),
    "taken off its network": (
        lambda container: container.client.networks.get("bridge").disconnect(container),
        "off the network bridge",
    ),
}


@pytest.mark.parametrize(("change", "told"), UNDONE.values(), ids=UNDONE)
def test_what_the_provider_does_not_see_is_undone(
    project: Project, daemon: docker.DockerClient, change: Callable[[Container], object], told: str
) -> None:
    container = daemon.containers.get(SERVICE)
    change(container)
    assert f"{SERVICE}: its container is {told}: 'pulumi up' undoes that" in project.preview().output
    run = project.up()
    assert not run.failed, run.output
    assert f"{SERVICE}: its container was {told}; that is undone" in run.output
    assert_as_declared(project, daemon)
    assert daemon.containers.get(SERVICE).id == container.id


def test_refresh_and_preview_are_clean(project: Project) -> None:
    project.stack.refresh(color="never")
    assert project.preview().operations == {}


def test_destroy_works_whatever_was_removed_by_hand(project: Project, daemon: docker.DockerClient) -> None:
    (container,) = made_for_it(daemon)
    image = container.attrs["Image"]
    container.remove(force=True)
    daemon.images.remove(image, force=True)
    done = project.destroy()
    assert not done.failed, done.output
    assert made_for_it(daemon) == []
    run = project.up()
    assert not run.failed, run.output
    assert_as_declared(project, daemon)


def assert_as_declared(project: Project, daemon: docker.DockerClient) -> None:
    """One container, as it was declared, and every output what the daemon says of it."""
    (container,) = made_for_it(daemon)
    assert (container.name, container.status) == (SERVICE, "running")
    host = container.attrs["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (GIBIBYTE, GIBIBYTE)
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    service = project.services()[SERVICE]
    assert list(container.attrs["NetworkSettings"]["Networks"]) == ["bridge"]
    published = container.attrs["NetworkSettings"]["Ports"]["5001/tcp"][0]["HostPort"]
    assert service["scoringUri"] == f"http://127.0.0.1:{published}/score"
    assert service["state"] == "Healthy"
    assert service["imageId"] == container.attrs["Image"] == daemon.images.get(service["image"]).id
    model = hashlib.sha256((project.checkout / "model.txt").read_bytes()).hexdigest()
    assert service["models"] == {f"model.txt:{model[:12]}": model}
    assert requests.post(service["scoringUri"], data='"a"', timeout=10).json() == '"a"'


def made_for_it(daemon: docker.DockerClient) -> list[Container]:
    """Every container of the service, whatever its state and name."""
    return containers(daemon, label=f"model-webservice.service.name={SERVICE}")
