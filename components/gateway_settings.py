"""A stack's settings on the gateways of its services: those of all services and those of one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.problems import Problem
from components.setting_values import check_known, kind_of, to_flag, to_number, to_whole_number

OF_SERVICE = (
    "zeroDowntime",
    "replicas",
    "replicaMaxConcurrentRequests",
    "maxRequestWaitTime",
    "scoringTimeoutMs",
    "versions",
)
"""What a service may set for itself; all but its versions in place of the stack's."""

OF_VERSION = ("name", "image", "executionScript", "trafficPercentile", "isDefault")


@dataclass(frozen=True)
class VersionSettings:
    """A version of a service: an image, or a script around the stack's model."""

    name: str
    image: str = ""
    execution_script: str = ""
    traffic_percentile: float | None = None
    is_default: bool = False


@dataclass(frozen=True)
class GatewaySettings:
    """The gateway of one service; None is what the component does by itself."""

    zero_downtime: bool = False
    replicas: int | None = None
    replica_max_concurrent_requests: int | None = None
    max_request_wait_time: int | None = None
    scoring_timeout_ms: int = 0
    versions: Sequence[VersionSettings] = ()

    @classmethod
    def read(cls, service: str, style: str, entry: Mapping[str, Any], stack: Mapping[str, str]) -> "GatewaySettings":
        """Return the settings of a service.

        What the stack says on gateways does not count for a service without one; what the service says itself does,
        and is refused by the component.

        Args:
            service: its name.
            style: its style.
            entry: what `services` says of it.
            stack: the stack's own keys, each a text, JSON where it is not a string.

        Raises:
            Problem: a value is not of its kind, or versions are given with a style that makes its own image.
        """

        def of(key: str) -> Any:
            return entry[key] if key in entry else from_json(stack, key)

        def number(key: str, *, counts: bool) -> int | None:
            value = of(key) if counts or key in entry else None
            return None if value in (None, "") else to_whole_number(f"{key} of {service}", value)

        zero_downtime = to_flag(f"zeroDowntime of {service}", of("zeroDowntime") or False)
        if "versions" in entry and style != "image":
            raise Problem(f"versions of {service} are given with the style {style}: give the style image.")
        return cls(
            zero_downtime=zero_downtime,
            replicas=number("replicas", counts=zero_downtime),
            replica_max_concurrent_requests=number("replicaMaxConcurrentRequests", counts=zero_downtime),
            max_request_wait_time=number("maxRequestWaitTime", counts=zero_downtime),
            scoring_timeout_ms=number("scoringTimeoutMs", counts=True) or 0,
            versions=read_versions(f"versions of {service}", entry.get("versions", [])),
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a ContainerWebservice that are set, save the versions, which need images."""
        given = {
            "zero_downtime": self.zero_downtime or None,
            "replicas": self.replicas,
            "replica_max_concurrent_requests": self.replica_max_concurrent_requests,
            "max_request_wait_time": self.max_request_wait_time,
            "scoring_timeout_ms": self.scoring_timeout_ms or None,
        }
        return {name: value for name, value in given.items() if value is not None}


def read_versions(where: str, given: Any) -> tuple[VersionSettings, ...]:
    """Return the versions in a service's entry; raise `Problem` when one is not as it should be."""
    if not isinstance(given, list):
        raise Problem(f"{where} are {kind_of(given)}: give a list, each with name and trafficPercentile.")
    found = []
    for index, entry in enumerate(given):
        if not isinstance(entry, dict):
            raise Problem(f"{where}[{index}] is {kind_of(entry)}: give a mapping with name and trafficPercentile.")
        check_known(entry, OF_VERSION, f"key in {where}[{index}]")
        if bool(entry.get("image")) == bool(entry.get("executionScript")):
            raise Problem(
                f"{where}[{index}] needs image, the reference of one, or executionScript, to make one: give either."
            )
        share = entry.get("trafficPercentile")
        found.append(
            VersionSettings(
                name=str(entry.get("name", "")),
                image=str(entry.get("image", "")),
                execution_script=str(entry.get("executionScript", "")),
                traffic_percentile=None
                if share is None
                else to_number(f"trafficPercentile in {where}[{index}]", share),
                is_default=to_flag(f"isDefault in {where}[{index}]", entry.get("isDefault", False)),
            )
        )
    return tuple(found)


def from_json(stack: Mapping[str, str], key: str) -> Any:
    """Return the JSON value of `key`; None when it has none, the text itself when it is no JSON."""
    text = stack.get(key, "null")
    try:
        return json.loads(text)
    except ValueError:
        return text
