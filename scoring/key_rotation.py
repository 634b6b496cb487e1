"""A new key in the place of one of a service's two: the counterpart of Azure ML's `regen_key`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from components import access_keys
from components.problems import Problem
from scoring.service_settings import path_of
from scoring.stack import OnOutput, Stack, StackError

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
    name: str, *, service: str = "", stack: Stack, on_output: OnOutput | None = None, color: str = "never"
) -> Rotation:
    """Make a key anew and deploy it, and nothing else that may have changed.

    The other key stays as it is, and the services go on without a restart: within a second or two of the update's end
    they refuse the old key and take the new one.

    Args:
        name: `primary` or `secondary`.
        service: the service that gets a key of its own; empty for the key that the stack's services share.
        stack: the stack that deploys them.
        on_output: takes the lines of Pulumi's display as they come.
        color: `always` or `never`: whether these have colours.

    Raises:
        Problem: there is no such key, stack or service, it asks for no keys, or the update failed.
    """
    if name not in access_keys.NAMES:
        raise Problem(f"there is no key {name!r}: give {' or '.join(access_keys.NAMES)}.")
    deployed = stack.deployed()
    concerned = services_with(name, service, deployed.names, deployed.keys, stack.setting("keys"))
    path = ("keys", service, name) if service else (access_keys.setting(name),)
    stack.set_value(path, access_keys.new_key(), secret=True)
    try:
        stack.up(on_output, color=color, target=[DELIVERY.format(service=each) for each in concerned])
    except StackError as error:
        raise StackError(
            f"{path_of(path)} is new in the settings, but perhaps not deployed: run `pulumi up`, as {error}"
        ) from error
    return Rotation(name, concerned, path_of(path))


def services_with(
    name: str,
    service: str,
    services: Collection[str],
    guarded: Collection[str],
    own: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """Return the names of the services that a new key is for.

    Args:
        name: `primary` or `secondary`.
        service: the one that gets a key of its own; empty for all that share the stack's key.
        services: those of the stack.
        guarded: those of them that ask for keys.
        own: the keys that services have of their own, by service and name.

    Raises:
        StackError: there are none.
    """
    if service:
        if service not in services:
            raise StackError(f"there is no service {service}: there are {', '.join(sorted(services)) or 'none'}")
        if service not in guarded:
            raise StackError(f"{service} asks for no keys: set authEnabled to true and run `pulumi up`")
        return [service]
    if not guarded:
        raise StackError("no service asks for keys: set authEnabled to true and run `pulumi up`")
    shared = [each for each in sorted(guarded) if name not in own.get(each, {})]
    if not shared:
        raise StackError(f"all services have a {name} key of their own: name one")
    return shared
