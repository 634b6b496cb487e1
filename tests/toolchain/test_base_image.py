"""Which base image is taken."""

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain.base_image import GATEWAY, PYTHON, Base, settings, ways
from toolchain.daemon import Daemon
from toolchain.docker_provider.endpoint import DEFAULT_HOST, Endpoint
from toolchain.machine import Machine

IMAGE, FALL_BACK = PYTHON.image, PYTHON.fall_back
DAEMON = Daemon(Endpoint(DEFAULT_HOST, ""), "28.0", "amd64")
ELSEWHERE = Daemon(Endpoint("ssh://far", ""), "28.0", "arm64")
READY = ChosenMachine(programs={"mmdebstrap": "/usr/bin/mmdebstrap"})
APT = ChosenMachine(programs={"apt-get": "/usr/bin/apt-get"}, root=True)


@pytest.mark.parametrize(
    ("machine", "daemon", "images", "wanted", "refresh", "possible"),
    [
        (READY, DAEMON, {IMAGE, FALL_BACK}, "", False, [("there", IMAGE), ("there", FALL_BACK)]),
        (READY, DAEMON, {IMAGE}, "", True, [("there", IMAGE), ("pull", IMAGE)]),
        (READY, DAEMON, {FALL_BACK}, "", False, [("there", FALL_BACK), ("pull", IMAGE)]),
        (READY, DAEMON, {FALL_BACK}, "", True, [("pull", IMAGE), ("there", FALL_BACK)]),
        (READY, DAEMON, set(), "", False, [("pull", IMAGE), ("build", "")]),
        (APT, DAEMON, set(), "", False, [("pull", IMAGE), ("install", "")]),
        (ChosenMachine(), DAEMON, set(), "", False, [("pull", IMAGE)]),
        (READY, ELSEWHERE, set(), "", False, [("pull", IMAGE)]),
        (READY, DAEMON, {IMAGE, FALL_BACK}, "mine:1", False, [("pull", "mine:1")]),
        (READY, DAEMON, {"mine:1"}, "mine:1", False, [("there", "mine:1"), ("pull", "mine:1")]),
    ],
)
def test_dockers_image_then_debians(
    machine: Machine, daemon: Daemon, images: set[str], wanted: str, refresh: bool, possible: list[tuple[str, str]]
) -> None:
    surveyed = ways(machine, daemon, frozenset(images), wanted, refresh)
    assert [(way.name, way.value) for way in surveyed if not way.obstacle][: len(possible)] == possible


@pytest.mark.parametrize("images", [set(), {GATEWAY.fall_back}])
def test_a_gateways_image_is_come_by_likewise(images: set[str]) -> None:
    surveyed = list(ways(READY, DAEMON, frozenset(images), "", False, GATEWAY))
    assert [way.value for way in surveyed[:3]] == [GATEWAY.image, GATEWAY.fall_back, GATEWAY.image]
    assert [way.name for way in surveyed if not way.obstacle] == [*(["there"] if images else []), "pull", "build"]


def test_another_processor_is_an_obstacle() -> None:
    way = next(way for way in ways(READY, ELSEWHERE, frozenset(), "", False) if way.name == "build")
    assert way.obstacle == "the daemon's processor is arm64, this machine's amd64"


@pytest.mark.parametrize("base", [PYTHON, GATEWAY])
def test_only_the_fall_back_has_to_be_told(base: Base) -> None:
    for image in (base.image, "mine:1", ""):
        assert settings(image, base) == ()
    (setting,) = settings(base.fall_back, base)
    assert (setting.name, setting.value) == (base.variable, base.fall_back)
