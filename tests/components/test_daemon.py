"""The Docker daemon: found as Docker's own client finds it, and asked without a change to it."""

import gc
import inspect
import json
import os
import socket
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from components import daemon
from components.daemon import Daemon, Published
from components.problems import Problem
from tests.components.engine import FakeDaemon

SOCKET = "unix:///var/run/docker.sock"


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a Docker configuration folder with contexts, and no environment variable that names a daemon."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    def make(current: str = "", **hosts: str) -> None:
        (tmp_path / "config.json").write_text(json.dumps({"currentContext": current} if current else {}))
        for name, host in hosts.items():
            folder = tmp_path / "contexts" / "meta" / sha256(name.encode()).hexdigest()
            folder.mkdir(parents=True)
            meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
            (folder / "meta.json").write_text(json.dumps(meta))

    make()
    return make


@pytest.mark.parametrize(
    ("host", "environ", "current", "address"),
    [
        ("", {}, "", SOCKET),
        ("", {}, "default", SOCKET),
        ("", {}, "edge", "tcp://edge:2375"),
        ("", {"DOCKER_CONTEXT": "lab"}, "edge", "ssh://lab"),
        ("", {"DOCKER_CONTEXT": "default"}, "edge", SOCKET),
        ("", {"DOCKER_HOST": "tcp://10.0.0.1:2375", "DOCKER_CONTEXT": "lab"}, "edge", "tcp://10.0.0.1:2375"),
        ("", {"DOCKER_HOST": "unix:///run/user/1000/docker.sock"}, "edge", "unix:///run/user/1000/docker.sock"),
        ("", {"DOCKER_HOST": ""}, "edge", "tcp://edge:2375"),
        ("ssh://user@box", {"DOCKER_HOST": "tcp://10.0.0.1:2375"}, "edge", "ssh://user@box"),
    ],
)
def test_the_daemon_is_found_by_dockers_precedence(
    docker_config: Callable[..., None], host: str, environ: dict[str, str], current: str, address: str
) -> None:
    docker_config(current, edge="tcp://edge:2375", lab="ssh://lab")
    assert daemon.endpoint_of(host, environ) == (address, None)


@pytest.mark.parametrize(("host", "secured"), [("tcp://box:2376", True), ("ssh://box", False)])
def test_a_daemon_that_a_setting_names_gets_the_environments_certificates(
    tmp_path: Path, host: str, secured: bool
) -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
    environ = {"DOCKER_HOST": "tcp://other:2376", "DOCKER_CERT_PATH": str(tmp_path), "DOCKER_TLS_VERIFY": "1"}
    address, tls = daemon.endpoint_of(host, environ)
    assert address == host
    assert (tls is not None) is secured
    assert not secured or tls.ca_cert == str(tmp_path / "ca.pem")


def test_a_context_that_does_not_exist_is_named(docker_config: Callable[..., None]) -> None:
    with pytest.raises(Problem, match=r"the Docker context 'nowhere' does not exist: 'docker context ls'"):
        daemon.endpoint_of("", {"DOCKER_CONTEXT": "nowhere"})


def test_the_current_context_that_does_not_exist_is_named(docker_config: Callable[..., None]) -> None:
    docker_config("nowhere")
    with pytest.raises(Problem, match=r"the Docker context 'nowhere' does not exist: 'docker context ls'"):
        daemon.endpoint_of("", {})


@pytest.mark.filterwarnings(  # the docker package drops a Unix socket that does not connect without closing it
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("host", [f"unix://{os.devnull}/none.sock", "tcp://127.0.0.1:{port}", "nonsense://x"])
def test_a_daemon_that_does_not_answer_is_a_problem_with_the_fix(host: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = host.format(port=free.getsockname()[1])
        with pytest.raises(Problem) as error:
            daemon.connect(address)
    assert f"the Docker daemon at {address} does not answer: " in str(error.value)
    assert "Start it, or name another with DOCKER_HOST, 'docker context use' or the setting dockerHost." in str(
        error.value
    )
    assert "\n" not in str(error.value)
    del error
    gc.collect()


class Api:
    """Docker's API with fixed answers."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.filters: Any = None
        self.removed: list[str] = []

    def remove_image(self, image: str) -> None:
        if image in self.answers.get("used", ()):
            raise docker.errors.APIError("conflict")
        self.removed.append(image)

    def inspect_image(self, reference: str) -> Any:
        if reference not in self.answers["images"]:
            raise docker.errors.ImageNotFound(reference)
        return self.answers["images"][reference]

    def images(self, name: str = "", filters: Any = None) -> Any:
        self.filters = filters
        return self.answers["listed"]

    def containers(self) -> Any:
        return self.answers["containers"]


class Client:
    """Docker's client with fixed answers."""

    def __init__(self, version: dict[str, str] | None = None, **answers: Any) -> None:
        self.api = Api(**answers)
        self.version = lambda: version


@pytest.mark.parametrize(
    ("version", "platform"),
    [
        ({"Os": "linux", "Arch": "amd64"}, "linux/amd64"),
        ({"Os": "linux", "Arch": "x86_64"}, "linux/amd64"),
        ({"Os": "linux", "Arch": "aarch64"}, "linux/arm64"),
        ({"Os": "linux", "Arch": "riscv64"}, "linux/riscv64"),
        ({}, "linux/amd64"),
    ],
)
def test_the_platform_is_the_daemons(version: dict[str, str], platform: str) -> None:
    assert Daemon(Client(version), "").platform() == platform


@pytest.mark.parametrize(
    ("host", "local"),
    [("", True), (SOCKET, True), ("npipe:////./pipe/docker", True), ("ssh://box", False), ("tcp://box:2375", False)],
)
def test_a_daemon_behind_a_socket_is_this_machines(host: str, local: bool) -> None:
    assert Daemon(Client(), host).is_local is local


def test_an_image_is_known_by_its_id_and_labels() -> None:
    images = {
        "a:1": {"Id": "sha256:1", "Config": {"Labels": {"x": "y"}}},
        "b:1": {"Id": "sha256:2", "Config": {"Labels": None}},
        "c:1": {"Id": "sha256:3", "Config": None},
    }
    host = Daemon(Client(images=images), "")
    assert [host.image_id(name) for name in ("a:1", "b:1", "d:1")] == ["sha256:1", "sha256:2", ""]
    assert [host.image_labels(name) for name in ("a:1", "b:1", "c:1", "d:1")] == [{"x": "y"}, {}, {}, {}]


def test_the_variables_of_an_image_are_read() -> None:
    images = {
        "a:1": {"Config": {"Env": ["PATH=/bin", "X=a=b"]}},
        "b:1": {"Config": {"Env": None}},
        "c:1": {"Config": None},
    }
    host = Daemon(Client(images=images), "")
    assert [host.image_environment(name) for name in ("a:1", "b:1", "c:1", "d:1")] == [
        {"PATH": "/bin", "X": "a=b"},
        {},
        {},
        {},
    ]


def test_images_with_a_label_are_listed_the_newest_first() -> None:
    listed = [
        {"Created": 1, "RepoTags": ["models/a:1", "host:5000/models/a:1"]},
        {"Created": 2, "RepoTags": ["<none>:<none>"]},
        {"Created": 3, "RepoTags": ["models/b:1"]},
        {"Created": 4, "RepoTags": None},
    ]
    client = Client(listed=listed)
    assert Daemon(client, "").labelled("l") == ["models/b:1", "models/a:1", "host:5000/models/a:1"]
    assert client.api.filters == {"label": "l"}


def test_images_that_have_lost_their_name_are_removed_unless_a_container_has_them() -> None:
    client = Client(listed=[{"Id": "1"}, {"Id": "2"}], used=["1"])
    Daemon(client, "").remove_nameless({"a": "1", "b": "2"})
    assert client.api.removed == ["2"]
    assert client.api.filters == {"dangling": True, "label": ["a=1", "b=2"]}


def test_tags_of_a_repository_are_listed_the_newest_first() -> None:
    listed = [
        {"Created": 1, "RepoTags": ["models/a:1", "other/a:1"]},
        {"Created": 3, "RepoTags": ["models/a:3"]},
        {"Created": 2, "RepoTags": ["models/a:2", "models/a/b:2"]},
        {"Created": 4, "RepoTags": None},
    ]
    assert Daemon(Client(listed=listed), "").tags_of("models/a") == ["models/a:3", "models/a:2", "models/a:1"]


def test_published_ports_are_those_of_the_host() -> None:
    containers = [
        {"Names": ["/web"], "Ports": [{"IP": "127.0.0.1", "PublicPort": 80, "PrivatePort": 5001}, {"PrivatePort": 1}]},
        {"Names": ["/db"], "Ports": [{"PublicPort": 81, "PrivatePort": 5001}]},
        {"Names": ["/none"], "Ports": []},
    ]
    assert Daemon(Client(containers=containers), "").published() == [
        Published("127.0.0.1", 80, "web"),
        Published("0.0.0.0", 81, "db"),
    ]


def test_the_innermost_cause_is_said_on_one_line() -> None:
    outer, middle = RuntimeError("outer"), ValueError("middle")
    outer.__cause__, middle.__context__ = middle, OSError("no\n such file")
    assert daemon.cause_of(outer) == "no such file"
    assert daemon.cause_of(TimeoutError()) == "TimeoutError"


def test_the_fake_daemon_of_these_tests_has_the_real_ones_methods() -> None:
    def methods(kind: type) -> dict[str, inspect.Signature]:
        return {
            name: inspect.signature(member.fget if isinstance(member, property) else member)
            for name, member in vars(kind).items()
            if not name.startswith("_")
        }

    assert methods(FakeDaemon) == methods(Daemon)


@pytest.mark.e2e
def test_the_real_daemon_is_asked(base_image: str) -> None:
    host = daemon.connect()
    assert host.platform().startswith("linux/")
    assert host.image_id(base_image).startswith("sha256:")
    assert host.image_id("model-webservice-no-such-image:1") == ""
    assert host.image_labels("model-webservice-no-such-image:1") == {}
    assert base_image in host.tags_of(base_image.rpartition(":")[0])
    assert isinstance(host.published(), list)
    assert daemon.connect() is host


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("me/base:1", ("me/base", "1")),
        ("me/base", ("me/base", "latest")),
        ("localhost:5000/base", ("localhost:5000/base", "latest")),
        ("me/base@sha256:00", ("me/base@sha256:00", None)),
    ],
)
def test_a_pull_asks_for_one_tag_or_digest(reference: str, asked: tuple[str, str | None]) -> None:
    seen: list[tuple[str, str | None]] = []

    class Api:
        def pull(self, repository: str, *, tag: str | None, **options: object) -> list[dict[str, str]]:
            seen.append((repository, tag))
            return []

    daemon.Daemon(type("Client", (), {"api": Api()}), "").pull(reference, None)
    assert seen == [asked]
