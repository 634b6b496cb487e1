"""Faults of the daemon and of what runs in it: a restart under load, a full disk, too little memory.

Each test has a Docker daemon of its own.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest
import requests

from components.image_config import BASE_IMAGE, BASE_IMAGE_VARIABLE
from tests.e2e.own_daemon import OwnDaemon, copy_images, running
from tests.e2e.project import Project, check_out, plain_service
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.e2e

SERVICE = "e2e-faults"
PATIENCE_SECONDS = 60
DISK_MEGABYTES = 1024


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnDaemon]:
    """A daemon of one's own that has the base image, and is the one that everything here talks to."""
    with running(DISK_MEGABYTES) as daemon:
        copy_images([os.environ.get(BASE_IMAGE_VARIABLE, BASE_IMAGE)], daemon.host)
        monkeypatch.setenv("DOCKER_HOST", daemon.host)
        yield daemon


@pytest.fixture
def project(own: OwnDaemon, tmp_path: Path) -> Iterator[Project]:
    made = Project(check_out(tmp_path / "checkout"), tmp_path / "state")
    yield made
    done = made.destroy()
    assert not done.failed, done.output


def test_services_come_back_when_the_daemon_restarts_under_load(own: OwnDaemon, project: Project) -> None:
    project.configure(plain_service(project.checkout, SERVICE))
    run = project.up()
    assert not run.failed, run.output
    uri = project.services()[SERVICE]["scoringUri"]
    answers, ended = [], threading.Event()

    def load() -> None:
        while not ended.wait(0.02):
            answers.append(answer(uri))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        eventually(lambda: len(answers) > 10)
        own.restart()
        port = eventually(lambda: published(own))
        eventually(lambda: answer(f"http://127.0.0.1:{port}/score"))
    finally:
        ended.set()
        thread.join()
    assert any(answers)
    run = project.up()
    assert not run.failed, run.output
    service = project.services()[SERVICE]
    assert service["scoringUri"] == f"http://127.0.0.1:{published(own)}/score"
    assert answer(service["scoringUri"])
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
held = []


def init():
    print("starting", flush=True)


def run(data):
    if "eat" in data:
        held.append(bytearray(1024 * 1024 * 1024))
        for place in range(0, len(held[0]), 4096):
            held[0][place] = 1
    return len(held)
"""


def test_a_worker_out_of_memory_is_replaced_counted_and_logged(own: OwnDaemon, project: Project) -> None:
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
