"""Which Docker daemon to speak to: the rules of the docker command line, plus the Pulumi provider's configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOST = "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class Endpoint:
    """A daemon's address.

    Attributes:
        host: `unix://`, `tcp://`, `ssh://` or `npipe://`.
        source: where the address comes from, for messages.
        certificates: the folder with ca.pem, cert.pem and key.pem for TLS, or None.
        verify: whether the daemon's certificate is checked.
    """

    host: str
    source: str
    certificates: Path | None = None
    verify: bool = True

    def environment(self) -> dict[str, str]:
        """The variables that send the docker command line to this daemon."""
        found = {"DOCKER_HOST": self.host}
        if self.certificates:
            found["DOCKER_CERT_PATH"] = str(self.certificates)
            found["DOCKER_TLS_VERIFY" if self.verify else "DOCKER_TLS"] = "1"
        return found


def config_folder(environ: Mapping[str, str]) -> Path:
    """The user's docker configuration folder."""
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "~")).expanduser() / ".docker")


def resolve(config: Mapping[str, str], environ: Mapping[str, str]) -> Endpoint:
    """Choose the daemon: the provider's `host` or `context`, DOCKER_HOST, DOCKER_CONTEXT, the one in use, the socket.

    Args:
        config: the provider's configuration by name (`host`, `context`, `certPath`).
        environ: the environment.

    Raises:
        ValueError: the context that was asked for does not exist.
    """
    certificates = config.get("certPath") or environ.get("DOCKER_CERT_PATH")
    verify = environ.get("DOCKER_TLS_VERIFY", "") != "" or bool(config.get("certPath"))
    for host, source in ((config.get("host"), "the provider's host"), (environ.get("DOCKER_HOST"), "DOCKER_HOST")):
        if host and not (source == "DOCKER_HOST" and config.get("context")):
            secured = host.startswith("tcp://") and certificates and (verify or environ.get("DOCKER_TLS"))
            return Endpoint(host, source, Path(certificates) if secured and certificates else None, verify)
    folder = config_folder(environ)
    for name, source in (
        (config.get("context"), "the provider's context"),
        (environ.get("DOCKER_CONTEXT"), "DOCKER_CONTEXT"),
        (_current_context(folder), f"the context in use in {folder / 'config.json'}"),
    ):
        if name:
            return Endpoint(DEFAULT_HOST, source) if name == "default" else _context(folder, name, source)
    return Endpoint(DEFAULT_HOST, "Docker's default")


def _current_context(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text()).get("currentContext", ""))
    except (OSError, ValueError):
        return ""


def _context(folder: Path, name: str, source: str) -> Endpoint:
    """Read a context from the docker command line's store (folders named after the sha256 of the context's name)."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((folder / "contexts" / "meta" / digest / "meta.json").read_text())
        docker = meta["Endpoints"]["docker"]
        host = docker["Host"]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"the docker context {name!r} ({source}) is not in {folder / 'contexts'}: "
            f"see `docker context ls`, or set the provider's host or DOCKER_HOST"
        ) from error
    certificates = folder / "contexts" / "tls" / digest / "docker"
    return Endpoint(
        host, f"{source} {name!r}", certificates if certificates.is_dir() else None, not docker.get("SkipTLSVerify")
    )
