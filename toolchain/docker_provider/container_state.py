"""What the Docker Engine tells of a container (GET /containers/{id}/json) as a Container's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolchain.docker_provider import units
from toolchain.docker_provider.container_schema import SCHEMA
from toolchain.docker_provider.schema import with_defaults
from toolchain.docker_provider.values import Properties

# The bridge of the vendor's plugin keeps the version of the state's layout here; without it, it would migrate.
META = {"__meta": '{"schema_version":"2"}'}
# What the vendor's provider keeps as given: the daemon changes or does not tell it.
_NOT_IMPORTED = ("mustRun", "start", "attach", "logs", "wait", "waitTimeout", "removeVolumes")


def is_running(seen: Mapping[str, Any]) -> bool:
    return bool(seen["State"].get("Running"))


def outputs(given: Mapping[str, Any], seen: Mapping[str, Any]) -> Properties:
    """Overlay what was given, or the last state, with what the daemon tells.

    Args:
        given: inputs with their defaults filled in, or the former outputs.
        seen: the daemon's description of the container.
    """
    config, host = seen["Config"], seen["HostConfig"]
    state = {
        **given,
        **META,
        "name": seen["Name"].lstrip("/"),
        "bridge": seen["NetworkSettings"].get("Bridge", ""),
        "cgroupnsMode": host.get("CgroupnsMode", ""),
        "command": config.get("Cmd") or [],
        "cpuSet": host.get("CpusetCpus", ""),
        "cpuShares": host.get("CpuShares", 0),
        "domainname": config.get("Domainname", ""),
        "entrypoints": config.get("Entrypoint") or [],
        "healthcheck": healthcheck(config.get("Healthcheck")),
        "hostname": config.get("Hostname", ""),
        "init": bool(host.get("Init")),
        "ipcMode": host.get("IpcMode", ""),
        "logDriver": host["LogConfig"]["Type"],
        "maxRetryCount": host["RestartPolicy"]["MaximumRetryCount"],
        "memory": host["Memory"] // units.MIB,
        "memoryReservation": host.get("MemoryReservation", 0) // units.MIB,
        "memorySwap": host["MemorySwap"] // units.MIB if host["MemorySwap"] > 0 else host["MemorySwap"],
        "networkMode": given.get("networkMode") or host["NetworkMode"],
        "platform": given.get("platform") or seen.get("Platform", ""),
        "privileged": host["Privileged"],
        "publishAllPorts": host["PublishAllPorts"],
        "readOnly": host["ReadonlyRootfs"],
        "restart": host["RestartPolicy"]["Name"] or "no",
        "rm": host["AutoRemove"],
        "runtime": host.get("Runtime", ""),
        "shmSize": host["ShmSize"] // units.MIB,
        "stdinOpen": config["OpenStdin"],
        "stopSignal": config.get("StopSignal", ""),
        "stopTimeout": config.get("StopTimeout") or 0,
        "tty": config["Tty"],
        "user": config.get("User", ""),
        "workingDir": config.get("WorkingDir", ""),
        **network_outputs(given, seen),
    }
    if host.get("NanoCpus"):
        state["cpus"] = units.cpus(host["NanoCpus"])
    state.setdefault("securityOpts", host.get("SecurityOpt") or [])
    return {name: value for name, value in state.items() if value is not None}


def network_outputs(given: Mapping[str, Any], seen: Mapping[str, Any]) -> Properties:
    """The published ports, with the host's port where Docker chose it, and the addresses in each network."""
    settings = seen["NetworkSettings"]
    found: Properties = {"networkDatas": _network_datas(settings.get("Networks") or {})}
    if published := _ports(settings.get("Ports") or {}, given.get("ports", [])):
        found["ports"] = published
    return found


def with_chosen_ports(given: list[Any], known: list[Properties]) -> list[Any]:
    """The ports as given, with the host's port of an earlier state where it was Docker's to choose.

    Args:
        given: the ports of a program, or unknown ones in a preview.
        known: those that the state has.
    """
    chosen = {(port["internal"], port.get("protocol") or "tcp"): port.get("external") for port in known}

    def complete(port: Any) -> Any:
        if not isinstance(port, dict) or port.get("external") is not None:
            return port
        external = chosen.get((port.get("internal"), port.get("protocol") or "tcp"))
        return port if external is None else {**port, "external": external}

    return [complete(port) for port in given]


def healthcheck(check: Mapping[str, Any] | None) -> Properties | None:
    """The daemon's health check with durations as Go writes them."""
    if not check:
        return None
    times = {
        "interval": "Interval",
        "timeout": "Timeout",
        "startPeriod": "StartPeriod",
        "startInterval": "StartInterval",
    }
    return {
        "tests": check.get("Test") or [],
        "retries": check.get("Retries", 0),
        **{name: units.duration(check.get(key, 0)) for name, key in times.items()},
    }


def imported_inputs(state: Mapping[str, Any]) -> Properties:
    """The inputs of a program that would describe an imported container, as far as the daemon tells them."""
    standard = with_defaults(SCHEMA, {})
    return {
        name: value
        for name, value in state.items()
        if name in SCHEMA
        and not SCHEMA[name].output
        and name not in _NOT_IMPORTED
        and (not SCHEMA[name].computed or name in ("command", "healthcheck"))
        and value not in ("", 0, [], {}, False, None)
        and value != standard.get(name)
    }


def _ports(published: Mapping[str, Any], given: list[Properties]) -> list[Properties]:
    """One entry for each binding, in the order in which the ports were given, then by number.

    A port published on every address is bound on IPv4 and IPv6: the second is left out, as it was not asked for.
    """
    order = {(port["internal"], port.get("protocol", "tcp")): index for index, port in reversed(list(enumerate(given)))}
    found = []
    for key, bindings in published.items():
        number, protocol = key.split("/")
        addresses = {binding["HostIp"] for binding in bindings or []}
        for binding in bindings or []:
            if binding["HostIp"] == "::" and "0.0.0.0" in addresses:  # noqa: S104 - compared, not bound
                continue
            external = int(binding["HostPort"] or 0)
            entry = {"internal": int(number), "external": external, "ip": binding["HostIp"], "protocol": protocol}
            found.append(entry)
    return sorted(found, key=lambda p: (order.get((p["internal"], p["protocol"]), len(order)), p["internal"]))


def _network_datas(networks: Mapping[str, Any]) -> list[Properties]:
    keys = {
        "ipAddress": "IPAddress",
        "ipPrefixLength": "IPPrefixLen",
        "gateway": "Gateway",
        "macAddress": "MacAddress",
        "globalIpv6Address": "GlobalIPv6Address",
        "globalIpv6PrefixLength": "GlobalIPv6PrefixLen",
        "ipv6Gateway": "IPv6Gateway",
    }
    return [
        {"networkName": name, **{key: data.get(source) for key, source in keys.items()}}
        for name, data in sorted(networks.items())
    ]
