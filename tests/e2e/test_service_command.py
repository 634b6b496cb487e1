"""`python -m scoring service` and `Webservice`, with the real engine and daemon.

The tests share one stack with two services, the first of which asks for keys, and run in the order in which they stand.
Another stack is the selected one.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import docker
import pytest
import requests
import yaml

from scoring.endpoint import ServiceError
from scoring.stack import Stack, StackError
from scoring.webservice import Webservice
from tests.e2e.project import Project, check_out, plain_service
from tests.e2e.waiting import eventually
from tests.holdings import containers

pytestmark = pytest.mark.e2e

GUARDED, OPEN = "e2e-client-a", "e2e-client-b"
SETTINGS = """\
config:
  # What is deployed.
  model-webservice:services:
    # The first.
    - name: one
      style: image
    - name: two
      style: image # of its own
      environment:
        PLAIN: text
  model-webservice:tags:
    data: mnist
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("client")
    made = Project(check_out(base / "checkout"), base / "state")
    services = [
        {"name": GUARDED, "style": "modelFile", "authEnabled": True},
        {"name": OPEN, "style": "modelFile", "tags": {"data": "digits"}},
    ]
    made.configure(plain_service(made.checkout, GUARDED) | {"services": services})
    for key in ("primaryKey", "secondaryKey"):
        stack_of(made).set_value((key,), secrets.token_hex(32), secret=True)
    run = made.up()
    assert not run.failed, run.output
    yield made
    done = made.destroy()
    assert not done.failed, done.output


@pytest.fixture(scope="module")
def selected(project: Project) -> Stack:
    """Another stack, the selected one."""
    other = Project(project.checkout, project.backend, "other")
    (project.checkout / "stacks/Pulumi.other.yaml").write_text(SETTINGS)
    return stack_of(other)


def stack_of(project: Project, name: str | None = None) -> Stack:
    name = project.stack.name if name is None else name
    return Stack(name, project.checkout, project.variables)


def command(project: Project, *arguments: str, code: int = 0, given: str = "") -> "subprocess.CompletedProcess[str]":
    done = project.scoring("service", *arguments, given=given)
    assert done.returncode == code, done.stdout + done.stderr
    assert "\x1b[" not in done.stdout + done.stderr, "there is no terminal"
    return done


def test_services_are_listed(project: Project, selected: Stack) -> None:
    lines = [line.split() for line in command(project, "list").stdout.splitlines()]
    known = project.services()
    for name in (GUARDED, OPEN):
        assert [name, "modelFile", "Healthy", known[name]["image"], known[name]["scoringUri"]] in lines
    assert command(project, "wait", OPEN).stdout == f"{OPEN} is ready: {known[OPEN]['scoringUri']}\n"


def test_a_service_is_shown_as_the_daemon_has_it(project: Project, daemon: docker.DockerClient) -> None:
    known = project.shown(OPEN)
    assert (known["state"], known["cpuCores"], known["memoryGb"]) == ("Healthy", 1.0, 1.0)
    assert known["tags"] == {"data": "digits"}
    assert [one["id"] for one in known["containers"]] == [daemon.containers.get(OPEN).id]
    assert requests.get(known["swaggerUri"], timeout=10).status_code == 200


def test_a_request_is_answered(project: Project) -> None:
    assert json.loads(command(project, "run", GUARDED, given='{"data": "é"}').stdout) == '{"data": "é"}'
    assert "POST /score 200" in command(project, "logs", GUARDED, "--lines", "3").stdout


def test_a_key_is_made_anew_and_callers_follow(project: Project) -> None:
    keys = json.loads(command(project, "keys", GUARDED, "--json").stdout)
    caller, changing = Webservice(GUARDED, stack_of(project)), Webservice(GUARDED, stack_of(project))
    assert caller.get_keys() == tuple(keys.values())
    # A caller that knows the primary key alone, else the secondary one would do.
    caller._deployed = replace(caller._deployed, keys={GUARDED: {"primary": keys["primary"]}})
    old = caller.endpoint
    progress: list[str] = []
    changing.regen_key("Primary", on_output=progress.append)
    assert any(f"{GUARDED}-delivery" in line for line in progress)
    eventually(lambda: refused(old) == 401)
    assert caller.run("{}") == "{}"
    assert caller.get_keys() == changing.get_keys()
    primary, secondary = caller.get_keys()
    assert primary != keys["primary"]
    assert secondary == keys["secondary"]


def refused(endpoint: Any) -> int:
    """Return the status with which a request is refused; 0 when it is not."""
    try:
        endpoint.run("{}")
    except ServiceError as error:
        return error.status or -1
    return 0


def test_an_update_changes_that_service(project: Project, daemon: docker.DockerClient) -> None:
    other = daemon.containers.get(GUARDED).id
    done = command(project, "update", OPEN, "cpu_cores=0.5", "tags.team=vision", "--json")
    assert f"{OPEN}-container" in done.stderr, "progress"
    known = json.loads(done.stdout)
    assert (known["state"], known["cpuCores"]) == ("Healthy", 0.5)
    assert known["tags"] == {"data": "digits", "team": "vision"}
    limits = daemon.containers.get(OPEN).exec_run(
        ["bash", "-c", "cd /sys/fs/cgroup; cat cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us"]
    )
    quota, period = limits.output.decode().split()
    assert int(quota) / int(period) == 0.5
    assert daemon.containers.get(GUARDED).id == other


def test_a_failing_update_changes_no_settings(project: Project) -> None:
    before = stack_of(project).settings_file.read_bytes()
    done = command(project, "update", OPEN, "memory_gb=0.001", code=1)
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: the settings are what they were, as pulumi up of stack e2e failed: ")
    assert "memoryGb is 0.001: Docker needs at least 6 MB" in error
    assert stack_of(project).settings_file.read_bytes() == before


def test_a_dead_container_has_a_log(project: Project, daemon: docker.DockerClient) -> None:
    container = daemon.containers.get(OPEN)
    container.kill()
    container.wait()
    known = project.shown(OPEN)
    assert (known["state"], known["containers"][0]["exitCode"]) == ("Unhealthy", 137)
    lines = json.loads(command(project, "logs", OPEN, "-n", "2", "--json").stdout)
    assert lines == container.logs().decode().splitlines()[-2:]
    waited = command(project, "wait", OPEN, code=1).stderr
    assert f"error: the container of {OPEN} exited with code 137" in waited


def test_a_service_is_deleted_and_the_others_stay(
    project: Project, selected: Stack, daemon: docker.DockerClient
) -> None:
    other = daemon.containers.get(GUARDED).id
    command(project, "delete", OPEN, "--yes")
    assert [one["name"] for one in json.loads(command(project, "list", "--json").stdout)] == [GUARDED]
    left = containers(daemon, label=f"model-webservice.service.name={OPEN}")
    assert left == []
    assert daemon.containers.get(GUARDED).id == other
    assert "has no service" in command(project, "show", OPEN, code=1).stderr
    assert stack_of(project, "").name == selected.name, "no command has changed the selected stack"


def test_settings_keep_what_is_not_changed(selected: Stack) -> None:
    """Comments, order, secrets and the other services; what a service inherits is merged with, too."""
    selected.set_value(("services", 1, "environment", "TOKEN"), "first", secret=True)
    selected.change("two", {"cpuCores": 0.5, "tags": {"team": "x"}, "environment": {"TOKEN": "second"}}, merge=True)
    written = selected.settings_file.read_text()
    assert "# What is deployed." in written
    assert "style: image # of its own" in written
    assert "first" not in written.replace("The first", "")
    assert "second" not in written
    one, two = selected.setting("services")
    assert one == {"name": "one", "style": "image"}
    assert two == {
        "name": "two",
        "style": "image",
        "cpuCores": "0.5",
        "tags": {"data": "mnist", "team": "x"},
        "environment": {"PLAIN": "text", "TOKEN": "second"},
    }
    selected.change("two", {"tags": {"data": None, "team": None}, "cpuCores": None}, merge=True)
    selected.change("two", {"environment": {"NEW": "1"}})
    assert selected.setting("services")[1] == {"name": "two", "style": "image", "tags": {}, "environment": {"NEW": 1}}
    selected.change("two", {"tags": {}})
    selected.forget("one")
    assert [service["name"] for service in selected.setting("services")] == ["two"]
    with pytest.raises(StackError, match="stack other has no service 'one'; its settings have two"):
        selected.change("one", {"cpuCores": 1})


def test_services_of_the_defaults_become_the_stacks_own(selected: Stack) -> None:
    with open(selected.settings_file) as file:
        kept = {key: value for key, value in yaml.safe_load(file).items() if key != "config"}
    selected.settings_file.write_text(yaml.safe_dump(kept))
    default = selected.setting("services")
    assert [service["name"] for service in default] == ["aci-mnist-1", "aci-mnist-2", "aci-mnist-3"]
    selected.forget("aci-mnist-2")
    assert selected.setting("services") == [default[0], default[2]]
    assert os.path.getsize(selected.settings_file) > 0
