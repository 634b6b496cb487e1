"""A Container's inputs as the `HostConfig` of the request to create it: mounts, ports, limits, devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolchain.docker_provider import units
from toolchain.docker_provider.values import Properties


def host_config(inputs: Mapping[str, Any]) -> Properties:
    capabilities = inputs.get("capabilities") or {}
    cpus = inputs.get("cpus")
    return given(
        {
            "Binds": [_bind(v) for v in inputs.get("volumes", []) if volume_source(v)] or None,
            "VolumesFrom": [v["fromContainer"] for v in inputs.get("volumes", []) if v.get("fromContainer")] or None,
            "Mounts": [_mount(m) for m in inputs.get("mounts", [])] or None,
            "Tmpfs": inputs.get("tmpfs"),
            "PortBindings": _port_bindings(inputs.get("ports", [])) or None,
            "PublishAllPorts": inputs.get("publishAllPorts"),
            "NetworkMode": inputs.get("networkMode") or None,
            "Dns": inputs.get("dns"),
            "DnsOptions": inputs.get("dnsOpts"),
            "DnsSearch": inputs.get("dnsSearches"),
            "ExtraHosts": [f"{host['host']}:{host['ip']}" for host in inputs.get("hosts", [])] or None,
            "RestartPolicy": restart_policy(inputs),
            "AutoRemove": inputs.get("rm"),
            "Privileged": inputs.get("privileged"),
            "ReadonlyRootfs": inputs.get("readOnly"),
            "CapAdd": capabilities.get("adds"),
            "CapDrop": capabilities.get("drops"),
            "SecurityOpt": inputs.get("securityOpts"),
            "Init": inputs.get("init"),
            "Memory": size(inputs.get("memory")),
            "MemorySwap": size(inputs.get("memorySwap")),
            "MemoryReservation": size(inputs.get("memoryReservation")),
            "NanoCpus": units.nano_cpus(cpus) if cpus else None,
            "CpuPeriod": None if cpus else inputs.get("cpuPeriod"),
            "CpuQuota": None if cpus else inputs.get("cpuQuota"),
            "CpuShares": inputs.get("cpuShares"),
            "CpusetCpus": inputs.get("cpuSet"),
            "ShmSize": size(inputs.get("shmSize")),
            "Ulimits": [{"Name": u["name"], "Soft": u["soft"], "Hard": u["hard"]} for u in inputs.get("ulimits", [])]
            or None,
            "Sysctls": inputs.get("sysctls"),
            "StorageOpt": inputs.get("storageOpts"),
            "GroupAdd": inputs.get("groupAdds"),
            "PidMode": inputs.get("pidMode"),
            "IpcMode": inputs.get("ipcMode"),
            "UsernsMode": inputs.get("usernsMode"),
            "CgroupnsMode": inputs.get("cgroupnsMode"),
            "CgroupParent": inputs.get("cgroupParent"),
            "Runtime": inputs.get("runtime"),
            "LogConfig": _log_config(inputs),
            "Devices": [_device(d) for d in inputs.get("devices", [])] or None,
            "DeviceCgroupRules": inputs.get("deviceCgroupRules"),
            "DeviceRequests": _device_requests(inputs) or None,
            "BlkioDeviceReadBps": _rates(inputs.get("deviceReadBps", [])) or None,
            "BlkioDeviceReadIOps": _rates(inputs.get("deviceReadIops", [])) or None,
            "BlkioDeviceWriteBps": _rates(inputs.get("deviceWriteBps", [])) or None,
            "BlkioDeviceWriteIOps": _rates(inputs.get("deviceWriteIops", [])) or None,
        }
    )


def given(body: Properties) -> Properties:
    return {key: value for key, value in body.items() if value is not None}


def size(mebibytes: int | None) -> int | None:
    """MiB to bytes; -1 (memorySwap: no limit) stays, 0 means not given."""
    if not mebibytes:
        return None
    return mebibytes * units.MIB if mebibytes > 0 else mebibytes


def labels(labels: list[Properties]) -> dict[str, str]:
    return {label["label"]: label["value"] for label in labels}


def restart_policy(inputs: Mapping[str, Any]) -> Properties:
    return {"Name": inputs.get("restart", "no"), "MaximumRetryCount": inputs.get("maxRetryCount", 0)}


def _log_config(inputs: Mapping[str, Any]) -> Properties | None:
    if not inputs.get("logDriver") and not inputs.get("logOpts"):
        return None
    return {"Type": inputs.get("logDriver", ""), "Config": inputs.get("logOpts", {})}


def _port_bindings(ports: list[Properties]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": port["ip"], "HostPort": str(port.get("external", 0))}
        bindings.setdefault(f"{port['internal']}/{port['protocol']}", []).append(binding)
    return bindings


def _bind(volume: Mapping[str, Any]) -> str:
    mode = "ro" if volume.get("readOnly") else "rw"
    relabel = f",{volume['selinuxRelabel']}" if volume.get("selinuxRelabel") else ""
    return f"{volume_source(volume)}:{volume['containerPath']}:{mode}{relabel}"


def _mount(mount: Mapping[str, Any]) -> Properties:
    body: Properties = {"Target": mount["target"], "Type": mount["type"], "Source": mount.get("source")}
    body["ReadOnly"] = mount.get("readOnly", False)
    if bind := mount.get("bindOptions"):
        body["BindOptions"] = {"Propagation": bind.get("propagation", "")}
    if tmpfs := mount.get("tmpfsOptions"):
        body["TmpfsOptions"] = {"SizeBytes": tmpfs.get("sizeBytes", 0), "Mode": tmpfs.get("mode", 0)}
    if volume := mount.get("volumeOptions"):
        driver = {"Name": volume.get("driverName", ""), "Options": volume.get("driverOptions", {})}
        body["VolumeOptions"] = given(
            {
                "NoCopy": volume.get("noCopy", False),
                "Labels": labels(volume.get("labels", [])),
                "DriverConfig": driver if any(driver.values()) else None,
                "Subpath": volume.get("subpath"),
            }
        )
    return given(body)


def _device(device: Mapping[str, Any]) -> Properties:
    return {
        "PathOnHost": device["hostPath"],
        "PathInContainer": device.get("containerPath") or device["hostPath"],
        "CgroupPermissions": device.get("permissions") or "rwm",
    }


def _rates(rates: list[Properties]) -> list[Properties]:
    return [{"Path": rate["path"], "Rate": rate["rate"]} for rate in rates]


def _device_requests(inputs: Mapping[str, Any]) -> list[Properties]:
    requests = [
        {
            "Driver": request.get("driver", ""),
            "Count": request.get("count", 0),
            "DeviceIDs": request.get("deviceIds", []),
            "Capabilities": [request["capabilities"]] if request.get("capabilities") else [],
            "Options": request.get("options", {}),
        }
        for request in inputs.get("deviceRequests", [])
    ]
    gpus = inputs.get("gpus", "")
    if gpus == "all":
        requests.append({"Count": -1, "Capabilities": [["gpu"]]})
    elif gpus:
        requests.append({"DeviceIDs": gpus.removeprefix("device=").split(","), "Capabilities": [["gpu"]]})
    return requests


def volume_source(volume: Mapping[str, Any]) -> str:
    """The named volume or host path of a `volumes` entry; empty for an anonymous one."""
    return str(volume.get("volumeName") or volume.get("hostPath") or "")
