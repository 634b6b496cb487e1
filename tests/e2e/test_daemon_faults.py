"""Faults of the daemon and of what runs in it: a restart under load, a full disk, too little memory.

Each test has a Docker daemon of its own.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import pytest
import requests

from components import gateway_image
from components.image_config import BASE_IMAGE, BASE_IMAGE_VARIABLE
from scoring.stack import Stack
from scoring.webservice import Webservice
from tests.e2e.meanwhile import repeating
from tests.e2e.own_daemon import OwnDaemon, copy_images, networks_open, running
from tests.e2e.project import Project, check_out, plain_service
from tests.e2e.waiting import eventually
from tests.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.beside]

SERVICE, GATED = "e2e-faults", "e2e-faults-gated"
PATIENCE_SECONDS = 60
DISK_MEGABYTES = 1024


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnDaemon]:
    """A daemon of one's own that has the base images, and is the one that everything here talks to."""
    with running(DISK_MEGABYTES) as daemon, networks_open():
        gateway = os.environ.get(gateway_image.BASE_IMAGE_VARIABLE, gateway_image.BASE_IMAGE)
        copy_images([os.environ.get(BASE_IMAGE_VARIABLE, BASE_IMAGE), gateway], daemon.host)
        monkeypatch.setenv("DOCKER_HOST", daemon.host)
        yield daemon


@pytest.fixture
def project(own: OwnDaemon, tmp_path: Path) -> Iterator[Project]:
    made = Project(check_out(tmp_path / "checkout"), tmp_path / "state")
    yield made
    done = made.destroy()
    assert not done.failed, done.output


def test_services_come_back_when_the_daemon_restarts_under_load(own: OwnDaemon, project: Project) -> None:
    """One on a port that Docker chooses, again at each start; one behind a gateway, on a port of its own."""
    services = [
        {"name": SERVICE, "style": "modelFile"},
        {"name": GATED, "style": "modelFile", "zeroDowntime": True, "port": free_port()},
    ]
    project.configure(plain_service(project.checkout, SERVICE) | {"services": services})
    run = project.up()
    assert not run.failed, run.output
    before = project.services()
    with asking(before[SERVICE]["scoringUri"]) as answers, asking(before[GATED]["scoringUri"]) as gated:
        eventually(lambda: len(answers) > 10 and len(gated) > 10)
        own.restart()
        port = eventually(lambda: published(own))
        eventually(lambda: answer(f"http://127.0.0.1:{port}/score"))
        eventually(lambda: answer(before[GATED]["scoringUri"]))
    assert any(answers)
    assert all(gated[:10])
    # What is said of them before any `up`: where the stack says that it is, the first may not be.
    stays = before[SERVICE]["scoringUri"] == f"http://127.0.0.1:{port}/score"
    assert state(project, SERVICE) == ("Healthy" if stays else "Unhealthy")
    assert state(project, GATED) == "Healthy"
    run = project.up()
    assert not run.failed, run.output
    service = project.services()[SERVICE]
    assert service["scoringUri"] == f"http://127.0.0.1:{published(own)}/score"
    assert answer(service["scoringUri"])
    assert (state(project, SERVICE), state(project, GATED)) == ("Healthy", "Healthy")
    assert project.services()[GATED]["scoringUri"] == before[GATED]["scoringUri"]
    assert project.preview().operations == {}


def test_a_full_disk_fails_the_build_and_no_more(own: OwnDaemon, project: Project) -> None:
    settings = plain_service(project.checkout, SERVICE)
    project.configure(settings)
    run = project.up()
    assert not run.failed, run.output
    before = project.services()[SERVICE]
    big = project.checkout / "big.bin"
    with big.open("wb") as file:
        file.write(os.urandom(1024 * 1024) * 64)
    with own.disk_filled(megabytes_left=16):
        project.configure({**settings, "dependencies": ["big.bin"]})
        run = project.up()
        assert run.failed
        assert "no space left on device" in run.output
        assert "Traceback" not in run.output
        assert answer(before["scoringUri"])
    run = project.up()
    assert not run.failed, run.output
    assert answer(project.services()[SERVICE]["scoringUri"])


HUNGRY = """
import os

held = []


def init():
    print("starting", flush=True)


def run(data):
    if "eat" in data:
        held.append(bytearray(1024 * 1024 * 1024))
        for place in range(0, len(held[0]), 4096):
            held[0][place] = 1
    if "all" in data:
        # What started this process, the container's main one, is then the one that the kernel ends, and not this one.
        for process, adjustment in (("self", "0"), (os.getppid(), "1000")):
            with open(f"/proc/{process}/oom_score_adj", "w") as score:
                score.write(adjustment)
        while True:
            held.append(b"x" * 1024 * 1024)
    return len(held)
"""


def test_what_is_out_of_memory_is_replaced_counted_and_logged(own: OwnDaemon, project: Project) -> None:
    settings = plain_service(project.checkout, SERVICE, memoryGb="0.25")
    (project.checkout / "echo.py").write_text(HUNGRY)
    project.configure(settings)
    run = project.up()
    assert not run.failed, run.output
    uri = project.services()[SERVICE]["scoringUri"]
    eaten = requests.post(uri, data='"eat"', timeout=PATIENCE_SECONDS)
    assert eaten.status_code == 500
    eventually(lambda: answer(uri, b"0"))
    metrics = requests.get(uri.replace("/score", "/metrics"), timeout=10).text
    restarts = [line for line in metrics.splitlines() if "restarts" in line and not line.startswith("#")]
    assert [float(line.rpartition(" ")[2]) for line in restarts] == [1.0], metrics
    with closing(docker.DockerClient(base_url=own.host)) as client:
        assert b"is replaced" in client.containers.get(SERVICE).logs()
    assert project.preview().operations == {}
    # Then the container as a whole, which Docker starts again.
    (before,) = project.shown(SERVICE)["containers"]
    assert before["restarts"] == 0
    with pytest.raises(requests.ConnectionError):
        requests.post(uri, data='"all"', timeout=PATIENCE_SECONDS)
    eventually(lambda: answer(f"http://127.0.0.1:{published(own)}/score", b"0"))
    (now,) = project.shown(SERVICE)["containers"]
    assert now == {**before, "restarts": 1}
    log = project.scoring("service", "logs", SERVICE).stdout
    assert log.count("starting\n") == 3, "init() of two workers, and of one after the restart"
    run = project.up()
    assert not run.failed, run.output
    assert project.shown(SERVICE)["state"] == "Healthy"
    assert answer(project.services()[SERVICE]["scoringUri"], b"0")


def state(project: Project, service: str) -> str:
    """What a client is told of a service's state."""
    return Webservice(service, Stack(project.stack.name, project.checkout, project.variables)).state


@contextmanager
def asking(uri: str) -> Iterator[list[bool]]:
    """Ask a service over and over meanwhile; yields whether it answered, one after the other."""
    answers: list[bool] = []
    with repeating(lambda: answers.append(answer(uri))):
        yield answers


def answer(uri: str, expected: bytes | None = None) -> bool:
    """Whether the service answers, and as expected."""
    try:
        said = requests.post(uri, data='"a"', timeout=5)
    except requests.RequestException:
        return False
    return said.status_code == 200 and (expected is None or said.content == expected)


def published(own: OwnDaemon) -> str:
    """The port of the service's container, empty while it has none."""
    with closing(docker.DockerClient(base_url=own.host)) as client:
        ports = client.containers.get(SERVICE).attrs["NetworkSettings"]["Ports"]
    return str(ports["5001/tcp"][0]["HostPort"]) if ports.get("5001/tcp") else ""
