"""Registries' addresses and logins: given by the user, else those of `docker login`."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_docker as docker
from typing_extensions import NotRequired, TypedDict

from components import arguments, names
from components.problems import Problem


class RegistryArgs(TypedDict):
    """A registry and the login for it, as Azure ML's `ContainerRegistry`."""

    address: NotRequired[str]
    """Where images are pushed to and pulled from: 'host[:port][/path]'."""
    username: NotRequired[str]
    """User of the registry. Default: the login that 'docker login' left in Docker's configuration."""
    password: NotRequired[pulumi.Input[str]]
    """Password of the user; a secret."""


@dataclass(frozen=True)
class Login:
    """A user and password; the password is never printed."""

    username: str = ""
    password: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.username and self.password)

    def auth_config(self) -> dict[str, str] | None:
        """As the Docker API takes it; None leaves it to Docker's configuration."""
        return {"username": self.username, "password": self.password} if self else None


@dataclass(frozen=True)
class Access:
    """A registry that a component pushes to and pulls from; without an address, none."""

    address: str = ""
    """`host[:port][/path]`."""
    username: str = ""
    password: "pulumi.Input[str]" = field(default="", repr=False)

    @classmethod
    def from_args(cls, args: RegistryArgs | None, *, what: str = "registry") -> "Access":
        """Return the access that `args` give.

        Args:
            what: the argument's name, for messages.

        Raises:
            Problem: the address is not one, or a user is given without a password, or the other way round.
        """
        args = args or RegistryArgs()
        arguments.check(args, RegistryArgs, {}, f"{what}.")
        if bool(args.get("username")) != bool(args.get("password")):
            given, missing = ("username", "password") if args.get("username") else ("password", "username")
            raise Problem(
                f"{what}.{given} is given without {what}.{missing}: give both, or neither and run 'docker login'."
            )
        address = args.get("address", "")
        return cls(
            names.check_registry(address) if address else "", args.get("username", ""), secret(args.get("password"))
        )

    @property
    def host(self) -> str:
        """The registry's host."""
        return self.address.split("/")[0]

    def of_image(self, reference: str) -> "Access":
        """Return this access with the registry of the image `reference` where it has no address of its own."""
        return self if self.address else replace(self, address=names.home_of(reference))

    def login(self, password: str) -> Login:
        """Return the login, with what the password's input came to."""
        return Login(self.username, password)

    def login_for(self, reference: str, password: str) -> Login:
        """Return the login for an image's registry: this one's, or else an empty one."""
        own = self.address and names.home_of(f"{self.host}/") == names.home_of(reference)
        return self.login(password) if own else Login()

    def qualified(self, name: str) -> str:
        """Return an image's name in this registry, `name` itself without one."""
        return f"{self.address}/{name}" if self.address else name

    def registry_args(self) -> docker.RegistryArgs | None:
        """As the provider takes it."""
        if not self.address:
            return None
        if not self.username:
            return docker.RegistryArgs(server=self.host)
        return docker.RegistryArgs(server=self.host, username=self.username, password=self.password)


def secret(password: "pulumi.Input[str] | None") -> "pulumi.Input[str]":
    """Return a password as a secret; an empty text for none."""
    return pulumi.Output.secret(password) if password else ""


def stored_login(host: str, config: Any = None) -> Login:
    """Return the login that `docker login` stored for a registry, its helpers included; an empty one for none.

    Raises:
        Problem: the helper that Docker's configuration names does not work.
    """
    from docker import auth
    from docker.errors import DockerException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a helper that is missing: it is an error, and told as one
            found: Mapping[str, str] = (config or auth.load_config()).resolve_authconfig(host) or {}
    except DockerException as error:
        raise Problem(f"Docker's stored login for {host} cannot be read: {error}. Run 'docker login {host}'.") from None
    return Login(
        found.get("username") or found.get("Username") or "", found.get("password") or found.get("Password") or ""
    )
