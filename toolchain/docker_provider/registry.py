"""Registries: which one an image's name belongs to, and the user and password for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HUB = "docker.io"
HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True)
class Login:
    """A user and password; neither is ever printed."""

    username: str
    password: str = field(repr=False)

    def auth_config(self, server: str) -> dict[str, str]:
        """As `docker.APIClient.push` and `pull` take it, into a header."""
        return {"username": self.username, "password": self.password, "serveraddress": key_of(server)}


def server_of(image: str) -> str:
    """The registry's host of an image's name: its first part when that looks like a host, else Docker Hub."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else HUB


def split_tag(image: str) -> tuple[str, str]:
    """An image's name without its tag, and the tag (`latest` if there is none)."""
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


def host_of(server: str) -> str:
    """The bare host of a registry's address: `https://ghcr.io/v2/` is `ghcr.io`."""
    host = server.split("://", 1)[-1].split("/", 1)[0]
    return HUB if host in ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com") else host


def key_of(server: str) -> str:
    """A registry's key in Docker's config.json."""
    return HUB_KEY if host_of(server) == HUB else host_of(server)


@dataclass(frozen=True)
class Credentials:
    """Logins by registry host, from the provider's `registryAuth`."""

    logins: Mapping[str, Login]

    @classmethod
    def from_config(cls, config: Mapping[str, str]) -> Credentials:
        """Read `registryAuth`, a JSON list of address, username, password, configFile or configFileContent.

        Raises:
            ValueError: not such a list.
        """
        try:
            entries = json.loads(config.get("registryAuth") or "[]")
            logins = {}
            for entry in [entries] if isinstance(entries, dict) else entries:
                if not entry.get("authDisabled") and (login := _login(entry)):
                    logins[host_of(entry["address"])] = login
        except (ValueError, KeyError, AttributeError, OSError) as error:
            raise ValueError(f"the provider's registryAuth cannot be used: {type(error).__name__} {error}") from error
        return cls(logins)

    def of(self, image: str) -> dict[str, str] | None:
        """The login for an image's registry; None leaves it to the user's Docker config."""
        server = server_of(image)
        login = self.logins.get(server)
        return login.auth_config(server) if login else None


def _login(entry: Mapping[str, str]) -> Login | None:
    if entry.get("username") and entry.get("password"):
        return Login(entry["username"], entry["password"])
    text = entry.get("configFileContent") or (
        Path(entry["configFile"]).expanduser().read_text() if entry.get("configFile") else ""
    )
    if not text:
        return None
    stored = json.loads(text).get("auths", {}).get(key_of(entry["address"]), {}).get("auth", "")
    if not stored:
        return None
    import base64

    username, _, password = base64.b64decode(stored).decode().partition(":")
    return Login(username, password)
