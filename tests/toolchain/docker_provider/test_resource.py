import re
import threading

import pytest

from toolchain.docker_provider.container import Container
from toolchain.docker_provider.daemon import Daemon
from toolchain.docker_provider.engine import Engine
from toolchain.docker_provider.network import Network
from toolchain.docker_provider.resource import Naming, Operation, autoname
from toolchain.docker_provider.values import UNKNOWN
from toolchain.docker_provider.volume import Volume


@pytest.fixture
def operation():
    urn = "urn:pulumi:dev::app::docker:index/container:Container::my svc"
    return Operation(urn, Daemon({}, {}), Engine(), threading.Event())


def check(resource, operation, news, olds=None, **naming):
    return resource.check(operation, olds or {}, news, Naming(**naming))


def test_an_absent_name_is_made_from_the_resources(operation):
    checked = check(Container(), operation, {"image": "i"}, seed=b"seed")
    assert re.fullmatch(r"my-svc-[0-9a-f]{7}", checked.inputs["name"])
    assert checked.inputs["__defaults"] == ["name"]
    assert checked.inputs["name"] == check(Container(), operation, {"image": "i"}, seed=b"seed").inputs["name"]


@pytest.mark.parametrize(
    ("olds", "kept"),
    [({"name": "x-1234567", "__defaults": ["name"]}, True), ({"name": "chosen", "__defaults": []}, False), ({}, False)],
)
def test_a_made_name_stays_but_a_chosen_one_goes(operation, olds, kept):
    name = check(Container(), operation, {"image": "i"}, olds).inputs["name"]
    assert (name == olds.get("name")) is kept


def test_the_engines_own_naming_is_followed(operation):
    assert check(Volume(), operation, {}, proposed="proposed").inputs["name"] == "proposed"
    assert "give a name" in check(Volume(), operation, {}, disabled=True).failures["name"]


def test_names_without_a_seed_differ():
    assert autoname("a") != autoname("a")


@pytest.mark.parametrize(
    ("resource", "defaults", "first"),
    [
        (Container(), ["name"], True),
        (Container(), [], True),
        (Network(), ["name"], False),
        (Network(), [], True),
        (Volume(), [], True),
    ],
)
def test_a_chosen_name_cannot_stand_beside_the_old_one(resource, defaults, first):
    state = {"name": "n", "image": "i", "labels": []}
    news = {**state, "labels": [{"label": "x", "value": "1"}], "__defaults": defaults}
    assert resource.diff(state, {}, news).delete_before_replace is first


def test_an_update_in_place_deletes_nothing_first():
    state = {"image": "i", "name": "n", "restart": "no"}
    difference = Container().diff(state, {}, {"image": "i", "name": "n", "restart": "always"})
    assert list(difference.changes) == ["restart"]
    assert not difference.delete_before_replace


def test_a_preview_tells_what_docker_chooses_as_unknown(operation):
    outputs = Container().preview(operation, {"image": "i", "name": "n", "ports": [{"internal": 80}]}, None)
    assert outputs["ports"] == [{"internal": 80, "external": UNKNOWN, "ip": "0.0.0.0", "protocol": "tcp"}]
    assert outputs["networkDatas"] == UNKNOWN
    assert (outputs["name"], outputs["mustRun"]) == ("n", True)


def test_an_update_keeps_what_docker_chose_and_drops_what_is_no_longer_given():
    state = {"image": "i", "name": "n", "hostname": "c0ffee", "memorySwap": 512, "exitCode": 137, "__meta": "{}"}
    planned = Container().planned(state, {"image": "i", "name": "n"})
    assert (planned["hostname"], planned["exitCode"], planned["__meta"]) == ("c0ffee", 137, "{}")
    assert "memorySwap" not in planned
