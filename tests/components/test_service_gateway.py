"""Which gateways may be asked for, and how versions share the requests."""

from typing import Any

import pytest

from components import service_gateway
from components.gateway_config import GatewayConfig, Version
from components.problems import Problem


def version(name: str, percentile: float | None = None, **others: Any) -> dict[str, Any]:
    share = {} if percentile is None else {"traffic_percentile": percentile}
    return {"name": name, "image": f"{name}:1", **share, **others}


def test_without_zero_downtime_there_is_none() -> None:
    assert service_gateway.check({}, tls=True) is None
    assert service_gateway.check({"zero_downtime": False, "scoring_timeout_ms": 5.0}, tls=False) is None


def test_the_least_is_one_container_without_limits() -> None:
    assert service_gateway.check({"zero_downtime": True}, tls=False) == GatewayConfig((Version("service", 100),))


def test_all_that_is_asked_for_is_taken_from_any_language() -> None:
    given = {
        "zero_downtime": True,
        "replicas": 2.0,
        "replica_max_concurrent_requests": 3.0,
        "max_request_wait_time": 700.0,
        "scoring_timeout_ms": 9000.0,
    }
    assert service_gateway.check(given, tls=True) == GatewayConfig(
        (Version("service", 100),), 2, 3, 700, 9000, tls=True
    )


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ([version("a")], [("a", 100)]),
        ([version("a", 70), version("b", 30)], [("a", 70), ("b", 30)]),
        ([version("a", 30.0), version("b", is_default=True)], [("b", 70), ("a", 30)]),
        ([version("a", 100), version("b", is_default=True)], [("b", 0), ("a", 100)]),
        ([version("a", 20), version("b", 80, is_default=True)], [("b", 80), ("a", 20)]),
        ([version("a", 100), version("b")], [("a", 100), ("b", 0)]),
    ],
)
def test_versions_share_a_hundred(given: list[dict[str, Any]], shares: list[tuple[str, int]]) -> None:
    assert service_gateway.versions(given) == tuple(Version(*share) for share in shares)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"replicas": 2}, r"^replicas given without zeroDowntime, .*: set zeroDowntime to true, or drop"),
        (
            {"replicas": 2, "max_request_wait_time": 5, "versions": [version("a")]},
            r"^replicas and maxRequestWaitTime and versions given without zeroDowntime",
        ),
        ({"scoring_timeout_ms": -1}, r"^scoringTimeoutMs is -1: give a whole number from 0 to"),
        ({"zero_downtime": True, "replicas": 0}, r"^replicas is 0: give a whole number from 1 to 100\.$"),
        ({"zero_downtime": True, "replicas": 1.5}, r"^replicas is 1.5: give a whole number"),
        ({"zero_downtime": True, "max_request_wait_time": 0}, r"^maxRequestWaitTime is 0: give a whole number from 1"),
        ({"zero_downtime": True, "replica_max_concurrent_requests": -1}, r"^replicaMaxConcurrentRequests is -1"),
        (
            {"zero_downtime": True, "versions": [version("a", 50), version("b", 30)]},
            r"add up to 80 \(a 50, b 30\): they must add up to 100\.$",
        ),
        (
            {"zero_downtime": True, "versions": [version("a", 90), version("b", 30), version("c", is_default=True)]},
            r"add up to 120 ",
        ),
        ({"zero_downtime": True, "versions": [version("a", 50), version("a", 50)]}, r"^two versions are named 'a'"),
        ({"zero_downtime": True, "versions": [version("A", 100)]}, r"^the version name 'A' is not allowed"),
        ({"zero_downtime": True, "versions": [version("gateway", 100)]}, r"^the version name 'gateway' is not allowed"),
        ({"zero_downtime": True, "versions": [{"name": "a"}]}, r"^the version 'a' has no image: give"),
        ({"zero_downtime": True, "versions": [version("a", 100.5)]}, r"^trafficPercentile of 'a' is 100.5: give"),
        (
            {"zero_downtime": True, "versions": [version("a", is_default=True), version("b", is_default=True)]},
            r"^a and b have isDefault: one version",
        ),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message):
        service_gateway.check(given, tls=False)
