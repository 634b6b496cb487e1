"""A new key in the place of one of a service's two: the counterpart of Azure ML's `regen_key`."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components import access_keys
from scoring.client import PROJECT, StackError, Webservice, services_of_stack

DELIVERY = "**docker:index/container:Container::{service}-delivery"
"""The resource that carries keys into a service's container, for Pulumi's `--target`."""


@dataclass(frozen=True)
class Rotation:
    """A key that was made anew."""

    name: str
    """`primary` or `secondary`."""
    services: Sequence[str]
    """The services whose callers need it now."""
    setting: str
    """The setting that holds it, as a path."""


def regenerate(
    name: str,
    *,
    service: str = "",
    stack: str | None = None,
    project: Path = PROJECT,
    environ: Mapping[str, str] = os.environ,
    output: IO[str] | None = None,
) -> Rotation:
    """Make a key anew and deploy it, and nothing else that may have changed.

    The other key stays as it is, and the services go on without a restart: within a second or two of the update's end
    they refuse the old key and take the new one.

    Args:
        name: `primary` or `secondary`.
        service: the service that gets a key of its own; empty for the key that the stack's services share.
        stack: the stack's name; None for the selected one.
        project: the folder with `Pulumi.yaml`.
        environ: the environment of the Pulumi CLI, which must be on its PATH.
        output: takes what the update prints; the program's standard error unless given.

    Raises:
        StackError: there is no such stack or service, it asks for no keys, or the update failed.
    """
    place = [f"--stack={stack}"] if stack else []
    services = services_of_stack(stack, project, environ)
    concerned = services_with(services, name, service, own_keys(place, project, environ))
    setting = f'keys["{service}"].{name}' if service else access_keys.setting(name)
    command = ["config", "set", "--secret", *place, *(["--path"] if service else []), "--", setting]
    run(command, project, environ, given=access_keys.new_key(), fix="nothing is changed")
    targets = [f"--target={DELIVERY.format(service=each)}" for each in concerned]
    run(
        ["up", "--yes", "--skip-preview", "--non-interactive", *place, *targets],
        project,
        environ,
        output=output or sys.stderr,
        fix=f"{setting} is new in the settings, but not deployed: run `pulumi up`",
    )
    return Rotation(name, concerned, setting)


def own_keys(place: Sequence[str], project: Path, environ: Mapping[str, str]) -> Mapping[str, Mapping[str, str]]:
    """Return the setting `keys`; empty when it is not set."""
    command = ["pulumi", "config", "get", "keys", *place]
    done = subprocess.run(
        command, cwd=project, env=environment(environ), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    found: Mapping[str, Mapping[str, str]] = json.loads(done.stdout or "{}") if done.returncode == 0 else {}
    return found


def services_with(
    services: Sequence[Webservice], name: str, service: str, own: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Return the names of the services that a new key is for.

    Args:
        services: those of the stack.
        name: `primary` or `secondary`.
        service: the one that gets a key of its own; empty for all that share the stack's key.
        own: the keys that services have of their own, by service and name.

    Raises:
        StackError: there are none.
    """
    guarded = [each for each in services if each.keys]
    if service:
        if service not in [each.name for each in services]:
            raise StackError(f"there is no service {service}: there are {', '.join(each.name for each in services)}")
        guarded = [each for each in guarded if each.name == service]
        if not guarded:
            raise StackError(f"{service} asks for no keys: set authEnabled to true and run `pulumi up`")
        return [service]
    if not guarded:
        raise StackError("no service asks for keys: set authEnabled to true and run `pulumi up`")
    shared = [each.name for each in guarded if name not in own.get(each.name, {})]
    if not shared:
        raise StackError(f"all services have a {name} key of their own: name one with --service")
    return shared


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the Pulumi CLI."""
    return {"PULUMI_SKIP_UPDATE_CHECK": "true", **environ}


def run(
    arguments: Sequence[str],
    project: Path,
    environ: Mapping[str, str],
    *,
    given: str = "",
    output: IO[str] | None = None,
    fix: str,
) -> None:
    """Run the Pulumi CLI, with `given` on its standard input; raise `StackError` with `fix` when it fails."""
    done = subprocess.run(
        ["pulumi", *arguments],
        cwd=project,
        env=environment(environ),
        input=given,
        stdout=output or subprocess.PIPE,
        stderr=output or subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout or "").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise StackError(f"pulumi {arguments[0]} failed: {said[0]}; {fix}")
