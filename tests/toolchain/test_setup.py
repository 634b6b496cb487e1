"""All parts together: nothing is changed when all is there, and every failure is told."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.stack_file import StackFile
from tests.toolchain.machines import ChosenMachine
from toolchain import base_image, daemon, engine, model, plugin, setup
from toolchain.console import Console
from toolchain.daemon import Daemon
from toolchain.docker_provider.endpoint import DEFAULT_HOST, Endpoint
from toolchain.engine import Engine
from toolchain.layout import Layout
from toolchain.plugin import Plugin
from toolchain.setup import SetupError, project_backend
from toolchain.step import StepError, Unavailable


def always(value: Any) -> Callable[..., Any]:
    return lambda *arguments, **options: value


def never(error: Exception) -> Callable[..., Any]:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise error

    return fail


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChosenMachine:
    """A machine on which every part is found, Debian's base image and the stand-in among them."""
    monkeypatch.setattr(engine, "ensure", always(Engine(Path("/usr/bin/pulumi"), "3.250.0", own=False)))
    monkeypatch.setattr(engine, "ensure_host", always(None))
    monkeypatch.setattr(plugin, "ensure", always(Plugin(Path("/x"), stand_in=True)))
    monkeypatch.setattr(daemon, "ensure", always(Daemon(Endpoint(DEFAULT_HOST, ""), "28", "amd64")))
    monkeypatch.setattr(base_image, "ensure", lambda *given, base=base_image.PYTHON, **options: base.fall_back)
    monkeypatch.setattr(model, "ensure", always(None))
    return ChosenMachine({"HOME": str(tmp_path), "PATH": "/bin"}, Layout(tmp_path / "project", tmp_path / "cache"))


def stack_of(machine: ChosenMachine, text: str) -> StackFile:
    """A stack of the machine's project, with such a file."""
    project = machine.layout.project
    (project / "stacks").mkdir(parents=True, exist_ok=True)
    (project / "Pulumi.yaml").write_text("stackConfigDir: stacks\nconfig: {modelPath: {default: sample.pkl}}\n")
    (project / "stacks" / "Pulumi.trial.yaml").write_text(text)
    return StackFile(project, "trial")


def test_commands_get_what_the_file_says(machine: ChosenMachine) -> None:
    said = io.StringIO()
    ready = setup.ensure(machine, Console(said, {}))
    assert ready.pulumi == Path("/usr/bin/pulumi")
    assert ready.own_passphrase
    assert ready.environ["PULUMI_HOME"] == str(machine.layout.pulumi_home)
    assert ready.environ["MODEL_WEBSERVICE_BASE_IMAGE"] == base_image.PYTHON.fall_back
    assert ready.environ["MODEL_WEBSERVICE_GATEWAY_IMAGE"] == base_image.GATEWAY.fall_back
    assert machine.layout.passphrase.exists()
    text = machine.layout.env.read_text()
    assert machine.layout.passphrase.read_text().strip() not in text
    assert all(name in text for name in ready.environ if name.startswith(("PULUMI_", "MODEL_")))
    setup.ensure(machine, Console(said, {}))
    assert said.getvalue().splitlines() == [
        f"state          made: {machine.layout.state}, with a passphrase of its own, as there is no login",
        f"state          found: {machine.layout.state}, as there is no login",
    ]


def test_with_a_login_and_a_passphrase_of_the_users_nothing_is_made(machine: ChosenMachine) -> None:
    users = {**machine.environ, "PULUMI_ACCESS_TOKEN": "pul-secret"}
    logged_in = ChosenMachine(users, machine.layout)
    said = io.StringIO()
    ready = setup.ensure(logged_in, Console(said, {}))
    assert said.getvalue() == "state          found: your login, Pulumi Cloud (PULUMI_ACCESS_TOKEN)\n"
    assert not ready.own_passphrase
    assert not machine.layout.state.exists()
    assert "pul-secret" not in machine.layout.env.read_text()


@pytest.mark.parametrize("there", ["", base_image.GATEWAY.fall_back])
def test_a_stack_without_a_gateway_takes_its_image_only_where_it_is_there(
    machine: ChosenMachine, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    monkeypatch.setattr(base_image, "found", always(there))
    ready = setup.ensure(machine, Console(io.StringIO(), {}), stack=stack_of(machine, ""))
    assert ready.environ.get("MODEL_WEBSERVICE_GATEWAY_IMAGE", "") == there


def test_a_stack_with_a_gateway_gets_its_image(machine: ChosenMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_image, "found", never(AssertionError("not asked for")))
    stack = stack_of(machine, "config:\n  model-webservice:zeroDowntime: true\n")
    ready = setup.ensure(machine, Console(io.StringIO(), {}), stack=stack)
    assert ready.environ["MODEL_WEBSERVICE_GATEWAY_IMAGE"] == base_image.GATEWAY.fall_back


@pytest.fixture
def asked(machine: ChosenMachine, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The parts that are asked of a daemon, each with the daemon's address."""
    seen = []

    def ensure(machine: ChosenMachine, console: Console, chosen: Endpoint | None = None) -> Daemon:
        running = Daemon(chosen or Endpoint("ssh://users", "the context in use"), "28", "amd64")
        seen.append(("daemon", running.endpoint.host))
        return running

    def image(machine: ChosenMachine, running: Daemon, *given: Any, base: Any = base_image.PYTHON, **other: Any) -> str:
        seen.append((base.part, running.endpoint.host))
        return base.fall_back

    monkeypatch.setattr(daemon, "ensure", ensure)
    monkeypatch.setattr(daemon, "users", always(Endpoint("ssh://users", "the context in use")))
    monkeypatch.setattr(base_image, "ensure", image)
    monkeypatch.setattr(base_image, "found", always(""))
    return seen


OWN_HOST = "config:\n  model-webservice:dockerHost: ssh://far\n  model-webservice:zeroDowntime: true\n"


def test_a_stack_that_names_its_daemon_needs_no_other(machine: ChosenMachine, asked: list[tuple[str, str]]) -> None:
    ready = setup.ensure(machine, Console(io.StringIO(), {}), stack=stack_of(machine, OWN_HOST))
    assert {host for _, host in asked} == {"ssh://far"}
    assert {part for part, _ in asked} == {"daemon", "base image", "gateway image"}
    assert "DOCKER_HOST" not in ready.environ, "the program names it, and the daemon's certificates are no other's"


def test_the_file_to_source_leads_other_stacks_to_the_users_daemon(
    machine: ChosenMachine, asked: list[tuple[str, str]]
) -> None:
    setup.ensure(machine, Console(io.StringIO(), {}), stack=stack_of(machine, OWN_HOST))
    assert "DOCKER_HOST=ssh://users" in machine.layout.env.read_text()
    assert "ssh://far" not in machine.layout.env.read_text()
    setup.ensure(machine, Console(io.StringIO(), {}), stack=stack_of(machine, ""))
    assert machine.layout.env.read_text().count("DOCKER_HOST=") == 1


@pytest.mark.parametrize(("text", "path"), [("", "sample.pkl"), ("config: {modelPath: own.pkl}\n", "own.pkl")])
def test_the_model_is_the_stacks(machine: ChosenMachine, monkeypatch: pytest.MonkeyPatch, text: str, path: str) -> None:
    given: list[str] = []
    monkeypatch.setattr(model, "ensure", lambda machine, console, *paths: given.extend(paths))
    setup.ensure(machine, Console(io.StringIO(), {}), stack=stack_of(machine, text))
    assert given == [path]


def test_secrets_need_no_daemon(machine: ChosenMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "ensure", never(AssertionError("not asked for")))
    setup.ensure(machine, Console(io.StringIO(), {}), deploying=False, asking=False)


def test_taking_down_needs_no_base_image_and_leaves_the_file_alone(
    machine: ChosenMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_image, "ensure", never(AssertionError("not asked for")))
    monkeypatch.setattr(model, "ensure", never(AssertionError("not asked for")))
    setup.ensure(machine, Console(io.StringIO(), {}), deploying=False)
    assert not machine.layout.env.exists()


def test_all_failures_are_told_and_nothing_is_written(machine: ChosenMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ensure", never(StepError("Pulumi", [("a download", "no network")], "Install it.")))
    monkeypatch.setattr(daemon, "ensure", never(Unavailable("no daemon")))
    said = io.StringIO()
    with pytest.raises(SetupError):
        setup.ensure(machine, Console(said, {}))
    assert "error: Pulumi is missing.\n  tried a download: no network\n  Install it.\n" in said.getvalue()
    assert "error: no daemon\n" in said.getvalue()
    assert not machine.layout.env.exists()
    assert not machine.layout.state.exists()


def test_a_mistake_of_the_toolchains_own_is_not_taken_for_a_missing_part(
    machine: ChosenMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "ensure", never(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        setup.ensure(machine, Console(io.StringIO(), {}))


@pytest.mark.parametrize(
    ("text", "backend"),
    [
        ("name: x\nbackend:\n  url: s3://bucket\n", "s3://bucket"),
        ("name: x\n", ""),
        ("name: x\nbackend:\n", ""),
        ("- odd\n", ""),
        ("a: [", ""),
    ],
)
def test_a_projects_own_backend_is_read(text: str, backend: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(text)
    assert project_backend(tmp_path / "Pulumi.yaml") == backend
    assert project_backend(tmp_path / "none.yaml") == ""
