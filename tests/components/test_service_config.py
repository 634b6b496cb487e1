"""The deployment configuration: one style, limits, labels, and a port that is free."""

import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components import service_config
from components.daemon import Published
from components.problems import Problem
from components.service_config import Style
from tests.components.engine import FakeDaemon

CONFIG = {"execution_script": "score.py"}


@pytest.mark.parametrize(
    ("args", "style"),
    [
        ({"model_paths": ["model.bin"], "image_config": CONFIG}, Style.MODEL_FILES),
        ({"models": ["mnist"], "image_config": CONFIG}, Style.MODELS),
        ({"image": "myimage1:1"}, Style.IMAGE),
        ({"image": "myimage1:1", "models": [], "model_paths": []}, Style.IMAGE),
        ({"image": "", "models": ["mnist"], "image_config": CONFIG}, Style.MODELS),
        ({"image": None, "models": ["mnist"], "image_config": CONFIG}, Style.MODELS),
    ],
)
def test_the_style_is_the_one_input_that_is_given(args: dict[str, Any], style: Style) -> None:
    assert service_config.style_of(args) is style


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({}, r"nothing to deploy: give one of modelPaths \(from model files\), models .* or image \(from an image\)"),
        ({"image": "", "models": []}, r"nothing to deploy"),
        ({"image": "i", "models": ["m"]}, r"models, image are given, one is allowed: keep models and drop image\."),
        ({"image": "i", "model_paths": ["m"]}, r"modelPaths, image are given, .*: keep modelPaths and drop image\."),
        ({"image": "i", "image_config": CONFIG}, r"imageConfig is given with image, which is made already: drop image"),
        ({"models": ["m"]}, r"models needs imageConfig, at least its executionScript"),
        ({"model_paths": ["m"], "image_config": {}}, r"modelPaths needs imageConfig"),
    ],
)
def test_no_or_several_styles_are_refused_with_what_to_drop(args: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said):
        service_config.style_of(args)


def test_what_is_not_said_has_azures_defaults() -> None:
    config = service_config.check("aci-mnist-1", {"image": "i:1"})
    assert config == service_config.ServiceConfig(
        name="aci-mnist-1",
        style=Style.IMAGE,
        cpus="",  # what the image needs, or Azure ML's 0.1 cores and 0.5 GB
        memory_mb=0,
        port=0,
        bind_address="127.0.0.1",
        stop_grace_seconds=30,
        wait_timeout=300,
        labels={"model-webservice.service.name": "aci-mnist-1"},
    )


def test_numbers_may_come_as_other_languages_send_them() -> None:
    config = service_config.check(
        "svc",
        {
            "image": "i",
            "port": 8080.0,
            "cpu_cores": 1.0,
            "memory_gb": 1.0,
            "stop_grace_seconds": 5.0,
            "wait_timeout": 9.0,
        },
    )
    whole = (config.port, config.memory_mb, config.stop_grace_seconds, config.wait_timeout)
    assert whole == (8080, 1024, 5, 9)
    assert {type(number) for number in whole} == {int}


def test_labels_are_canonical() -> None:
    args = {"tags": {"b": "2", "a": "1"}, "properties": {"y": "2", "x": "1"}, "description": "d", "image": "i"}
    assert service_config.check("svc", args).labels == {
        "model-webservice.service.name": "svc",
        "model-webservice.service.tags": '{"a": "1", "b": "2"}',
        "model-webservice.service.properties": '{"x": "1", "y": "2"}',
        "model-webservice.service.description": "d",
    }


@pytest.mark.parametrize("text", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_an_address_is_an_ip_address(text: str) -> None:
    assert service_config.bind_address(text) == text


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:80", "256.0.0.1", "[::1]"])
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(Problem, match=r"bindAddress is '.*': give an IP address, such as 127.0.0.1 or 0.0.0.0"):
        service_config.bind_address(text)


@pytest.mark.parametrize(
    ("bind", "host", "address"),
    [
        ("127.0.0.1", "unix:///var/run/docker.sock", "127.0.0.1"),
        ("127.0.0.1", "ssh://user@edge", "127.0.0.1"),
        ("0.0.0.0", "unix:///var/run/docker.sock", "127.0.0.1"),
        ("0.0.0.0", "", "127.0.0.1"),
        ("0.0.0.0", "ssh://user@edge:22", "edge"),
        ("0.0.0.0", "tcp://10.0.0.7:2375", "10.0.0.7"),
        ("::", "tcp://10.0.0.7:2375", "10.0.0.7"),
        ("10.0.0.7", "tcp://10.0.0.7:2375", "10.0.0.7"),
        ("::1", "", "[::1]"),
    ],
)
def test_callers_find_a_service_at_its_public_address(bind: str, host: str, address: str) -> None:
    assert service_config.public_address(bind, host) == address


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "10.0.0.7", True),
        ("::", "::1", True),
    ],
)
def test_addresses_clash_when_one_port_cannot_be_listened_on_at_both(one: str, other: str, together: bool) -> None:
    assert service_config.overlap(one, other) is together


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this machine that another process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def config(port: int, bind_address: str = "127.0.0.1") -> service_config.ServiceConfig:
    return service_config.check("svc", {"image": "i", "port": port, "bind_address": bind_address})


def check_port(daemon: FakeDaemon, port: int, bind_address: str = "127.0.0.1") -> None:
    service_config.check_port_free(config(port, bind_address), daemon)  # type: ignore[arg-type] # the same methods


def test_a_port_that_a_process_listens_on_is_taken(daemon: FakeDaemon, taken: int) -> None:
    with pytest.raises(
        Problem,
        match=rf"the port {taken} on 127.0.0.1 is taken by another process: give another port, or 0 to let Docker",
    ):
        check_port(daemon, taken)


def test_a_port_that_a_process_listens_on_elsewhere_is_free(daemon: FakeDaemon, taken: int) -> None:
    check_port(daemon, taken, "127.0.0.2")


def test_a_port_that_a_process_left_is_free(daemon: FakeDaemon) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    check_port(daemon, port)


def test_a_port_that_a_process_uses_on_another_machine_is_not_asked_for(
    daemon: FakeDaemon, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDaemon, "is_local", False)
    check_port(daemon, taken)


def test_a_port_that_another_container_publishes_is_taken(daemon: FakeDaemon) -> None:
    daemon.ports = [Published("0.0.0.0", 8080, "web")]
    with pytest.raises(Problem, match=r"the port 8080 on 127.0.0.1 is taken by the container 'web': give another port"):
        check_port(daemon, 8080)


def test_a_port_that_the_services_own_container_publishes_is_its_own(daemon: FakeDaemon, taken: int) -> None:
    daemon.ports = [Published("127.0.0.1", taken, "svc")]
    check_port(daemon, taken)


def test_a_port_that_docker_chooses_is_always_free(daemon: FakeDaemon) -> None:
    daemon.ports = [Published("0.0.0.0", 0, "web")]
    check_port(daemon, 0)


def test_a_port_that_only_root_may_listen_on_is_left_to_docker(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    check_port(daemon, 80)


ELSEWHERE = "192.0.2.7"
"""An address for documentation (RFC 5737), which no machine has."""


@pytest.mark.parametrize("port", [0, 8080])
@pytest.mark.parametrize("address", [ELSEWHERE, "2001:db8::7"])
def test_an_address_that_this_machine_lacks_is_told_as_such(daemon: FakeDaemon, address: str, port: int) -> None:
    said = (
        rf"bindAddress is '{address}', which this machine does not have: give one of its own, 127\.0\.0\.1 for callers "
    )
    with pytest.raises(Problem, match=said):
        check_port(daemon, port, address)


def test_an_address_of_another_machine_is_not_looked_for_here(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDaemon, "is_local", False)
    check_port(daemon, 0, ELSEWHERE)
    check_port(daemon, 8080, ELSEWHERE)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_an_address_that_this_machine_has_is_taken(daemon: FakeDaemon, address: str) -> None:
    check_port(daemon, 0, address)


def test_a_machine_without_ipv6_has_none_of_its_addresses(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(Problem, match=r"bindAddress is '::1', which this machine does not have"):
        check_port(daemon, 0, "::1")


@pytest.mark.parametrize("paths", [["a/m.pkl", "b/m.pkl"], ["a/m.pkl", "a/m.pkl"], ["m.pkl", "b", "a/../b/m.pkl"]])
def test_model_files_of_one_name_are_refused(paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("score.py").write_text("init = run = print")
    for folder in ("a", "b", "."):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, "m.pkl").touch()
    one, other = paths[0], paths[-1]
    said = rf"modelPaths has '{one}' and '{other}', which would both be registered as 'm.pkl': rename one, or register"
    with pytest.raises(Problem, match=said):
        service_config.check("svc", {"model_paths": paths, "image_config": CONFIG})


def test_model_paths_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("score.py").write_text("init = run = print")
    with pytest.raises(Problem, match=r"the model 'none.bin' does not exist"):
        service_config.check("svc", {"model_paths": ["none.bin"], "image_config": CONFIG})
