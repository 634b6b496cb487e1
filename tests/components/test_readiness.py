"""The wait for a service: by a script of looks and a clock that runs when the wait pauses; then by real containers."""

import contextlib
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from components import readiness
from components.readiness import Look, NotReady
from tests.components.engine import FakeClient, FakeContainer
from tests.pki import make_certificate
from tests.ports import free_port

RUNNING = Look("running", 0, 0, "t1")
CREATED = Look("created", 0, 0, "")
GONE = None


@dataclass
class Scripted:
    """A container whose looks follow a script, the last one lasting; ready from the given look on."""

    looks: list[Look | None]
    ready_at: int | None = None
    log: list[str] = field(default_factory=list)
    looked: int = 0
    tailed: int = 0
    following: bool = False
    followed: bool = False

    def look(self) -> Look | None:
        seen = self.looks[min(self.looked, len(self.looks) - 1)]
        self.looked += 1
        return seen

    def is_ready(self) -> bool:
        return self.ready_at is not None and self.looked >= self.ready_at

    def tail(self, lines: int) -> list[str]:
        self.tailed = lines
        return self.log[-lines:]

    def follow(self, say: Callable[[str], None]) -> Callable[[], None]:
        self.following = self.followed = True
        for line in self.log:
            say(line)

        def end() -> None:
            self.following = False

        return end


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Waited:
    """What a wait said, and the time that it took."""

    state: str = ""
    said: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def wait(self, container: Scripted, timeout: float = 300) -> "Waited":
        self.state = readiness.wait_until_ready(
            container,
            service="aci-mnist-1",
            timeout=timeout,
            say=self.said.append,
            say_state=self.states.append,
            clock=self.clock,
            pause=self.clock.pause,
        )
        return self


def test_a_service_that_is_ready_at_once_is_neither_followed_nor_waited_for() -> None:
    container = Scripted([RUNNING], ready_at=1, log=["old line"])
    waited = Waited().wait(container)
    assert (waited.state, waited.said, waited.states) == ("Healthy", [], [])
    assert not container.followed
    assert waited.clock.now == 100


def test_a_service_that_gets_ready_is_followed_until_it_is() -> None:
    container = Scripted([CREATED, CREATED, RUNNING], ready_at=5, log=["loading", "loaded"])
    waited = Waited().wait(container)
    assert waited.state == "Healthy"
    assert waited.said == ["loading", "loaded"]
    assert waited.states[0] == "aci-mnist-1: Transitioning (created), 0 of 300 s"
    assert waited.states[1] == "aci-mnist-1: Transitioning (running), 0 of 300 s"
    assert waited.states[-1] == "aci-mnist-1: Healthy after 0.6 s"
    assert container.followed
    assert not container.following


KILLED = (
    " (killed, signal 9, not for its own limit of memory: by docker kill, by docker stop after its grace time, or by a "
    "host that itself ran out of memory)"
)


@pytest.mark.parametrize(
    ("looks", "code", "cause"),
    [
        ([CREATED, Look("exited", 1, 0, "t1")], 1, ""),
        ([Look("exited", 3, 0, "t1")], 3, ""),
        ([RUNNING, RUNNING, Look("dead", 2, 0, "t1")], 2, ""),
        ([RUNNING, Look("restarting", 1, 1, "t1")], 1, ""),
        ([RUNNING, Look("removing", 0, 0, "t1")], 0, ""),
        ([RUNNING, Look("running", 4, 1, "t2")], 4, ""),
        ([RUNNING, Look("running", 5, 0, "t2")], 5, ""),
        ([Look("running", 6, 2, "t3")], 6, ""),
        ([RUNNING, Look("exited", 137, 0, "t1")], 137, KILLED),
        ([RUNNING, Look("restarting", 137, 1, "t1")], 137, KILLED),
        ([RUNNING, Look("running", 137, 1, "t2")], 137, KILLED),
        ([RUNNING, Look("exited", 143, 0, "t1")], 143, ""),
        ([RUNNING, Look("exited", 137, 0, "t1", out_of_memory=True)], 137, " (out of memory: raise memoryGb)"),
        ([RUNNING, Look("running", 137, 1, "t2", out_of_memory=True)], 137, " (out of memory: raise memoryGb)"),
        ([RUNNING, Look("exited", 1, 0, "t1", out_of_memory=True)], 1, " (out of memory: raise memoryGb)"),
    ],
)
def test_an_exit_ends_the_wait_with_its_code_and_log(looks: list[Look | None], code: int, cause: str) -> None:
    container = Scripted(looks, log=["Traceback", "KeyError: 'x'"])
    waited = Waited()
    with pytest.raises(NotReady) as error:
        waited.wait(container)
    assert str(error.value) == (
        f"the container of aci-mnist-1 exited with code {code}{cause} before it was ready. Correct the script's init() "
        "or what the log names, and run 'pulumi up' again.\nIts last 2 log lines:\n  Traceback\n  KeyError: 'x'"
    )
    assert waited.clock.now < 101
    assert not container.following


def test_an_error_carries_the_last_fifty_log_lines() -> None:
    container = Scripted([Look("exited", 1, 0, "t1")], log=[f"line {number}" for number in range(80)])
    with pytest.raises(NotReady, match=r"(?s)last 50 log lines:\n  line 30\n.*line 79$"):
        Waited().wait(container)
    assert container.tailed == 50


def test_a_container_without_a_log_is_said_to_have_none() -> None:
    with pytest.raises(NotReady, match=r"\nThe container wrote no log\.$"):
        Waited().wait(Scripted([Look("exited", 1, 0, "t1")]))


def test_a_start_between_two_looks_is_no_restart() -> None:
    waited = Waited().wait(Scripted([CREATED, RUNNING], ready_at=3))
    assert waited.state == "Healthy"


@pytest.mark.parametrize("looks", [[RUNNING, RUNNING, GONE], [CREATED, GONE], [GONE]])
def test_a_container_that_is_removed_ends_the_wait(looks: list[Look | None]) -> None:
    container = Scripted(looks)
    with pytest.raises(NotReady, match=r"aci-mnist-1 was removed while it was waited for\. Run 'pulumi up' again"):
        Waited().wait(container)
    assert not container.following


def test_a_service_that_never_gets_ready_is_given_up_at_its_timeout() -> None:
    container, waited = Scripted([RUNNING], log=["still loading"]), Waited()
    with pytest.raises(NotReady) as error:
        waited.wait(container, timeout=10)
    assert str(error.value) == (
        "aci-mnist-1 was not ready after 10 s; its container is running. If init() needs longer, raise waitTimeout; "
        "else see what the log says.\nIts last 1 log lines:\n  still loading"
    )
    assert waited.clock.now == pytest.approx(110, abs=readiness.POLL_SECONDS)
    assert not container.following


@pytest.mark.parametrize(
    ("look", "ready", "state"),
    [
        (RUNNING, True, "Healthy"),
        (RUNNING, False, "Transitioning"),
        (CREATED, True, "Unhealthy"),
        (Look("exited", 0, 0, "t1"), True, "Unhealthy"),
        (GONE, True, "Unhealthy"),
    ],
)
def test_the_state_is_that_of_one_look(look: Look | None, ready: bool, state: str) -> None:
    container = Scripted([look], ready_at=1 if ready else None)
    assert readiness.state_of(container) == state
    assert container.looked == 1
    assert not container.followed


def test_the_health_check_starts_a_shell_and_no_python() -> None:
    command, *words = readiness.HEALTH_CHECK
    assert (command, words[0]) == ("CMD", "bash")
    assert "/dev/tcp/127.0.0.1/5001" in words[-1]
    assert "python" not in " ".join(words)
    assert "/dev/tcp/127.0.0.1/5000" in readiness.HEALTH_CHECK_BESIDE_TLS[-1]


def test_what_docker_says_becomes_a_look_and_a_tail() -> None:
    client = FakeClient({"c": FakeContainer("exited", 3, log=["a", "b  ", "c"])})
    container = readiness.DockerContainer(client, "c")
    assert container.look() == Look("exited", 3, 0, "now")
    assert container.tail(2) == ["b", "c"]
    assert readiness.DockerContainer(client, "other").look() is None


def test_the_exit_code_of_a_restarted_container_is_that_of_its_last_end() -> None:
    client = FakeClient({"c": FakeContainer("running", 0, restarts=2, died=[1, 7])})
    assert readiness.DockerContainer(client, "c").look() == Look("running", 7, 2, "now")


@pytest.mark.parametrize(
    ("state", "look"),
    [
        (FakeContainer("exited", 137), Look("exited", 137, 0, "now")),
        (FakeContainer("exited", 137, out_of_memory=True), Look("exited", 137, 0, "now", out_of_memory=True)),
        (FakeContainer("running", restarts=1, died=[137]), Look("running", 137, 1, "now")),
        (
            FakeContainer("running", restarts=1, died=[137], out_of_memory=True),
            Look("running", 137, 1, "now", out_of_memory=True),
        ),
    ],
)
def test_a_container_ran_out_of_memory_when_the_daemon_says_so(state: FakeContainer, look: Look) -> None:
    assert readiness.DockerContainer(FakeClient({"c": state}), "c").look() == look


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Serve a status on a port of this machine, which is returned."""
    started: list[tuple[HTTPServer, threading.Thread]] = []

    def start(status: int, *, tls: bool = False) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Keep the tests' output free of access lines."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*make_certificate(tmp_path))
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((server, thread))
        return server.server_port

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (502, False), (503, False)])
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_server_is_healthy_when_it_says_so(
    serve: Callable[..., int], address: str, status: int, healthy: bool
) -> None:
    assert readiness.answers(address, serve(status)) is healthy


def test_a_server_with_tls_is_asked_with_tls_whatever_its_name(serve: Callable[..., int]) -> None:
    port = serve(200, tls=True)
    assert readiness.answers("127.0.0.1", port, tls=True)


def test_a_port_that_nobody_listens_on_is_not_healthy() -> None:
    assert not readiness.answers("127.0.0.1", free_port())


def test_a_server_on_this_machine_is_asked_as_its_callers_will(serve: Callable[[int], int]) -> None:
    fake = FakeContainer(ready=False, published=("127.0.0.1", serve(200)))
    container = readiness.DockerContainer(FakeClient({"c": fake}), "c", local=True)
    assert readiness.state_of(container) == "Healthy"
    assert fake.asked == 0


def test_a_server_that_this_program_cannot_reach_is_asked_inside_now_and_then() -> None:
    fake = FakeContainer(ready=True, published=("127.0.0.1", free_port()))
    container = readiness.DockerContainer(FakeClient({"c": fake}), "c", local=True)
    container.look()
    answers = [container.is_ready() for _ in range(2 * readiness.ASK_INSIDE_EVERY)]
    assert answers == ([False] * (readiness.ASK_INSIDE_EVERY - 1) + [True]) * 2
    assert fake.asked == 2


@pytest.mark.parametrize(("local", "published"), [(False, True), (True, False)])
def test_a_server_that_is_not_published_on_this_machine_is_asked_inside(
    serve: Callable[[int], int], local: bool, published: bool
) -> None:
    fake = FakeContainer(ready=False, published=("127.0.0.1", serve(200)) if published else None)
    container = readiness.DockerContainer(FakeClient({"c": fake}), "c", local=local)
    assert readiness.state_of(container) == "Transitioning"
    assert fake.asked == 1


SERVER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
        self.end_headers()
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", 5001), Handler).serve_forever()
"""


@pytest.fixture
def start(base_image: str) -> Iterator[Callable[..., readiness.DockerContainer]]:
    """Start containers that run a Python program; remove them in the end."""
    client = docker.from_env()
    started: list[Any] = []

    def run(program: str, *arguments: str, **options: Any) -> readiness.DockerContainer:
        container = client.containers.run(
            base_image,
            ["python3", "-c", program, *arguments],
            entrypoint=[],
            detach=True,
            network_mode="none",
            **options,
        )
        started.append(container)
        return readiness.DockerContainer(client, container.id)

    yield run
    for container in started:
        with contextlib.suppress(docker.errors.NotFound):
            container.remove(force=True)
    client.close()


@pytest.mark.e2e
class TestRealContainer:
    """The wait by a real daemon."""

    def wait(self, container: readiness.DockerContainer, timeout: float = 60) -> tuple[str, list[str]]:
        said: list[str] = []
        state = readiness.wait_until_ready(
            container, service="svc", timeout=timeout, say=said.append, say_state=lambda line: None
        )
        return state, said

    def test_a_server_gets_healthy(self, start: Callable[..., readiness.DockerContainer]) -> None:
        container = start(SERVER)
        assert self.wait(container)[0] == "Healthy"
        assert readiness.state_of(container) == "Healthy"
        assert self.wait(container) == ("Healthy", [])

    def test_log_lines_come_as_they_are_written(self, start: Callable[..., readiness.DockerContainer]) -> None:
        container = start("import sys; print('first', flush=True); sys.stdin.read()", stdin_open=True)
        came = threading.Event()
        lines: list[str] = []

        def say(line: str) -> None:
            lines.append(line)
            came.set()

        unfollow = container.follow(say)
        assert came.wait(30)
        unfollow()
        assert lines == ["first"]

    def test_an_exit_is_told_with_its_code_and_log(self, start: Callable[..., readiness.DockerContainer]) -> None:
        container = start("import sys; print('no model'); sys.exit(7)", restart_policy={"Name": "unless-stopped"})
        with pytest.raises(NotReady, match=r"(?s)exited with code 7 before.*\n  no model$"):
            self.wait(container)

    @pytest.mark.parametrize("restarts", ["no", "unless-stopped"])
    def test_one_that_runs_out_of_memory_is_told_so(
        self, start: Callable[..., readiness.DockerContainer], restarts: str
    ) -> None:
        limits: Any = {"mem_limit": "32m", "memswap_limit": "32m", "restart_policy": {"Name": restarts}}
        with pytest.raises(NotReady, match=r"exited with code 137 \(out of memory: raise memoryGb\) before"):
            self.wait(start("held = b'1' * 2**30", **limits))

    def test_one_that_somebody_kills_is_not_out_of_memory(
        self, start: Callable[..., readiness.DockerContainer]
    ) -> None:
        container = start(SERVER, "503")
        container.api.kill(container.id)
        with pytest.raises(NotReady, match=r"exited with code 137 \(killed, signal 9, .* docker kill"):
            self.wait(container)

    def test_a_server_that_answers_with_an_error_is_given_up(
        self, start: Callable[..., readiness.DockerContainer]
    ) -> None:
        with pytest.raises(NotReady, match=r"(?s)not ready after 2 s; its container is running.*serving"):
            self.wait(start(SERVER, "503"), timeout=2)

    def test_a_removed_container_is_gone(self, start: Callable[..., readiness.DockerContainer]) -> None:
        container = start("pass")
        container.api.wait(container.id)
        assert readiness.state_of(container) == "Unhealthy"
        container.api.remove_container(container.id, force=True)
        assert container.look() is None
        assert not container.is_ready()


@pytest.mark.parametrize("check", [readiness.HEALTH_CHECK, readiness.HEALTH_CHECK_BESIDE_TLS])
def test_the_health_check_is_bash_that_parses(check: list[str]) -> None:
    subprocess.run(["bash", "-n", "-c", check[-1]], check=True)
