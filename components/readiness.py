"""The wait until a service is ready: the counterpart of Azure ML's `wait_for_deployment`.

The container is followed by the Docker API: its state and log lines are said as they come, readiness is what its own
health check says when it is run at once instead of at the next interval, and an exit ends the wait immediately.
"""

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Protocol

from components.dockerfile import HEALTH_PORT, PORT
from components.problems import Problem

LOG_LINES = 50
"""How many of the container's last log lines an error carries."""

POLL_SECONDS = 0.2
"""Docker has no event for 'ready' nor for a restart's cause, so the container is looked at this often, and when it has
said something."""

ASK_INSIDE_EVERY = 10
"""How many questions from outside come before one inside: this program may run where published ports do not lead."""

KILLED = 128 + 9
"""The exit code of a process that signal 9 ended, whoever sent it."""

HEALTHY, UNHEALTHY, TRANSITIONING = "Healthy", "Unhealthy", "Transitioning"
"""States of a service, named as Azure ML names them."""


def health_check(port: int) -> list[str]:
    """Return Docker's check: ask the server for `/`, without TLS, by a connection of the shell, as no Python starts."""
    ask = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && "
        'read -r -t 3 _ status _ <&3 && [ "$status" = 200 ]'
    )
    return ["CMD", "bash", "-c", ask]


HEALTH_CHECK = health_check(PORT)
HEALTH_CHECK_BESIDE_TLS = health_check(HEALTH_PORT)
"""Asks the port that answers health checks alone: the service's own wants TLS."""


@dataclass(frozen=True)
class Look:
    """What one look at the container shows."""

    status: str
    """Docker's word: created, running, restarting, exited, ..."""
    exit_code: int
    restarts: int
    started_at: str
    out_of_memory: bool = False


class Container(Protocol):
    """A container as the wait needs it."""

    def look(self) -> Look | None:
        """Return what the container shows now; None when it is gone."""

    def is_ready(self) -> bool:
        """Run the health check now."""

    def tail(self, lines: int) -> list[str]:
        """Return the last log lines."""

    def follow(self, say: Callable[[str], None]) -> Callable[[], None]:
        """Say each new log line as it comes; the function returned ends that."""


class NotReady(Problem):
    """The service did not become ready."""


def wait_until_ready(
    container: Container,
    *,
    service: str,
    timeout: float,
    say: Callable[[str], None],
    say_state: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] | None = None,
) -> str:
    """Wait until `container` answers its health check and return `Healthy`.

    Args:
        service: the service's name, for messages.
        timeout: seconds until a container that runs, but does not get ready, is given up.
        say: takes the container's log lines.
        say_state: takes a line on the state, which the next such line replaces.
        pause: waits between two looks for so many seconds; by default, no longer than until the next log line.

    Raises:
        NotReady: the container exited, was removed, or did not get ready in time; with its last log lines.
    """
    start = clock()
    first = container.look()
    if first and first.status == "running" and container.is_ready():
        return HEALTHY
    spoken = threading.Event()

    def hear(line: str) -> None:
        say(line)
        spoken.set()

    pause = pause or spoken.wait
    unfollow = container.follow(hear)
    try:
        while True:
            spoken.clear()
            seen = container.look()
            waited = clock() - start
            if seen is None:
                raise NotReady(
                    f"the container of {service} was removed while it was waited for. Run 'pulumi up' again."
                )
            if has_exited(first, seen):
                raise NotReady(exit_message(service, seen, container.tail(LOG_LINES)))
            if seen.status == "running" and container.is_ready():
                say_state(f"{service}: {HEALTHY} after {waited:.1f} s")
                return HEALTHY
            if waited >= timeout:
                raise NotReady(timeout_message(service, timeout, seen, container.tail(LOG_LINES)))
            say_state(f"{service}: {TRANSITIONING} ({seen.status}), {waited:.0f} of {timeout:.0f} s")
            pause(POLL_SECONDS)
    finally:
        unfollow()


def state_of(container: Container) -> str:
    """Return the state of a container at one look, without a wait."""
    seen = container.look()
    if seen and seen.status == "running":
        return HEALTHY if container.is_ready() else TRANSITIONING
    return UNHEALTHY


def has_exited(first: Look | None, seen: Look) -> bool:
    """Return whether the container's process ended: it is not running, or Docker has started another since.

    A container that Docker restarted before the first look counts as well: nothing healthy restarts and is not ready.
    """
    if seen.status in ("exited", "dead", "restarting", "removing"):
        return True
    started_again = first is not None and first.status == "running" and seen.started_at != first.started_at
    return seen.restarts > 0 or (seen.status == "running" and started_again)


def exit_message(service: str, seen: Look, log: list[str]) -> str:
    """Return why a service whose container exited is not ready."""
    return with_log(
        f"the container of {service} exited with code {seen.exit_code}{cause_of_exit(seen)} before it was ready. "
        "Correct the script's init() or what the log names, and run 'pulumi up' again.",
        log,
    )


def cause_of_exit(seen: Look) -> str:
    """Return what is known of why a container's process ended, in parentheses; empty where its log has to tell."""
    if seen.out_of_memory:
        return " (out of memory: raise memoryGb)"
    if seen.exit_code == KILLED:
        return (
            " (killed, signal 9, not for its own limit of memory: by docker kill, by docker stop after its grace time, "
            "or by a host that itself ran out of memory)"
        )
    return ""


def timeout_message(service: str, timeout: float, seen: Look, log: list[str]) -> str:
    """Return why a service that never got ready was given up."""
    return with_log(
        f"{service} was not ready after {timeout:.0f} s; its container is {seen.status}. "
        "If init() needs longer, raise waitTimeout; else see what the log says.",
        log,
    )


def with_log(message: str, log: list[str]) -> str:
    """Return `message` with the last log lines below it."""
    if not log:
        return f"{message}\nThe container wrote no log."
    return "\n".join([message, f"Its last {len(log)} log lines:", *(f"  {line}" for line in log)])


def answers(address: str, port: int, *, tls: bool = False) -> bool:
    """Return whether the server at `address`:`port` says that it is healthy."""
    host = "127.0.0.1" if address == "0.0.0.0" else address  # noqa: S104
    connection = (
        HTTPSConnection(host, port, timeout=3, context=anyone()) if tls else HTTPConnection(host, port, timeout=3)
    )
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def anyone() -> ssl.SSLContext:
    """Return a TLS context that asks for no proof: the daemon says whose port it is, and nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class DockerContainer:
    """A container of a Docker daemon.

    Args:
        client: the connection to the daemon.
        container_id: the container's id or name.
        local: whether ports that the daemon publishes are this machine's: then the service is asked as its callers
            will, which costs next to nothing, while a health check inside the container starts a process.
        tls: whether the service wants TLS.
        check_port: the port that answers health checks inside; 0 for the server's own.
    """

    def __init__(
        self, client: Any, container_id: str, *, local: bool = False, tls: bool = False, check_port: int = 0
    ) -> None:
        self.api = client.api
        self.id = container_id
        self.local = local
        self.tls = tls
        self.check = health_check(check_port or (HEALTH_PORT if tls else PORT))
        self.published: tuple[str, int] | None = None
        self.asked = 0

    def look(self) -> Look | None:
        """Return what the container shows now; None when it is gone."""
        import docker.errors

        try:
            seen = self.api.inspect_container(self.id)
        except docker.errors.NotFound:
            return None
        bindings = (seen.get("NetworkSettings", {}).get("Ports") or {}).get(f"{PORT}/tcp") or []
        self.published = (bindings[0]["HostIp"] or "127.0.0.1", int(bindings[0]["HostPort"])) if bindings else None
        state, restarts = seen["State"], seen["RestartCount"]
        code, out_of_memory = state["ExitCode"], bool(state.get("OOMKilled"))
        if restarts and state["Status"] == "running":
            code, out_of_memory = self.last_end()
        return Look(state["Status"], code, restarts, state["StartedAt"], out_of_memory)

    def last_end(self) -> tuple[int, bool]:
        """Return the code that the process ended with last, and whether it ever ran out of memory.

        Docker forgets both when it starts the container again.
        """
        filters = {"container": self.id, "event": ["die", "oom"]}
        events = list(self.api.events(since="0", until=f"{time.time():.6f}", filters=filters, decode=True))
        codes = [int(event["Actor"]["Attributes"]["exitCode"]) for event in events if event["Action"] == "die"]
        return codes[-1] if codes else 0, any(event["Action"] == "oom" for event in events)

    def is_ready(self) -> bool:
        """Ask the server now; a container that stops meanwhile is not ready."""
        import docker.errors

        if self.local and self.published:
            self.asked += 1
            if answers(*self.published, tls=self.tls):
                return True
            if self.asked % ASK_INSIDE_EVERY:
                return False
        try:
            run = self.api.exec_create(self.id, self.check[1:])
            self.api.exec_start(run["Id"])
            return bool(self.api.exec_inspect(run["Id"])["ExitCode"] == 0)
        except docker.errors.APIError:
            return False

    def tail(self, lines: int) -> list[str]:
        """Return the last log lines, those of a dead container too."""
        text = self.api.logs(self.id, tail=lines).decode("utf-8", "replace")
        return [line.rstrip() for line in text.splitlines()]

    def follow(self, say: Callable[[str], None]) -> Callable[[], None]:
        """Say each log line as it comes, from a thread of its own."""
        stream = self.api.logs(self.id, stream=True, follow=True)

        def read() -> None:
            rest = b""
            try:
                for chunk in stream:
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        say(line.decode("utf-8", "replace").rstrip())
            except Exception:  # noqa: S110 - the stream ends with whatever error its closing makes
                pass

        threading.Thread(target=read, daemon=True).start()
        return lambda: stream.close()
