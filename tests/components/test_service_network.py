"""Networks: which one a service joins, under which name, and what is said of one that it cannot join."""

from typing import Any

import pulumi
import pytest

from components.container_webservice import ContainerWebservice
from components.problems import Problem
from components.service_network import Network, NetworkConfig, check, check_joinable
from tests.components.engine import CONTAINER, NETWORK, Engine, Run

NETWORKS = [
    Network("bridge"),
    Network("front"),
    Network("host", driver="host"),
    Network("none", driver="null"),
    Network("inside", internal=True),
    Network("swarm", driver="overlay", scope="swarm"),
    Network("shared", driver="overlay", scope="swarm", attachable=True),
]


def run(up: Run, **given: Any) -> Engine:
    def program() -> None:
        ContainerWebservice("svc", {"image": "i:1", **given})  # type: ignore[typeddict-item]

    return up(program)


@pytest.mark.parametrize("name", ["", "bridge", "front", "shared"])
def test_networks_that_exist_are_joined(name: str) -> None:
    check_joinable(NetworkConfig(name), NETWORKS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"vnet_name": "frnt"},
            r"vnetName is 'frnt', and there is no such .*: give one of bridge, front, shared, or",
        ),
        ({"vnet_name": "host"}, r"which is no network that a container joins .* Give one of bridge, front, shared\."),
        ({"vnet_name": "none"}, r"which is no network that a container joins"),
        ({"vnet_name": "inside"}, r"which is internal, so that no port can be published"),
        ({"vnet_name": "swarm"}, r"takes services of a swarm alone: make it with --attachable"),
        ({"vnet_name": "bridge", "dns_name_label": "a"}, r"dnsNameLabel needs a network with names"),
        ({"dns_name_label": "a.b"}, r"dnsNameLabel is 'a.b': give one label of a host name"),
        ({"dns_name_label": "-a"}, r"dnsNameLabel is '-a': give one label"),
        ({"dns_name_label": "a" * 64}, r"1 to 63 letters"),
        ({"dns_name_label": "12"}, r"not digits alone"),
    ],
)
def test_what_cannot_be_joined_or_found_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(Problem, match=said):
        check_joinable(check(given), NETWORKS)


def test_without_a_network_it_is_dockers_own(up: Run) -> None:
    container = run(up).find(CONTAINER).inputs
    assert "networksAdvanced" not in container
    assert "hostname" not in container


def test_an_existing_network_is_joined_under_the_label(up: Run) -> None:
    engine = run(up, vnet_name="front", dns_name_label="Mnist")
    container = engine.find(CONTAINER).inputs
    assert container["networksAdvanced"] == [{"name": "front", "aliases": ["mnist"]}]
    assert container["hostname"] == "mnist"
    assert [made for made in engine.resources if made.type == NETWORK] == []


def test_a_label_alone_makes_a_network_of_the_services_name(up: Run) -> None:
    engine = run(up, dns_name_label="mnist")
    network = engine.find(NETWORK)
    assert (network.name, network.parent, network.inputs) == ("svc-network", "svc", {"name": "svc"})
    assert engine.find(CONTAINER).inputs["networksAdvanced"] == [{"name": "svc", "aliases": ["mnist"]}]
    assert engine.find(CONTAINER).dependencies == ["svc-network"]


def test_an_unknown_network_is_told_at_preview(preview: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"^svc: vnetName is 'back'.*: give one of bridge, front, or make"):
        run(preview, vnet_name="back")
