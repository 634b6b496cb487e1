"""Containers of a service: what is read from a daemon's answers, their state together, their logs together."""

from typing import Any

import docker.errors
import pytest

from components import daemon, readiness
from components.daemon import Daemon
from scoring.service_containers import ServiceContainer, find, merged, state_of
from scoring.stack_state import DeployedContainer


class Api:
    """A daemon with containers, by id: the state of each, and whether it says that it is ready."""

    def __init__(self, states: dict[str, tuple[str, bool]]) -> None:
        self.states = states
        self.checks: list[list[str]] = []

    def inspect_container(self, container_id: str) -> dict[str, Any]:
        if container_id not in self.states:
            raise docker.errors.NotFound("no such container")
        status, _ = self.states[container_id]
        return {
            "Name": f"/name-{container_id}",
            "State": {"Status": status, "ExitCode": 3, "StartedAt": "t"},
            "RestartCount": 0,
            "NetworkSettings": {"Ports": {"5001/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}], "5000/tcp": None}},
            "HostConfig": {"NanoCpus": 500_000_000, "Memory": 307 * 2**20},
            "Config": {
                "Healthcheck": {"Test": readiness.HEALTH_CHECK_BESIDE_TLS},
                "Labels": {
                    "model-webservice.service.name": "a",
                    "model-webservice.service.tags": '{"team": "x"}',
                    "model-webservice.service.description": "digits",
                },
            },
        }

    def exec_create(self, container_id: str, command: list[str]) -> dict[str, str]:
        self.checks.append(command)
        return {"Id": container_id}

    def exec_start(self, run: str) -> bytes:
        return b""

    def exec_inspect(self, run: str) -> dict[str, int]:
        return {"ExitCode": 0 if self.states[run][1] else 1}

    def logs(self, container_id: str, *, tail: int, timestamps: bool) -> bytes:
        assert timestamps
        return f"2026-01-0{container_id}T00:00:00Z from {container_id}\n".encode()[-1000 * tail :]


class Client:
    def __init__(self, api: Api) -> None:
        self.api = api


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api({})
    hosts: list[str] = []

    def connect(host: str) -> Daemon:
        hosts.append(host)
        return Daemon(Client(made), host or "ssh://far")

    monkeypatch.setattr(daemon, "connect", connect)
    return made


def found(api: Api, *states: tuple[str, bool], gateway: str = "") -> list[ServiceContainer]:
    api.states = {str(number): state for number, state in enumerate(states)}
    records = [DeployedContainer(key, "a") for key in api.states]
    if gateway:
        api.states["front"] = (gateway.removesuffix(" without a way"), " " not in gateway)
        records.append(DeployedContainer("front", "a", is_gateway=True))
    return find(records)


@pytest.mark.parametrize(
    ("states", "gateway", "state"),
    [
        ([("running", True)], "", "Healthy"),
        ([("running", False)], "", "Transitioning"),
        ([("exited", False)], "", "Unhealthy"),
        ([], "", "Failed"),
        ([("exited", False), ("running", True), ("running", False)], "", "Healthy"),
        ([("exited", False), ("running", False)], "", "Transitioning"),
        ([("running", True)], "running", "Healthy"),
        ([("running", True)], "exited", "Unhealthy"),
        ([("running", True)], "running without a way", "Unhealthy"),
        ([], "running", "Failed"),
        ([], "exited", "Failed"),
    ],
)
def test_a_service_is_as_well_as_its_best_container(
    api: Api, states: list[tuple[str, bool]], gateway: str, state: str
) -> None:
    assert state_of(found(api, *states, gateway=gateway)) == state


@pytest.mark.parametrize(("port", "state"), [(0, "Healthy"), (80, "Healthy"), (81, "Unhealthy")])
def test_a_service_is_looked_for_where_its_outputs_say(api: Api, port: int, state: str) -> None:
    assert state_of(found(api, ("running", True)), port) == state
    assert state_of(found(api, ("running", True), ("running", True), gateway="running"), port) == state


def test_removed_containers_are_not_found_and_the_others_are_in_order(api: Api) -> None:
    api.states = dict.fromkeys("1245", ("running", True))
    leaving, gateway = DeployedContainer("1", "a", is_leaving=True), DeployedContainer("4", "a", is_gateway=True)
    seen = find([leaving, gateway, *(DeployedContainer(key, "a") for key in "532")])
    assert [one.id for one in seen] == ["2", "5", "4", "1"]
    assert [one.summary["role"] for one in seen] == ["scoring", "scoring", "gateway", "scoring"]


def test_a_container_is_asked_by_its_own_check(api: Api) -> None:
    (seen,) = found(api, ("running", True))
    assert seen.tls
    assert seen.is_ready()
    assert api.checks == [readiness.HEALTH_CHECK_BESIDE_TLS[1:]]


def test_what_the_daemon_says_of_a_container(api: Api) -> None:
    running, ended = found(api, ("running", True), ("exited", False))
    assert running.limits == {"cpuCores": 0.5, "memoryGb": 0.3}
    assert running.described == {"tags": {"team": "x"}, "description": "digits"}
    told = {"name": "name-0", "role": "scoring", "status": "running", "restarts": 0, "id": "0"}
    assert running.summary == told
    assert ended.summary["exitCode"] == 3
    assert ended.stamped_tail(5) == ["2026-01-01T00:00:00Z from 1"]


@pytest.mark.parametrize(
    ("logs", "lines", "expected"),
    [
        ({}, 5, []),
        ({"one": ["t1 a", "t2  b", "t3"]}, 5, ["a", " b", ""]),
        ({"one": ["t1 a", "t2 b"]}, 1, ["b"]),
        ({"one": ["t1 a", "t4 d"], "three": ["t2 b", "t3 c"]}, 3, ["three | b", "three | c", "one   | d"]),
    ],
)
def test_logs_are_merged_by_their_times(logs: dict[str, list[str]], lines: int, expected: list[str]) -> None:
    assert merged(logs, lines) == expected
