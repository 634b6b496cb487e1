"""The gateway in front of a service: what may be asked of it, and of which versions the service is made."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from typing_extensions import NotRequired, TypedDict

from components import arguments, limits, names
from components.gateway_config import GatewayConfig, Version
from components.problems import Problem

ONLY_VERSION = "service"
"""Name of the version of a service that does not name versions."""

NEEDS_GATEWAY = ("replicas", "replica_max_concurrent_requests", "max_request_wait_time", "versions")
REPLICAS_MAXIMUM = 100
WAIT_MS_DEFAULT = 500
"""As in Azure ML's AksWebservice."""


class VersionArgs(TypedDict):
    """A version of a service, as `AksEndpoint.create_version` takes it."""

    name: str
    """Name of the version: lower-case letters, digits and dashes, starting with a letter."""
    image: pulumi.Input[str]
    """Reference of the version's image."""
    traffic_percentile: NotRequired[float]
    """Share of the requests in percent; those of all versions add up to 100. Default: 0, or with isDefault what the
    others leave."""
    is_default: NotRequired[bool]
    """Whether this version takes what the others leave. Default: false, but true for an only version."""


def check(args: Mapping[str, Any], *, tls: bool) -> GatewayConfig | None:
    """Return what the gateway has to know of a service; None for a service without one.

    Args:
        args: a ContainerWebservice's arguments.
        tls: whether callers use TLS.

    Raises:
        Problem: a number is not allowed, the versions do not fit together, or something is of no use without a gateway.
    """
    timeout = limits.whole_number("scoringTimeoutMs", args.get("scoring_timeout_ms", 0), 0, 2**31 - 1)
    if not args.get("zero_downtime", False):
        if given := [names.camel(name) for name in NEEDS_GATEWAY if args.get(name)]:
            raise Problem(
                f"{' and '.join(given)} given without zeroDowntime, whose gateway they are for: set zeroDowntime to "
                "true, or drop what is given."
            )
        return None
    wait = args.get("max_request_wait_time", WAIT_MS_DEFAULT)
    return GatewayConfig(
        versions=versions(args.get("versions") or ()),
        replicas=limits.whole_number("replicas", args.get("replicas", 1), 1, REPLICAS_MAXIMUM),
        replica_max_concurrent_requests=limits.whole_number(
            "replicaMaxConcurrentRequests", args.get("replica_max_concurrent_requests", 0), 0, 10_000
        ),
        max_request_wait_time=limits.whole_number("maxRequestWaitTime", wait, 1, 2**31 - 1),
        scoring_timeout_ms=timeout,
        tls=tls,
    )


def versions(given: Sequence[Mapping[str, Any]]) -> tuple[Version, ...]:
    """Return the versions with their shares, the default one first; one that has no name where none is given.

    Raises:
        Problem: a name is not allowed or comes twice, or the shares do not add up to 100.
    """
    if not given:
        return (Version(ONLY_VERSION),)
    for index, version in enumerate(given):
        arguments.check(version, VersionArgs, {}, f"versions[{index}].")
    known = [names.check_version_name(str(version.get("name", ""))) for version in given]
    if twice := sorted({name for name in known if known.count(name) > 1}):
        raise Problem(f"two versions are named {twice[0]!r}: rename one.")
    if missing := [name for name, version in zip(known, given, strict=True) if not version.get("image")]:
        raise Problem(f"the version {missing[0]!r} has no image: give the reference of one.")
    default = default_of(known, given)
    shares = {
        name: limits.whole_number(f"trafficPercentile of {name!r}", version.get("traffic_percentile", 0), 0, 100)
        for name, version in zip(known, given, strict=True)
    }
    rest = 100 - sum(shares.values())
    given_to_default = default and given[known.index(default)].get("traffic_percentile") is not None
    if default and not given_to_default and rest >= 0:
        shares[default], rest = rest, 0
    if rest:
        said = ", ".join(f"{name} {share}" for name, share in shares.items())
        raise Problem(f"the versions' trafficPercentile add up to {100 - rest} ({said}): they must add up to 100.")
    return tuple(Version(name, shares[name]) for name in sorted(known, key=lambda name: name != default))


def default_of(known: Sequence[str], given: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the default version; empty where there is none. Raises `Problem` when several claim it."""
    claiming = [name for name, version in zip(known, given, strict=True) if version.get("is_default")]
    if len(claiming) > 1:
        raise Problem(f"{' and '.join(claiming)} have isDefault: one version at most can be the default.")
    return claiming[0] if claiming else known[0] if len(known) == 1 else ""


def resource_part(version: Version) -> str:
    """Return what a version's containers are called among a service's resources."""
    return "replica" if version.name == ONLY_VERSION else version.name
