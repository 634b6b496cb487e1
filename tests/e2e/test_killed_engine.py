"""`kill -9` of the engine at the worst moments: the next `up` ends where the killed one was going.

The tests share one stack with one service.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import requests

from tests.e2e.load import load
from tests.e2e.project import Project, check_out, plain_service
from tests.holdings import containers

pytestmark = pytest.mark.e2e

SERVICE = "e2e-killed"
IMAGE, CONTAINER = "docker:index/image:Image", "docker:index/container:Container"
PATIENCE_SECONDS = 120

Event = dict[str, Any]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("killed")
    made = Project(check_out(base / "checkout"), base / "state")
    made.configure(plain_service(made.checkout, SERVICE))
    yield made
    done = made.destroy()
    assert not done.failed, done.output


def step(kind: str, *operations: str) -> Callable[[Event], bool]:
    """An event with which such a step begins."""

    def seen(event: Event) -> bool:
        metadata = (event.get("resourcePreEvent") or {}).get("metadata") or {}
        return metadata.get("type") == kind and metadata.get("op") in operations

    return seen


def building(event: Event) -> bool:
    return "#1" in str((event.get("diagnosticEvent") or {}).get("message"))


CREATED_ANEW = "one, created anew"
MOMENTS = {
    "mid-build": ("one", building),
    "mid-create": (CREATED_ANEW, step(CONTAINER, "create")),
    "mid-replace, building": ("two", building),
    "mid-replace, the old one going": ("three", step(CONTAINER, "delete-replaced")),
    "mid-replace, the new one coming": ("four", step(CONTAINER, "create-replacement")),
}


@pytest.mark.parametrize(("word", "moment"), MOMENTS.values(), ids=MOMENTS)
def test_the_next_up_arrives(
    project: Project, daemon: docker.DockerClient, tmp_path: Path, word: str, moment: Callable[[Event], bool]
) -> None:
    if word == CREATED_ANEW:
        assert not project.destroy().failed
    write(project, word)
    kill_up(project, tmp_path / "events.json", moment)
    project.stack.cancel()
    run = project.up()
    assert not run.failed, run.output
    service = project.services()[SERVICE]
    assert requests.post(service["scoringUri"], data="{}", timeout=10).json() == word
    (container,) = containers(daemon, label=f"model-webservice.service.name={SERVICE}")
    assert container.attrs["Image"] == service["imageId"]
    assert project.preview().operations == {}


def test_the_second_up_at_once_is_told_who_is_at_work(project: Project, tmp_path: Path) -> None:
    gate = project.checkout / "gate"
    program = (project.checkout / "__main__.py").read_text()
    waits = f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.05)\n"
    (project.checkout / "__main__.py").write_text(waits + program)
    log = tmp_path / "events.json"
    first = start_up(project, log)
    try:
        next(follow(log, first))
        second = project.up()
        assert second.failed
        assert f"(pid {first.pid})" in second.output
        assert "pulumi cancel" in second.output
    finally:
        gate.touch()
        assert first.wait(PATIENCE_SECONDS) == 0
        (project.checkout / "__main__.py").write_text(program)


GATED_MOMENTS = {
    "the new one coming": ("five", step(CONTAINER, "create-replacement")),
    "the old one going": ("six", step(CONTAINER, "delete-replaced")),
}


@pytest.mark.parametrize(("word", "moment"), GATED_MOMENTS.values(), ids=GATED_MOMENTS)
def test_behind_a_gateway_the_next_up_arrives_and_requests_are_answered_until_then(
    project: Project, daemon: docker.DockerClient, tmp_path: Path, word: str, moment: Callable[[Event], bool]
) -> None:
    project.configure(plain_service(project.checkout, SERVICE, zeroDowntime=True))
    write(project, "gated")
    run = project.up()
    assert not run.failed, run.output
    uri = project.services()[SERVICE]["scoringUri"]
    write(project, word)
    with load(uri) as made:
        made.wait_for('"gated"')
        kill_up(project, tmp_path / "events.json", moment)
        project.stack.cancel()
        made.wait_for()
        run = project.up()
        assert not run.failed, run.output
        made.wait_for(json.dumps(word))
    assert (made.lost, set(made.answers)) == ([], {'"gated"', json.dumps(word)})
    scoring = containers(daemon, label=f"model-webservice.service.name={SERVICE}")
    assert len(scoring) == 1
    assert project.preview().operations == {}


def write(project: Project, word: str) -> None:
    """Write a script that answers with a word."""
    (project.checkout / "echo.py").write_text(f"def init():\n    pass\n\n\ndef run(data):\n    return {word!r}\n")


def start_up(project: Project, log: Path) -> "subprocess.Popen[bytes]":
    """Start `pulumi up` with a log of its events."""
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", project.stack.name]
    environment = {**os.environ, **project.environment, "PULUMI_DEBUG_COMMANDS": "true"}
    return subprocess.Popen(
        [*command, "--event-log", str(log)],
        cwd=project.checkout,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_up(project: Project, log: Path, moment: Callable[[Event], bool]) -> None:
    """Run `pulumi up` and kill the engine when its log of events has come to a moment."""
    process = start_up(project, log)
    try:
        for event in follow(log, process):
            if moment(event):
                return
        pytest.fail("the moment did not come")
    finally:
        process.kill()
        process.wait()


def follow(log: Path, process: "subprocess.Popen[bytes]") -> Iterator[Event]:
    """Yield the events of a log as they are written, until the process ends."""
    end, rest, read = time.monotonic() + PATIENCE_SECONDS, b"", 0
    while time.monotonic() < end:
        ended = process.poll() is not None
        if log.exists():
            with log.open("rb") as file:
                file.seek(read)
                chunk = file.read()
            read += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, lines)
        if ended:
            return
        time.sleep(0.005)
