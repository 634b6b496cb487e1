"""The properties of docker:index/container:Container.

Which change replaces the container, which input may be left to the daemon and what an absent one stands for follow the
vendor's provider 5.2 (terraform-provider-docker's resource `docker_container`).
"""

from __future__ import annotations

from typing import Any

from toolchain.docker_provider import units
from toolchain.docker_provider.schema import Field, Schema


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


_DURATION = Field("string", default="0s", normal=units.nanoseconds)
_STRING = Field("string")
_NEEDED = Field("string", required=True)
_LABELS: Schema = {"label": _NEEDED, "value": _NEEDED}
_RATES: Schema = {"path": _NEEDED, "rate": Field("int", required=True)}
_MOUNT_VOLUME: Schema = {
    "driverName": _STRING,
    "driverOptions": Field("map"),
    "labels": Field("set", _LABELS),
    "noCopy": Field("bool"),
    "subpath": _STRING,
}
_MOUNT: Schema = {
    "target": _NEEDED,
    "type": _NEEDED,
    "source": _STRING,
    "readOnly": Field("bool"),
    "bindOptions": Field("object", {"propagation": _STRING}),
    "tmpfsOptions": Field("object", {"mode": Field("int"), "sizeBytes": Field("int")}),
    "volumeOptions": Field("object", _MOUNT_VOLUME),
}
_PORT: Schema = {
    "internal": Field("int", required=True),
    "external": Field("int", computed=True),
    "ip": Field("string", default="0.0.0.0"),  # noqa: S104 - what Docker does when no address is given
    "protocol": Field("string", default="tcp"),
}
_NETWORK: Schema = {
    "name": _NEEDED,
    "aliases": Field("set"),
    "driverOpts": Field("set"),
    "ipv4Address": _STRING,
    "ipv6Address": _STRING,
    "linkLocalIps": Field("set"),
    "macAddress": _STRING,
}
_UPLOAD: Schema = {
    "file": _NEEDED,
    "content": _STRING,
    "contentBase64": _STRING,
    "source": _STRING,
    "sourceHash": _STRING,
    "executable": Field("bool", default=False),
    "permissions": _STRING,
    "owner": _STRING,
    "group": _STRING,
}
_HEALTHCHECK: Schema = {
    "tests": Field("list"),
    "interval": _DURATION,
    "timeout": _DURATION,
    "startPeriod": _DURATION,
    "startInterval": _DURATION,
    "retries": Field("int", default=0),
}
_VOLUME: Schema = {
    "containerPath": _STRING,
    "fromContainer": _STRING,
    "hostPath": _STRING,
    "readOnly": Field("bool"),
    "selinuxRelabel": _STRING,
    "volumeName": _STRING,
}
_DEVICE: Schema = {"hostPath": _NEEDED, "containerPath": _STRING, "permissions": _STRING}
_DEVICE_REQUEST: Schema = {
    "capabilities": Field("list"),
    "count": Field("int"),
    "deviceIds": Field("list"),
    "driver": _STRING,
    "options": Field("map"),
}
_CAPABILITIES: Schema = {"adds": Field("set", normal=_capability), "drops": Field("set", normal=_capability)}


def _new(kind: str, fields: Schema | None = None, **rules: Any) -> Field:
    """A property whose change replaces the container."""
    return Field(kind, fields or {}, replace=True, **rules)


SCHEMA: Schema = {
    "image": _new("string", required=True),
    "name": _new("string"),
    # in place
    "attach": Field("bool", default=False),
    "containerReadRefreshTimeoutMilliseconds": Field("int", default=15000),
    "cpuSet": Field("string"),
    "cpuShares": Field("int"),
    "destroyGraceSeconds": Field("int"),
    "healthcheck": Field("object", _HEALTHCHECK, computed=True),
    "init": Field("bool", computed=True),
    "logs": Field("bool", default=False),
    "maxRetryCount": Field("int"),
    "memory": Field("int"),
    "memoryReservation": Field("int"),
    "memorySwap": Field("int"),
    "mustRun": Field("bool", default=True),
    "removeVolumes": Field("bool", default=True),
    "restart": Field("string", default="no"),
    "rm": Field("bool", default=False),
    "start": Field("bool", default=True),
    "tmpfs": Field("map"),
    "wait": Field("bool", default=False),
    "waitTimeout": Field("int", default=60),
    # by replacement
    "capabilities": _new("object", _CAPABILITIES),
    "cgroupParent": _new("string", computed=True),
    "cgroupnsMode": _new("string", computed=True),
    "command": _new("list", computed=True),
    "cpuPeriod": _new("int"),
    "cpuQuota": _new("int"),
    "cpus": _new("string"),
    "deviceCgroupRules": _new("set"),
    "deviceReadBps": _new("set", _RATES),
    "deviceReadIops": _new("set", _RATES),
    "deviceRequests": _new("list", _DEVICE_REQUEST),
    "deviceWriteBps": _new("set", _RATES),
    "deviceWriteIops": _new("set", _RATES),
    "devices": _new("set", _DEVICE),
    "dns": _new("set"),
    "dnsOpts": _new("set"),
    "dnsSearches": _new("set"),
    "domainname": _new("string"),
    "entrypoints": _new("list", computed=True),
    "envs": _new("set", computed=True),
    "gpus": _new("string"),
    "groupAdds": _new("set"),
    "hostname": _new("string", computed=True),
    "hosts": _new("set", {"host": _NEEDED, "ip": _NEEDED}),
    "ipcMode": _new("string", computed=True),
    "labels": _new("set", _LABELS, computed=True),
    "logDriver": _new("string", computed=True),
    "logOpts": _new("map"),
    "mounts": _new("set", _MOUNT),
    "networkMode": _new("string", default="bridge"),
    "networksAdvanced": _new("set", _NETWORK),
    "pidMode": _new("string"),
    "platform": _new("string", computed=True),
    "ports": _new("list", _PORT),
    "privileged": _new("bool"),
    "publishAllPorts": _new("bool"),
    "readOnly": _new("bool", default=False),
    "runtime": _new("string", computed=True),
    "securityOpts": _new("set", computed=True),
    "shmSize": _new("int", computed=True),
    "stdinOpen": _new("bool", default=False),
    "stopSignal": _new("string", computed=True),
    "stopTimeout": _new("int", computed=True),
    "storageOpts": _new("map"),
    "sysctls": _new("map"),
    "tty": _new("bool", default=False),
    "ulimits": _new("set", {"name": _NEEDED, "soft": Field("int", required=True), "hard": Field("int", required=True)}),
    "uploads": _new("set", _UPLOAD),
    "user": _new("string", computed=True),
    "usernsMode": _new("string"),
    "volumes": _new("set", _VOLUME),
    "workingDir": _new("string", computed=True),
    # outputs
    "bridge": Field("string", output=True),
    "containerLogs": Field("string", output=True),
    "exitCode": Field("int", output=True),
    "networkDatas": Field("list", output=True),
}

# Recorded in the state on update, but without effect on a container that exists.
INERT = frozenset({"healthcheck", "init", "tmpfs", "rm"})
