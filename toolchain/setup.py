"""All parts of the toolchain, found or made, and the environment that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.stack_file import StackFile, mapping_in
from toolchain import base_image, bootstrap, daemon, engine, environment, model, plugin, state
from toolchain.console import Console
from toolchain.environment import Setting
from toolchain.layout import exclusive
from toolchain.machine import Machine
from toolchain.step import StepError, Unavailable

STATE_PART = "state"
FAILURES = (StepError, Unavailable, OSError)
T = TypeVar("T")


class SetupError(Exception):
    """Some parts are missing; each has been told already."""


@dataclass(frozen=True)
class Setup:
    """The toolchain, ready.

    Attributes:
        pulumi: the command line.
        environ: the environment of its commands.
        own_passphrase: whether the secrets in the state are encrypted with the passphrase of the project's.
    """

    pulumi: Path
    environ: Mapping[str, str]
    own_passphrase: bool


def ensure(
    machine: Machine,
    console: Console,
    *,
    stack: StackFile | None = None,
    refresh: bool = False,
    deploying: bool = True,
    asking: bool = True,
) -> Setup:
    """Find or make all parts, those that do not need each other at the same time.

    Args:
        machine: this machine.
        console: where each part is told.
        stack: the stack that they are for: its daemon, its model, and the gateways' image if it has gateways. Without
            one, what any stack may need.
        refresh: whether to look again for what was out of reach earlier.
        deploying: whether the parts are wanted that only a deployment needs, and the file to source.
        asking: whether the Docker daemon is wanted.

    Raises:
        SetupError: a part is missing.
    """
    login = state.find_login(machine.environ, project_backend(machine.layout.project / "Pulumi.yaml"))
    if refresh:
        plugin.forget_choice(machine)

    def pulumi() -> tuple[Path, tuple[Setting, ...]]:
        found = engine.ensure(machine, console)
        engine.ensure_host(machine, found, console)
        docker = plugin.ensure(machine, found, console)
        return found.command, plugin.settings(machine, docker, login)

    def containers() -> tuple[Setting, ...]:
        if not asking:
            return ()
        host = stack.docker_host if stack else ""
        chosen = daemon.named(machine, host, stack.docker_host_source) if stack and host else None
        running = daemon.ensure(machine, console, chosen)
        images = () if chosen else daemon.settings(running.endpoint)
        if deploying:
            python = base_image.ensure(machine, running, console, refresh=refresh)
            images += base_image.settings(python)
            images += base_image.settings(proxy(running), base_image.GATEWAY)
        return images

    def proxy(running: daemon.Daemon) -> str:
        # Where no service of the stack has a gateway, its image is used if it is there.
        if stack and not stack.has_gateway:
            return base_image.found(machine, running, base_image.GATEWAY)
        return base_image.ensure(machine, running, console, refresh=refresh, base=base_image.GATEWAY)

    def trained() -> tuple[Setting, ...]:
        if deploying:
            model.ensure(machine, console, *([stack.text("modelPath")] if stack else []))
        return ()

    with exclusive(machine.layout.folder):
        with ThreadPoolExecutor() as pool:
            first = pool.submit(telling(console, pulumi))
            others = [pool.submit(telling(console, step)) for step in (containers, trained)]
        if any(isinstance(error, FAILURES) for error in (first.exception(), *(other.exception() for other in others))):
            raise SetupError
        command, of_pulumi = first.result()
        of_others = [setting for other in others for setting in other.result()]
        settings = (*state.settings(machine.layout, login), *of_pulumi, *of_others, *bootstrap.settings(machine.layout))
        settings = (*settings, Setting("PULUMI_SKIP_UPDATE_CHECK", "true", ("PULUMI_SKIP_UPDATE_CHECK",)))
        if deploying:
            environment.write(machine.layout, (*settings, *of_other_stacks(machine, stack)))
        own = not login and not any(name in machine.environ for name in state.PASSPHRASES)
        tell_state(machine, login, own, console)
    return Setup(command, environment.resolved(machine.environ, machine.layout, settings), own)


def of_other_stacks(machine: Machine, stack: StackFile | None) -> tuple[Setting, ...]:
    """What the file to source says of the user's daemon, when the stack that it was made for has its own."""
    if not (stack and stack.docker_host):
        return ()
    try:
        return daemon.settings(daemon.users(machine))
    except StepError:
        return ()  # told when a stack wants that daemon


def telling(console: Console, step: Callable[[], T]) -> Callable[[], T]:
    """The same step, which tells its failure when it happens and not only when all steps have ended."""

    def run() -> T:
        try:
            return step()
        except FAILURES as error:
            console.error(str(error))
            raise

    return run


def tell_state(machine: Machine, login: state.Login | None, own_passphrase: bool, console: Console) -> None:
    """Say where Pulumi's state is; make the passphrase where the project has its own."""
    if login:
        console.found(STATE_PART, f"your login, {login.backend} ({login.source})")
        return
    if own_passphrase and state.ensure_passphrase(machine.layout):
        console.made(STATE_PART, f"{machine.layout.state}, with a passphrase of its own, as there is no login")
    else:
        console.found(STATE_PART, f"{machine.layout.state}, as there is no login")


def project_backend(path: Path) -> str:
    """`backend.url` of a Pulumi.yaml, empty where it has none."""
    backend = mapping_in(path).get("backend")
    return str(backend["url"]) if isinstance(backend, dict) and "url" in backend else ""
