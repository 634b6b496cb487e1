"""A Container's inputs as the request to create it (POST /containers/create), and its uploads as tar."""

from __future__ import annotations

import base64
import io
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolchain.docker_provider import units
from toolchain.docker_provider.container_host import given, host_config, labels, restart_policy, size, volume_source
from toolchain.docker_provider.values import Properties


def creation(inputs: Mapping[str, Any]) -> Properties:
    """Translate inputs, defaults filled in, to the body that creates the container."""
    ports = inputs.get("ports", [])
    exposed: dict[str, Properties] = {f"{port['internal']}/{port['protocol']}": {} for port in ports}
    anonymous: dict[str, Properties] = {
        v["containerPath"]: {} for v in inputs.get("volumes", []) if v.get("containerPath") and not volume_source(v)
    }
    body = {
        "Image": inputs["image"],
        "Hostname": inputs.get("hostname"),
        "Domainname": inputs.get("domainname"),
        "User": inputs.get("user"),
        "WorkingDir": inputs.get("workingDir"),
        "Cmd": inputs.get("command"),
        "Entrypoint": inputs.get("entrypoints"),
        "Env": in_set_order(inputs.get("envs", [])) or None,
        "Labels": labels(inputs.get("labels", [])) or None,
        "ExposedPorts": exposed or None,
        "Volumes": anonymous or None,
        "Tty": inputs.get("tty"),
        "OpenStdin": inputs.get("stdinOpen"),
        "StopSignal": inputs.get("stopSignal"),
        "StopTimeout": inputs.get("stopTimeout"),
        "Healthcheck": _healthcheck(inputs.get("healthcheck")),
        "HostConfig": host_config(inputs),
    }
    return given(body)


def in_set_order(strings: list[str]) -> list[str]:
    """Order strings as the vendor's provider lists a set: by the text of each one's CRC-32."""
    return sorted(set(strings), key=lambda text: str(zlib.crc32(text.encode())))


def update(inputs: Mapping[str, Any]) -> Properties:
    """The arguments of `docker.APIClient.update_container` for limits and restart policy."""
    body: Properties = {
        "cpu_shares": inputs.get("cpuShares") or None,
        "cpuset_cpus": inputs.get("cpuSet") or None,
        "mem_limit": size(inputs.get("memory")),
        "mem_reservation": size(inputs.get("memoryReservation")),
        "memswap_limit": size(inputs.get("memorySwap")),
        "restart_policy": restart_policy(inputs),
    }
    return given(body)


def network_connection(network: Mapping[str, Any]) -> Properties:
    """The arguments of `docker.APIClient.connect_container_to_network` besides container and network."""
    return given(
        {
            "aliases": network.get("aliases"),
            "ipv4_address": network.get("ipv4Address") or None,
            "ipv6_address": network.get("ipv6Address") or None,
            "link_local_ips": network.get("linkLocalIps"),
            "mac_address": network.get("macAddress") or None,
            "driver_opt": dict(option.split("=", 1) for option in network.get("driverOpts", [])) or None,
        }
    )


def upload_archive(upload: Mapping[str, Any]) -> bytes:
    """One upload as a tar to unpack at the container's root; files are 0644, or 0744 when executable.

    Raises:
        OSError: the upload's `source` cannot be read.
    """
    if upload.get("source"):
        content = Path(upload["source"]).read_bytes()
    elif upload.get("contentBase64"):
        content = base64.b64decode(upload["contentBase64"])
    else:
        content = upload.get("content", "").encode()
    entry = tarfile.TarInfo(upload["file"].lstrip("/"))
    entry.size = len(content)
    entry.mode = (
        int(upload["permissions"], 8) if upload.get("permissions") else 0o744 if upload.get("executable") else 0o644
    )
    entry.uid, entry.gid = int(upload.get("owner") or 0), int(upload.get("group") or 0)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _healthcheck(check: Mapping[str, Any] | None) -> Properties | None:
    if not check:
        return None
    seconds = {
        "Interval": "interval", "Timeout": "timeout", "StartPeriod": "startPeriod", "StartInterval": "startInterval",
    }  # fmt: skip
    times = {key: units.nanoseconds(check.get(name, "0s")) for key, name in seconds.items()}
    return {
        "Test": check.get("tests", []),
        "Retries": check.get("retries", 0),
        **{key: value for key, value in times.items() if value},
    }
