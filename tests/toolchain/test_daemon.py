"""Which daemon is taken, and starting one for real."""

import contextlib
import io
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.toolchain.machines import ChosenMachine
from toolchain import daemon
from toolchain.console import Console
from toolchain.daemon import ask, fix_for, named, settings, spawn, wait, ways
from toolchain.docker_provider.endpoint import DEFAULT_HOST, Endpoint
from toolchain.environment import resolved
from toolchain.layout import PROJECT, Layout
from toolchain.machine import Machine
from toolchain.step import StepError, Unavailable

DEFAULT = Endpoint(DEFAULT_HOST, "Docker's default")
NAMED = Endpoint("tcp://127.0.0.1:9", "DOCKER_HOST")
APT = {"apt-get": "/usr/bin/apt-get"}
BOTH = {**APT, "dockerd": "/usr/sbin/dockerd"}


@pytest.mark.parametrize(
    ("machine", "endpoint", "possible"),
    [
        (ChosenMachine(programs=BOTH, root=True), DEFAULT, ["running", "start", "install"]),
        (ChosenMachine(programs=APT, root=True), DEFAULT, ["running", "install"]),
        (ChosenMachine(root=True), DEFAULT, ["running"]),
        (ChosenMachine(programs=BOTH), DEFAULT, ["running"]),
        (ChosenMachine(programs=BOTH, root=True), NAMED, ["running"]),
        (
            ChosenMachine(programs=BOTH, root=True),
            Endpoint(DEFAULT_HOST, "DOCKER_HOST"),
            ["running", "start", "install"],
        ),
    ],
)
def test_a_daemon_is_started_only_in_place_of_the_default_one(
    machine: Machine, endpoint: Endpoint, possible: list[str]
) -> None:
    assert [way.name for way in ways(machine, endpoint) if not way.obstacle] == possible


@pytest.mark.parametrize(
    ("machine", "endpoint", "fix"),
    [
        (ChosenMachine(), NAMED, "Start that daemon, or change what names it: DOCKER_HOST."),
        (ChosenMachine(files=frozenset({"/var/run/docker.sock"})), DEFAULT, "usermod -aG docker"),
        (ChosenMachine(), DEFAULT, "Install Docker"),
    ],
)
def test_the_fix_suits_the_cause(machine: Machine, endpoint: Endpoint, fix: str) -> None:
    assert fix in fix_for(machine, endpoint)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (DEFAULT, {}),
        (NAMED, {}),
        (Endpoint("ssh://far", "the context in use"), {"DOCKER_HOST": "ssh://far"}),
        (
            Endpoint("tcp://far:2376", "DOCKER_CONTEXT", Path("/certificates")),
            {"DOCKER_HOST": "tcp://far:2376", "DOCKER_CERT_PATH": "/certificates", "DOCKER_TLS_VERIFY": "1"},
        ),
    ],
)
def test_the_daemon_of_a_context_is_named_to_every_tool(endpoint: Endpoint, expected: dict[str, str]) -> None:
    found = resolved({}, ChosenMachine().layout, settings(endpoint))
    assert {name: value for name, value in found.items() if name.startswith("DOCKER_")} == expected


def test_a_daemon_that_does_not_answer_is_an_error_with_the_reason(tmp_path: Path) -> None:
    machine = Machine({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}, Layout(tmp_path, tmp_path))
    with pytest.raises(StepError) as error:
        daemon.ensure(machine, Console(io.StringIO(), {}))
    assert f"tried unix://{tmp_path}/none.sock (DOCKER_HOST): no such socket" in str(error.value)
    assert "tried to start dockerd: the daemon was named by DOCKER_HOST" in str(error.value)


def test_a_daemon_that_a_setting_names_is_not_replaced(tmp_path: Path) -> None:
    machine = Machine({"DOCKER_HOST": "tcp://127.0.0.1:9"}, Layout(tmp_path, tmp_path))
    source = "the setting dockerHost in stacks/Pulumi.prod.yaml"
    chosen = named(machine, f"unix://{tmp_path}/none.sock", source)
    with pytest.raises(StepError) as error:
        daemon.ensure(machine, Console(io.StringIO(), {}), chosen)
    assert f"tried unix://{tmp_path}/none.sock ({source}): no such socket" in str(error.value)
    assert f"tried to start dockerd: the daemon was named by {source}" in str(error.value)
    assert f"Start that daemon, or change what names it: {source}." in str(error.value)


def test_a_daemon_that_a_setting_names_is_reached_as_the_provider_reaches_it(tmp_path: Path) -> None:
    machine = Machine({"DOCKER_CERT_PATH": "/c", "DOCKER_TLS_VERIFY": "1"}, Layout(tmp_path, tmp_path))
    assert named(machine, "tcp://far:2376", "it") == Endpoint("tcp://far:2376", "it", Path("/c"), True)
    assert named(machine, "ssh://far", "it").certificates is None


def test_a_context_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    environ = {"DOCKER_CONTEXT": "nowhere", "DOCKER_CONFIG": str(tmp_path)}
    with pytest.raises(StepError, match="nowhere"):
        daemon.ensure(Machine(environ, Layout(tmp_path, tmp_path)), Console(io.StringIO(), {}))


def test_a_closed_port_is_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unavailable, match="refused"):
        ask(Endpoint(f"tcp://127.0.0.1:{port}", "test"))


def test_the_end_of_the_log_says_why_a_daemon_did_not_start(tmp_path: Path) -> None:
    log = tmp_path / "new" / "dockerd.log"
    program = "import sys; print('one'); print('failed to mount', file=sys.stderr); sys.exit(4)"
    process = spawn([sys.executable, "-c", program], os.environ, log)
    with pytest.raises(Unavailable, match=r"ended with code 4; the end of .*dockerd\.log: .*failed to mount"):
        wait(process, Endpoint(f"unix://{tmp_path}/docker.sock", "test"), log)


@pytest.fixture
def dockerd_folder() -> Iterator[Path]:
    # A socket's path has a limit of about a hundred characters.
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


class Installed(Machine):
    """This machine, with a dockerd that keeps apart from one that runs already."""

    def which(self, name: str) -> Path | None:
        return self.layout.project / "dockerd" if name == "dockerd" else super().which(name)

    def exists(self, path: Path) -> bool:
        return path != daemon.SYSTEMD and super().exists(path)


def start_as_make_does(folder: Path) -> None:
    """Find or start the daemon of a folder, in a process of its own."""
    host = daemon.DEFAULT_HOST = f"unix://{folder}/docker.sock"
    machine = Installed({**os.environ, "DOCKER_HOST": host}, Layout(folder, folder))
    daemon.ensure(machine, Console(sys.stdout, {}))


@pytest.mark.e2e
def test_an_installed_daemon_is_started_and_outlives_what_started_it(dockerd_folder: Path) -> None:
    needs.root("a Docker daemon of its own")
    needs.programs("unshare")
    dockerd = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert dockerd
    folders = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
    options = [f"--{name}={dockerd_folder / place}" for name, place in folders.items()]
    # A daemon without a bridge removes docker0, which may be another daemon's: it gets network interfaces of its own.
    apart = ["unshare", "--net", dockerd, "--bridge=none", "--iptables=false"]
    wrapper = dockerd_folder / "dockerd"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join([*apart, *options])} "$@"\n')
    wrapper.chmod(0o755)
    code = f"from tests.toolchain.test_daemon import *; start_as_make_does(Path({str(dockerd_folder)!r}))"
    said = [
        subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    folder = Layout(dockerd_folder, dockerd_folder).folder
    pid = int((folder / "dockerd.pid").read_text())
    try:
        found = ask(Endpoint(f"unix://{dockerd_folder}/docker.sock", "test"))
        assert os.getsid(pid) == pid, "an interrupt at the terminal does not reach it"
        with contextlib.closing(found.client()) as client:
            assert client.images.list() == []
        docker = f"Docker {found.version}, {found.endpoint.host}"
        begun = f"started in the background, log: {folder / 'dockerd.log'}"
        assert said[0] == f"daemon: starting ...\ndaemon         made: {docker}, {begun}\n"
        assert said[1] == f"daemon         found: {docker}\n"
        assert "Daemon has completed initialization" in (folder / "dockerd.log").read_text()
    finally:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while (dockerd_folder / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not (dockerd_folder / "pid").exists(), "it removes that file when it has ended"
