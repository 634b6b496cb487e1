"""A Docker configuration folder for one command, with logins that are not the user's own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from toolchain.docker_provider.endpoint import config_folder
from toolchain.docker_provider.registry import Login, key_of


@contextlib.contextmanager
def login_folder(logins: Mapping[str, Login], environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Lay a copy of the user's Docker configuration with the logins added, readable by the user alone.

    Args:
        logins: logins by registry host; without any, the user's own folder serves.
        environ: the environment that names the user's folder.

    Yields:
        The variables that point to the folder. It is removed afterwards.
    """
    if not logins:
        yield {}
        return
    users = config_folder(environ)
    with tempfile.TemporaryDirectory(prefix="pulumi-docker-login-") as name:
        folder = Path(name)
        for kept in ("cli-plugins", "contexts", "buildx"):
            if (users / kept).exists():
                (folder / kept).symlink_to(users / kept)
        with os.fdopen(os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            json.dump(with_logins(_read(users / "config.json"), logins), stream)
        yield {"DOCKER_CONFIG": name}


def with_logins(config: Mapping[str, object], logins: Mapping[str, Login]) -> dict[str, object]:
    """Add logins to a config.json. A credential helper answers for all registries but these: it would hide them."""
    auths = {**_object(config, "auths")}
    helpers = {**_object(config, "credHelpers")}
    for host, login in logins.items():
        token = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        auths[key_of(host)] = {"auth": token}
        helpers.pop(key_of(host), None)
    merged = {key: value for key, value in config.items() if key not in ("currentContext", "credsStore")}
    if store := config.get("credsStore"):
        helpers = {
            **{key: store for key in _object(config, "auths") if key not in {key_of(h) for h in logins}},
            **helpers,
        }
    return {**merged, "auths": auths, **({"credHelpers": helpers} if helpers else {})}


def _object(config: Mapping[str, object], name: str) -> dict[str, object]:
    value = config.get(name)
    return value if isinstance(value, dict) else {}


def _read(file: Path) -> dict[str, object]:
    try:
        loaded = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
