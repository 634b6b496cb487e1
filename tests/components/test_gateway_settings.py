"""What a stack's settings say of the gateways of its services."""

from typing import Any

import pytest

from components.gateway_settings import GatewaySettings, VersionSettings
from components.problems import Problem

STACK = {
    "zeroDowntime": "true",
    "replicas": "2",
    "replicaMaxConcurrentRequests": "3",
    "maxRequestWaitTime": "700",
    "scoringTimeoutMs": "9000",
}


def read(entry: dict[str, Any], style: str = "image", **stack: str) -> GatewaySettings:
    return GatewaySettings.read("svc", style, entry, {**STACK, **stack})


def test_the_stacks_settings_hold_for_its_services() -> None:
    assert read({}) == GatewaySettings(True, 2, 3, 700, 9000)
    assert read({}).arguments == {
        "zero_downtime": True,
        "replicas": 2,
        "replica_max_concurrent_requests": 3,
        "max_request_wait_time": 700,
        "scoring_timeout_ms": 9000,
    }


def test_a_services_own_settings_win() -> None:
    assert read({"replicas": 5, "scoringTimeoutMs": 0}) == GatewaySettings(True, 5, 3, 700, 0)


def test_what_the_stack_says_of_gateways_does_not_count_without_one() -> None:
    assert read({"zeroDowntime": False}).arguments == {"scoring_timeout_ms": 9000}
    assert read({}, zeroDowntime="false").arguments == {"scoring_timeout_ms": 9000}
    assert read({"replicas": 2}, zeroDowntime="false").arguments["replicas"] == 2, "for the component to refuse"


def test_versions_are_images_or_scripts() -> None:
    entry = {
        "versions": [
            {"name": "blue", "image": "blue:1", "trafficPercentile": 90},
            {"name": "green", "executionScript": "green.py", "isDefault": True},
        ]
    }
    assert read(entry).versions == (
        VersionSettings("blue", image="blue:1", traffic_percentile=90.0),
        VersionSettings("green", execution_script="green.py", is_default=True),
    )


@pytest.mark.parametrize(
    ("entry", "style", "message"),
    [
        ({"zeroDowntime": "yes"}, "image", r"zeroDowntime of svc is 'yes': give true or false"),
        ({"replicas": 1.5}, "image", r"replicas of svc is 1\.5: give a whole number"),
        ({"versions": []}, "modelFile", r"versions of svc are given with the style modelFile: give the style image"),
        ({"versions": {}}, "image", r"versions of svc are a mapping: give a list"),
        ({"versions": ["blue"]}, "image", r"versions of svc\[0\] is a text: give a mapping"),
        ({"versions": [{"name": "a"}]}, "image", r"versions of svc\[0\] needs image, .* or executionScript"),
        (
            {"versions": [{"name": "a", "image": "a:1", "share": 1}]},
            "image",
            r"unknown key in versions of svc\[0\] 'share'",
        ),
        (
            {"versions": [{"name": "a", "image": "a:1", "trafficPercentile": "most"}]},
            "image",
            r"trafficPercentile in versions of svc\[0\] is 'most': give a number",
        ),
    ],
)
def test_what_is_of_another_kind_is_refused(entry: dict[str, Any], style: str, message: str) -> None:
    with pytest.raises(Problem, match=message):
        read(entry, style)
