"""What a service tells of itself and keeps of its requests, in place of Application Insights and data collection."""

from collections.abc import Mapping
from typing import Any


def environment(args: Mapping[str, Any]) -> dict[str, str]:
    """Return the server's settings for `enable_app_insights` and `collect_model_data` of a ContainerWebservice."""
    found = {}
    if not args.get("enable_app_insights", True):
        found["SCORING_METRICS"] = "false"
    if args.get("collect_model_data", False):
        found["SCORING_REQUEST_LOG_RATE"] = "1"
    return found
