"""Settings of registries: an address, and the login for it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from components.problems import Problem

SECRET_KEYS = ("registryPassword", "baseImagePassword")
"""Keys that are set as secrets."""


@dataclass(frozen=True)
class RegistrySettings:
    """A registry and the login for it."""

    address: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def read(cls, key: str, own: Mapping[str, str], secrets: Collection[str]) -> "RegistrySettings":
        """Return what the keys that begin with `key` say.

        Raises:
            Problem: the password is no secret.
        """
        password = own.get(f"{key}Password", "")
        if password and f"{key}Password" not in secrets:
            raise Problem(
                f"{key}Password is set in plain text: change it in the registry, as it may have been read, and set the "
                f"new one with pulumi config set --secret {key}Password."
            )
        return cls(own.get("registry", "") if key == "registry" else "", own.get(f"{key}Username", ""), password)
