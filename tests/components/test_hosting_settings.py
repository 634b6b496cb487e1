"""Settings on networks, metrics and recorded requests: the stack's and a service's own."""

from typing import Any

import pytest

from components.hosting_settings import HostingSettings
from components.problems import Problem
from tests.components.test_settings import service, settings


def test_what_is_not_said() -> None:
    assert {entry.hosting for entry in settings().services} == {HostingSettings("", "", True, False)}


def test_a_service_may_differ_from_its_stack() -> None:
    own = service(dnsNameLabel="mnist", vnetName="back", enableAppInsights=True, collectModelData=False)
    entries = [own, service(name="other")]
    first, other = settings(services=entries, vnetName="front", enableAppInsights=False, collectModelData=True).services
    assert first.hosting == HostingSettings("mnist", "back", True, False)
    assert other.hosting == HostingSettings("", "front", False, True)


def test_properties_are_the_stacks_or_a_services_own() -> None:
    entries = [service(properties={"a": 1}), service(name="other")]
    first, other = settings(services=entries, properties={"b": "2"}).services
    assert (first.properties, other.properties) == ({"a": "1"}, {"b": "2"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"enableAppInsights": "maybe"}, r"^enableAppInsights is 'maybe': give true or false"),
        ({"services": [service(collectModelData=1)]}, r"^collectModelData of aci-mnist-1 is 1: give true or false"),
        ({"services": [service(properties=["a"])]}, r"services\[0\].properties is a list"),
    ],
)
def test_other_values_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said):
        settings(**given)
