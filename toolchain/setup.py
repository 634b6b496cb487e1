"""All parts of the toolchain, found or made, and the environment that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

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
    machine: Machine, console: Console, *, refresh: bool = False, deploying: bool = True, gateway: bool = True
) -> Setup:
    """Find or make all parts, those that do not need each other at the same time.

    Args:
        machine: this machine.
        console: where each part is told.
        refresh: whether to look again for what was out of reach earlier.
        deploying: whether the parts are wanted that only a deployment needs, and the file to source.
        gateway: whether the image that gateways start from is wanted; if not, it is used where it is there already.

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
        found = daemon.ensure(machine, console)
        images = [*daemon.settings(found.endpoint)]
        if deploying:
            images += base_image.settings(base_image.ensure(machine, found, console, refresh=refresh))
            images += base_image.settings(proxy(found), base_image.GATEWAY)
        return tuple(images)

    def proxy(running: daemon.Daemon) -> str:
        if not gateway:
            return base_image.found(machine, running, base_image.GATEWAY)
        return base_image.ensure(machine, running, console, refresh=refresh, base=base_image.GATEWAY)

    def trained() -> tuple[Setting, ...]:
        if deploying:
            model.ensure(machine, console)
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
            environment.write(machine.layout, settings)
        own = not login and not any(name in machine.environ for name in state.PASSPHRASES)
        tell_state(machine, login, own, console)
    return Setup(command, environment.resolved(machine.environ, machine.layout, settings), own)


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
    try:
        content = yaml.safe_load(path.read_text())
        return str(content["backend"]["url"])
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return ""
