"""`Webservice`, on a stack and containers that a test makes up and services that really listen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components.problems import Problem
from components.readiness import Look
from scoring import service_containers
from scoring.endpoint import ServiceError
from scoring.stack import OnOutput, Stack, StackError
from scoring.stack_state import Deployed, DeployedContainer
from scoring.webservice import Webservice
from tests.scoring.conftest import Serve

URI = "http://127.0.0.1:5001/score"
BROKEN = DeployedContainer("1", "broken")


class FakeStack(Stack):
    """A stack that has deployed one thing after the other, the last one lasting; `up` fails where it is told to."""

    def __init__(self, project: Path, *deployed: Deployed, fails: bool = False) -> None:
        self.name, self.project, self.fails = "dev", project, fails
        self.states = list(deployed)
        self.done: list[object] = []
        (project / "Pulumi.yaml").write_text("name: model-webservice\nruntime: python\n")
        self.settings_file.write_text("as before")

    def deployed(self) -> Deployed:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def change(self, service: str, changes: Mapping[str, Any], *, merge: bool = False) -> None:
        self.done.append((service, dict(changes), merge))
        self.settings_file.write_text("changed")

    def forget(self, service: str) -> None:
        self.done.append(("forget", service))
        self.settings_file.write_text("changed")

    def up(self, on_output: OnOutput | None = None, *, color: str = "never", target: object = ()) -> None:
        self.done.append("up")
        if self.fails:
            raise StackError("up failed")


def deployed(uri: str = URI, keys: tuple[str, str] | None = None, **described: Any) -> Deployed:
    known = {"scoringUri": uri, "style": "image", "state": "Healthy", **described}
    found = {"a": dict(zip(("primary", "secondary"), keys, strict=True))} if keys else {}
    return Deployed({"a": known}, found, (BROKEN,))


@dataclass
class FakeContainer:
    """A container that shows one look after the other, the last one lasting, and is ready when they are through."""

    looks: list[Look | None]
    name: str = "a-1"
    is_gateway: bool = False
    is_leaving: bool = False
    port: int = 5001
    log: list[str] = field(default_factory=list)
    limits: dict[str, float] = field(default_factory=lambda: {"cpuCores": 0.5, "memoryGb": 1.0})
    described: dict[str, Any] = field(default_factory=lambda: {"tags": {"team": "x"}})
    summary: dict[str, Any] = field(default_factory=lambda: {"name": "a-1", "status": "running"})

    def look(self) -> Look | None:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def is_ready(self) -> bool:
        return len(self.looks) == 1

    def tail(self, lines: int) -> list[str]:
        return self.log[-lines:]

    def stamped_tail(self, lines: int) -> list[str]:
        return [f"t{number} {line}" for number, line in enumerate(self.log)][-lines:]

    def follow(self, say: OnOutput) -> Any:
        for line in self.log:
            say(line)
        return lambda: None


RUNNING, EXITED = Look("running", 0, 0, "t"), Look("exited", 1, 0, "t")


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch) -> list[FakeContainer]:
    """The containers that are found."""
    found: list[FakeContainer] = []
    monkeypatch.setattr(service_containers, "find", lambda records: list(found))
    return found


def test_a_service_is_what_its_stack_says(tmp_path: Path) -> None:
    service = Webservice("a", FakeStack(tmp_path, deployed(address="127.0.0.1:7", sslCertPemFile="tls/c.pem")))
    assert (service.scoring_uri, service.swagger_uri) == (URI, URI.replace("score", "swagger.json"))
    assert (service.endpoint.address, service.endpoint.style) == ("127.0.0.1:7", "image")
    assert service.endpoint.certificate_file == str(tmp_path / "tls/c.pem")


def test_services_are_listed_by_name_those_too_that_failed_at_first(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path, deployed())
    assert [service.name for service in Webservice.list(stack)] == ["a", "broken"]
    with pytest.raises(StackError, match=r"^broken has no address, as it was never deployed with success: see its log"):
        print(Webservice("broken", stack).scoring_uri)


@pytest.mark.parametrize(("state", "known"), [(deployed(), "a, broken"), (Deployed(), "none")])
def test_an_unknown_service_is_an_error(tmp_path: Path, state: Deployed, known: str) -> None:
    with pytest.raises(StackError, match=f"^stack dev has no service 'b'; it has {known}.$"):
        Webservice("b", FakeStack(tmp_path, state))


def test_an_address_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="scoring URI 'here' must be http"):
        print(Webservice("a", FakeStack(tmp_path, deployed("here"))).scoring_uri)


@pytest.mark.parametrize(
    ("states", "tried"),
    [
        ([("k1", "k2")], ["k1"]),
        ([("old", "k2"), ("k1", "k2")], ["old", "k2"]),
        ([("old", "older"), ("k1", "k2")], ["old", "older", "k1"]),
        ([("old", "older"), ("new", "newer"), ("k1", "k2")], ["old", "older", "new", "newer"]),
        ([("old", "older"), ("old", "older"), ("k1", "k2")], ["old", "older"]),
    ],
)
def test_keys_that_are_refused_are_read_again_once(
    serve: Serve, tmp_path: Path, states: list[tuple[str, str]], tried: list[str]
) -> None:
    def answer(*_: object) -> tuple[int, str]:
        given = service.headers[-1]["Authorization"].removeprefix("Bearer ")
        return (200, "1") if given in ("k1", "k2") else (401, '{"message": "A valid key is required"}')

    service = serve(answer)
    called = Webservice("a", FakeStack(tmp_path, *[deployed(service.scoring_uri, keys) for keys in states]))
    if tried[-1] in ("k1", "k2"):
        assert called.run("{}") == 1
    else:
        with pytest.raises(ServiceError, match="answered 401"):
            called.run("{}")
    assert [headers["Authorization"] for headers in service.headers] == [f"Bearer {key}" for key in tried]


def test_other_errors_are_not_tried_again(serve: Serve, tmp_path: Path) -> None:
    service = serve(lambda *_: (500, "{}"))
    with pytest.raises(ServiceError, match="answered 500"):
        Webservice("a", FakeStack(tmp_path, deployed(service.scoring_uri, ("k1", "k2")))).run("{}")
    assert len(service.requests) == 1


def test_keys(tmp_path: Path) -> None:
    assert Webservice("a", FakeStack(tmp_path, deployed(keys=("k1", "k2")))).get_keys() == ("k1", "k2")
    with pytest.raises(StackError, match=r"^a asks for no keys: set authEnabled to true"):
        Webservice("a", FakeStack(tmp_path, deployed())).get_keys()


def test_settings_are_changed_and_deployed(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path, deployed(), deployed("http://127.0.0.1:5002/score"))
    service = Webservice("a", stack)
    service.update(cpu_cores=0.5, tags={"team": "y"})
    assert stack.done == [("a", {"cpuCores": 0.5, "tags": {"team": "y"}}, False), "up"]
    assert service.scoring_uri == "http://127.0.0.1:5002/score", "the outputs are read again"
    assert stack.settings_file.read_text() == "changed"


def test_an_unknown_setting_changes_nothing(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path, deployed())
    with pytest.raises(Problem, match="unknown setting of a service 'cpu'"):
        Webservice("a", stack).update(cpu=0.5)
    assert stack.done == []


def test_what_fails_leaves_the_settings_as_they_were(tmp_path: Path) -> None:
    stack = FakeStack(tmp_path, deployed(), fails=True)
    with pytest.raises(StackError, match=r"^the settings are what they were, as up failed$"):
        Webservice("a", stack).update(cpu_cores=0.5)
    assert stack.settings_file.read_text() == "as before"
    with pytest.raises(StackError, match=r"^the settings are what they were, as up failed$"):
        Webservice("a", stack).delete()
    assert stack.settings_file.read_text() == "as before"
    assert stack.done[2:] == [("forget", "a"), "up"]


def test_all_that_is_known_is_shown_but_the_keys(tmp_path: Path, containers: list[FakeContainer]) -> None:
    containers.append(FakeContainer([EXITED]))
    service = Webservice("a", FakeStack(tmp_path, deployed(keys=("k1", "k2"))))
    assert service.serialize() == {
        "name": "a",
        "scoringUri": URI,
        "style": "image",
        "state": "Unhealthy",
        "cpuCores": 0.5,
        "memoryGb": 1.0,
        "tags": {"team": "x"},
        "containers": [{"name": "a-1", "status": "running"}],
    }
    containers.clear()
    assert service.serialize()["state"] == service.state == "Failed"


def test_logs_are_those_of_all_that_serve(tmp_path: Path, containers: list[FakeContainer]) -> None:
    service = Webservice("a", FakeStack(tmp_path, deployed()))
    assert service.get_logs() == ""
    containers.append(FakeContainer([EXITED], log=["one", "two", "three"]))
    containers.append(FakeContainer([RUNNING], name="a", is_gateway=True, log=["gateway"]))
    assert service.get_logs(2) == "two\nthree"
    containers.append(FakeContainer([RUNNING], name="a-22", log=["1"]))
    assert service.get_logs(3).splitlines() == ["a-22 | 1", "a-1  | two", "a-1  | three"]


def test_the_wait_says_each_state_once(tmp_path: Path, containers: list[FakeContainer]) -> None:
    containers += [
        FakeContainer([Look("created", 0, 0, ""), RUNNING, RUNNING, RUNNING], log=["a line"]),
        FakeContainer([EXITED], is_leaving=True),
        FakeContainer([RUNNING], is_gateway=True),
    ]
    said: list[str] = []
    service = Webservice("a", FakeStack(tmp_path, deployed()))
    assert service.wait_for_deployment(show_output=True, on_output=said.append) == "Healthy"
    assert said[:2] == ["a line", "a: Transitioning (running)"]
    assert len(said) == 3
    assert said[2].startswith("a: Healthy after ")


def test_the_wait_ends_when_a_container_has(tmp_path: Path, containers: list[FakeContainer]) -> None:
    containers.append(FakeContainer([EXITED], log=["ValueError: no model"]))
    with pytest.raises(Problem, match=r"the container of a exited with code 1(.|\n)*ValueError: no model"):
        Webservice("a", FakeStack(tmp_path, deployed())).wait_for_deployment()


def test_a_service_on_another_port_is_not_where_callers_look(tmp_path: Path, containers: list[FakeContainer]) -> None:
    containers.append(FakeContainer([RUNNING], port=32770))
    service = Webservice("a", FakeStack(tmp_path, deployed(address="127.0.0.1:5001")))
    assert service.state == "Unhealthy"
    with pytest.raises(StackError, match=r"^a is ready, but not at 127.0.0.1:5001: .* Run `pulumi up`.$"):
        service.wait_for_deployment()


def test_the_wait_for_a_container_that_does_not_come(tmp_path: Path, containers: list[FakeContainer]) -> None:
    with pytest.raises(StackError, match=r"^a has no container after 0 s. Run `pulumi up`.$"):
        Webservice("a", FakeStack(tmp_path, deployed())).wait_for_deployment(timeout=0)
