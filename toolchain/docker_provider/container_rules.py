"""Which values of a Container's inputs are allowed, beyond their kinds: said at preview, before anything is made."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from toolchain.docker_provider import units
from toolchain.docker_provider.values import has_unknown

_CHOICES = {
    "restart": ("no", "on-failure", "always", "unless-stopped"),
    "cgroupnsMode": ("private", "host"),
}
_PATTERNS = {
    "cpuSet": (r"\d+([,-]\d+)*", "a list or range of CPUs such as 0-1 or 0,2"),
    "gpus": (r"all|device=.+", "'all' or 'device=<id>[,<id>...]'"),
    "name": (r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", "a name of letters, digits, '_', '.' and '-', two characters or more"),
    "networkMode": (r"\S*", "a network mode: bridge, host, none, container:<name> or a network's name"),
}
_AT_LEAST = {
    "memory": 0, "memorySwap": -1, "memoryReservation": 0, "shmSize": 0, "cpuShares": 0, "waitTimeout": 0,
    "destroyGraceSeconds": 0, "stopTimeout": 0, "maxRetryCount": 0,
}  # fmt: skip


def problems(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Name the values of inputs, of the right kinds already, that the daemon would refuse or misread.

    Returns:
        Messages by property; an unknown value is not judged.
    """
    found: dict[str, str] = {}
    if inputs.get("readOnly") is True and inputs.get("uploads"):
        found["uploads"] = "Docker takes no uploads into a readOnly container: mount the files, or leave readOnly out"
    for name, value in inputs.items():
        if value is None or has_unknown(value):
            continue
        if name in _CHOICES and value not in _CHOICES[name]:
            found[name] = f"{name} is {value!r}, allowed are {', '.join(_CHOICES[name])}"
        elif name in _PATTERNS and not re.fullmatch(_PATTERNS[name][0], value):
            found[name] = f"{name} is {value!r}, expected {_PATTERNS[name][1]}"
        elif name in _AT_LEAST and value < _AT_LEAST[name]:
            found[name] = f"{name} is {value}, allowed is {_AT_LEAST[name]} or more"
        elif name in _RULES and (message := _RULES[name](value)):
            found[name] = message
    return found


def _cpus(value: str) -> str:
    try:
        units.nano_cpus(value)
    except ValueError as error:
        return f"cpus: {error}"
    return ""


def _command(value: list[str]) -> str:
    return "command holds an empty string; leave it out" if "" in value else ""


def _healthcheck(value: Mapping[str, Any]) -> str:
    for name in ("interval", "timeout", "startPeriod", "startInterval"):
        try:
            units.nanoseconds(value.get(name, "0s"))
        except ValueError as error:
            return f"healthcheck.{name}: {error}"
    tests = value.get("tests") or []
    if tests and tests[0] not in ("CMD", "CMD-SHELL", "NONE"):
        return f"healthcheck.tests begins with {tests[0]!r}, expected CMD, CMD-SHELL or NONE"
    return ""


def _envs(value: list[str]) -> str:
    wrong = [env.split("=")[0] for env in value if env.startswith("=") or "\0" in env]
    return f"envs holds {wrong[0]!r}, expected NAME=VALUE" if wrong else ""


def _uploads(value: list[Mapping[str, Any]]) -> str:
    for upload in value:
        file = upload["file"]
        given = [name for name in ("content", "contentBase64", "source") if upload.get(name) not in (None, "")]
        if len(given) > 1 or (not given and "content" not in upload):
            return f"uploads: {file!r} has {given or 'no content'}; give exactly one of content, contentBase64, source"
        if not file.startswith("/"):
            return f"uploads: file {file!r} is not an absolute path in the container"
        if not re.fullmatch(r"0?[0-7]{0,4}", upload.get("permissions", "")):
            return f"uploads: permissions of {file!r} are {upload['permissions']!r}, expected octal digits such as 0644"
        for name in ("owner", "group"):
            if not upload.get(name, "0").isdigit():
                return f"uploads: {name} of {file!r} is {upload[name]!r}, expected a number: Docker ignores names here"
        try:
            base64.b64decode(upload.get("contentBase64", ""), validate=True)
        except binascii.Error:
            return f"uploads: contentBase64 of {file!r} is not base64"
    return ""


def _volumes(value: list[Mapping[str, Any]]) -> str:
    for volume in value:
        source, path = volume.get("fromContainer"), volume.get("containerPath")
        if bool(source) == bool(path):
            return f"volumes: {dict(volume)!r} needs either containerPath or fromContainer"
        if not str(volume.get("hostPath") or "/").startswith("/"):
            return f"volumes: hostPath {volume['hostPath']!r} is not absolute"
    return ""


def _mounts(value: list[Mapping[str, Any]]) -> str:
    for mount in value:
        if mount["type"] not in ("bind", "volume", "tmpfs"):
            return f"mounts: type of {mount['target']!r} is {mount['type']!r}, allowed are bind, volume, tmpfs"
    return ""


def _ports(value: list[Mapping[str, Any]]) -> str:
    for port in value:
        for name in ("internal", "external"):
            if not 0 <= port.get(name, 0) <= 65535:
                return f"ports: {name} is {port[name]}, allowed are 0 to 65535"
        if port.get("protocol", "tcp") not in ("tcp", "udp", "sctp"):
            return f"ports: protocol is {port['protocol']!r}, allowed are tcp, udp, sctp"
    return ""


_RULES: Mapping[str, Callable[[Any], str]] = {
    "cpus": _cpus, "command": _command, "healthcheck": _healthcheck, "envs": _envs, "uploads": _uploads,
    "volumes": _volumes, "mounts": _mounts, "ports": _ports,
}  # fmt: skip
