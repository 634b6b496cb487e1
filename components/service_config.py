"""The deployment configuration of a service: checked, completed, and as the container needs it."""

import errno
import ipaddress
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components import (
    dockerfile,
    image_config,
    limits,
    model_files,
    names,
    refusals,
    service_access,
    service_gateway,
    service_network,
)
from components.daemon import Daemon
from components.gateway_config import GatewayConfig
from components.problems import Problem
from components.registry_login import Access

LOOPBACK = "127.0.0.1"


class Style(Enum):
    """The ways to deploy, by the input that each starts from."""

    MODEL_FILES = "model_paths"
    MODELS = "models"
    IMAGE = "image"
    VERSIONS = "versions"


NEEDING_CONFIG = (Style.MODEL_FILES, Style.MODELS)
"""The ways that make an image."""

LACKED = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors of a machine without the address, or without any of its kind."""


@dataclass(frozen=True)
class ServiceConfig:
    """A checked deployment configuration."""

    name: str
    style: Style
    cpus: str
    """Empty for what the image needs."""
    memory_mb: int
    """0 for what the image needs."""
    port: int
    bind_address: str
    stop_grace_seconds: int
    wait_timeout: int
    labels: Mapping[str, str]
    network: service_network.NetworkConfig = field(default_factory=service_network.NetworkConfig)
    access: service_access.AccessConfig = field(default_factory=service_access.AccessConfig)
    registry: Access = field(default_factory=Access)
    gateway: GatewayConfig | None = None
    scoring_timeout_ms: int = 0
    """The longest that one run() may take; 0 for the server's own limit."""

    @property
    def server_access(self) -> service_access.AccessConfig:
        """What the server itself sees to: keys always, TLS only without a gateway."""
        return service_access.AccessConfig(self.access.auth_enabled) if self.gateway else self.access


def check(name: str, args: Mapping[str, Any], stack: str = "") -> ServiceConfig:
    """Return the checked configuration of the service `name`, from a ContainerWebservice's arguments.

    Args:
        name: the service's name, unless the arguments say another.
        args: the arguments.
        stack: the stack's name, for the commands that messages give.

    Raises:
        Problem: a name, limit or port is not allowed, not exactly one style is given, or keys are missing.
    """
    refusals.check(argument for argument, value in args.items() if is_given(value))
    style = style_of(args)
    if style in NEEDING_CONFIG:
        image_config.check(args["image_config"])
    check_model_paths(args.get("model_paths") or ())
    service = names.check_service_name(args.get("service_name") or name)
    access = service_access.check(args, stack)
    gateway = service_gateway.check(args, tls=access.certificate is not None)
    return ServiceConfig(
        name=service,
        style=style,
        registry=Access.from_args(args.get("registry")),
        cpus="" if args.get("cpu_cores") is None else limits.cpus(args["cpu_cores"]),
        memory_mb=0 if args.get("memory_gb") is None else limits.memory_mb(args["memory_gb"]),
        port=limits.port_number(args.get("port", 0)),
        bind_address=bind_address(args.get("bind_address", LOOPBACK)),
        stop_grace_seconds=stop_grace_seconds(args),
        wait_timeout=limits.positive_seconds("waitTimeout", args.get("wait_timeout", 300)),
        labels=labels(service, args),
        network=service_network.check(args),
        access=access,
        gateway=gateway,
        scoring_timeout_ms=int(args.get("scoring_timeout_ms", 0)),
    )


def check_model_paths(paths: Sequence[str]) -> None:
    """Raise `Problem` when a model is missing, or two have one name to be registered under."""
    named: dict[str, str] = {}
    for path in paths:
        name = model_files.check_path(Path(path)).name
        if name in named:
            raise Problem(
                f"modelPaths has {named[name]!r} and {path!r}, which would both be registered as {name!r}: rename one, "
                "or register each under a name of its own with a ModelArtifact and give their references as models."
            )
        named[name] = path


def style_of(args: Mapping[str, Any]) -> Style:
    """Return the one style that `args` ask for.

    Raises:
        Problem: none or several are given, or an image configuration where the image is given or the other way round.
    """
    given = [style for style in Style if is_given(args.get(style.value))]
    if not given:
        raise Problem(
            "nothing to deploy: give one of modelPaths (from model files), models (from registered models) or image "
            "(from an image)."
        )
    if len(given) > 1:
        first, *others = (names.camel(style.value) for style in given)
        raise Problem(
            f"{', '.join([first, *others])} are given, one is allowed: keep {first} and drop {' and '.join(others)}."
        )
    (style,) = given
    if style not in NEEDING_CONFIG and args.get("image_config"):
        made = "image, which is" if style is Style.IMAGE else "versions, whose images are"
        raise Problem(f"imageConfig is given with {made} made already: drop imageConfig.")
    if style in NEEDING_CONFIG and not args.get("image_config"):
        raise Problem(f"{names.camel(style.value)} needs imageConfig, at least its executionScript.")
    return style


def is_given(value: Any) -> bool:
    """Return whether an input names something; an Output cannot be asked and counts."""
    return value is not None and value not in ("", [])


def stop_grace_seconds(args: Mapping[str, Any]) -> int:
    """Return how long a stopped container has; raise `Problem` when that leaves no time to finish requests."""
    least = 5 if args.get("zero_downtime") else 2
    given = limits.positive_seconds("stopGraceSeconds", args.get("stop_grace_seconds", 30))
    if given < least:
        why = ", of which a gateway takes 2 to turn to others" if args.get("zero_downtime") else ""
        raise Problem(f"stopGraceSeconds is {given}: give {least} or more{why}, so that requests can be finished.")
    return given


def bind_address(text: str) -> str:
    """Return `text` as an IP address to publish on; raise `Problem` when it is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Problem(f"bindAddress is {text!r}: give an IP address, such as 127.0.0.1 or 0.0.0.0.") from None


def labels(service: str, args: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known of the service as labels, without what is empty."""
    prefix = f"{dockerfile.LABEL_PREFIX}.service"
    known = {
        f"{prefix}.name": service,
        f"{prefix}.tags": json.dumps(args["tags"], sort_keys=True) if args.get("tags") else "",
        f"{prefix}.properties": json.dumps(args["properties"], sort_keys=True) if args.get("properties") else "",
        f"{prefix}.description": args.get("description", ""),
    }
    return {key: value for key, value in known.items() if value}


def check_port_free(config: ServiceConfig, host: Daemon) -> None:
    """Raise `Problem` when the service cannot be published where it shall be.

    That is when the host port is taken by another container or, on this machine, by another process, or when this
    machine lacks the address.
    """
    published = host.published() if config.port else []
    holders = [seen for seen in published if seen.port == config.port and overlap(seen.address, config.bind_address)]
    others = [seen.container for seen in holders if seen.container != config.name]
    refusal = refusal_to_listen(config.bind_address, config.port) if host.is_local and not holders else 0
    if refusal in LACKED:
        raise Problem(
            f"bindAddress is {config.bind_address!r}, which this machine does not have: give one of its own, 127.0.0.1 "
            "for callers on this machine, or 0.0.0.0 for callers everywhere."
        )
    if not config.port or not (others or refusal):
        return
    holder = f"the container {others[0]!r}" if others else "another process"
    raise Problem(
        f"the port {config.port} on {config.bind_address} is taken by {holder}: "
        "give another port, or 0 to let Docker choose."
    )


def overlap(one: str, other: str) -> bool:
    """Return whether two addresses cannot both be listened on at one port."""
    return one == other or any(ipaddress.ip_address(address).is_unspecified for address in (one, other))


def refusal_to_listen(address: str, port: int) -> int:
    """Return the number of the error with which this machine refuses to let a process listen there now; 0 for none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except PermissionError:
        return 0  # ports below 1024 are the daemon's to judge
    except OSError as error:
        return error.errno or errno.EADDRINUSE
    return 0


def public_address(bind: str, host: str) -> str:
    """Return where callers find what is published on `bind` at the Docker daemon `host`, ready for a URI."""
    address = ipaddress.ip_address(bind)
    if address.is_unspecified:
        remote = urlsplit(host).hostname if host.startswith(("ssh://", "tcp://", "http://", "https://")) else None
        return remote or LOOPBACK
    return f"[{bind}]" if address.version == 6 else bind
