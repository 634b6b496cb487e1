"""Metrics and recorded requests: what the server is told of the arguments, and what a program may say over it."""

from typing import Any

import pytest

from components import telemetry
from components.container_webservice import ContainerWebservice
from tests.components.engine import CONTAINER, Run


@pytest.mark.parametrize(
    ("args", "environment"),
    [
        ({}, {}),
        ({"enable_app_insights": True, "collect_model_data": False}, {}),
        ({"enable_app_insights": False}, {"SCORING_METRICS": "false"}),
        ({"collect_model_data": True}, {"SCORING_REQUEST_LOG_RATE": "1"}),
    ],
)
def test_arguments_are_settings_of_the_server(args: dict[str, Any], environment: dict[str, str]) -> None:
    assert telemetry.environment(args) == environment


def test_the_environment_says_which_share_of_the_requests_is_kept(up: Run) -> None:
    def program() -> None:
        environment = {"SCORING_REQUEST_LOG_RATE": "0.05"}
        ContainerWebservice("svc", {"image": "i:1", "collect_model_data": True, "environment": environment})

    assert "SCORING_REQUEST_LOG_RATE=0.05" in up(program).find(CONTAINER).inputs["envs"]
