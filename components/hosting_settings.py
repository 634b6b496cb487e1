"""A stack's settings on where its services stand and what they tell: networks, metrics, recorded requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.problems import Problem
from components.setting_values import to_flag

HOST, PROVIDERS_HOST = "dockerHost", "docker:host"
"""What names the Docker daemon: the project's own key or, when that is empty, the Docker provider's."""

OF_SERVICE = ("dnsNameLabel", "vnetName", "enableAppInsights", "collectModelData")
"""What a service may set for itself, in place of the stack's; the first one it alone may set."""


@dataclass(frozen=True)
class HostingSettings:
    """Where one service stands and what it tells."""

    dns_name_label: str = ""
    vnet_name: str = ""
    enable_app_insights: bool = True
    collect_model_data: bool = False

    @classmethod
    def read(cls, service: str, entry: Mapping[str, Any], stack: Mapping[str, str]) -> "HostingSettings":
        """Return the settings of a service; raise `Problem` when a value is not of its kind.

        Args:
            service: its name.
            entry: what `services` says of it.
            stack: the stack's own keys, each a text, JSON where it is not a string.
        """

        def flag(key: str) -> bool:
            return to_flag(f"{key} of {service}", entry[key]) if key in entry else to_flag(key, stack[key])

        return cls(
            dns_name_label=str(entry.get("dnsNameLabel", "")),
            vnet_name=str(entry.get("vnetName", stack.get("vnetName", ""))),
            enable_app_insights=flag("enableAppInsights"),
            collect_model_data=flag("collectModelData"),
        )


def docker_host(own: str, providers: str) -> str:
    """Return the Docker daemon that a stack names; empty for what Docker's own client uses.

    Args:
        own: the project's `dockerHost`.
        providers: the provider's `docker:host`, which its resources would follow by themselves.

    Raises:
        Problem: they name two.
    """
    if own and providers and own != providers:
        raise Problem(
            f"{HOST} is {own!r} and {PROVIDERS_HOST} is {providers!r}: a stack has one Docker daemon. Drop one of "
            f"them, for instance with pulumi config rm {PROVIDERS_HOST}."
        )
    return own or providers
