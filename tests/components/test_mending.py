"""What was done to a running container by hand: what counts as that, and how it is undone."""

from collections.abc import Mapping, Sequence
from typing import Any

import docker.errors
import pytest

from components import mending
from components.mending import Damage
from components.problems import Problem

NONE: Mapping[str, Sequence[str]] = {}
OWN = {"own": ["svc"]}


def container(
    networks: Sequence[str], *, running: bool = True, paused: bool = False, mode: str = "default"
) -> dict[str, Any]:
    """What the daemon says of a container that has joined these networks."""
    return {
        "Name": "/svc",
        "State": {"Running": running, "Paused": paused},
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": {name: {} for name in networks}},
    }


@pytest.mark.parametrize(
    ("seen", "wanted", "found"),
    [
        (container(["bridge"]), NONE, Damage()),
        (container(["bridge"], paused=True), NONE, Damage(paused=True)),
        (container([]), NONE, Damage(off=("bridge",))),
        (container([], paused=True, mode="bridge"), NONE, Damage(True, ("bridge",))),
        (container([], mode="none"), NONE, Damage()),
        (container([], running=False), NONE, Damage()),
        (container(["podman"], mode="bridge"), NONE, Damage()),
        (container(["bridge", "more"]), NONE, Damage()),
        (container(["own"]), OWN, Damage()),
        (container(["own", "more"]), OWN, Damage()),
        (container(["bridge"]), OWN, Damage(off=("own",))),
        (container(["own"]), {**OWN, "other": ()}, Damage(off=("other",))),
    ],
)
def test_what_counts_as_done_by_hand(
    seen: Mapping[str, Any], wanted: Mapping[str, Sequence[str]], found: Damage
) -> None:
    assert mending.damage(seen, wanted) == found


def test_it_is_told_part_by_part() -> None:
    assert Damage(True, ("a", "b")).parts == ["paused", "off the network a", "off the network b"]
    assert Damage().parts == []


class Api:
    """Docker's API with one container, which notes what is done to it."""

    def __init__(self, seen: Mapping[str, Any] | None, refusal: str = "") -> None:
        self.seen = seen
        self.refusal = refusal
        self.done: list[tuple[Any, ...]] = []

    def inspect_container(self, container_id: str) -> Mapping[str, Any]:
        if self.seen is None:
            raise docker.errors.NotFound(container_id)
        return self.seen

    def connect_container_to_network(self, container_id: str, network: str, aliases: list[str] | None) -> None:
        if self.refusal:
            raise docker.errors.APIError(self.refusal)
        self.done.append(("connect", container_id, network, aliases))

    def unpause(self, container_id: str) -> None:
        self.done.append(("unpause", container_id))

    def restart(self, container_id: str, timeout: int) -> None:
        self.done.append(("restart", container_id))


@pytest.mark.parametrize(
    ("seen", "wanted", "done"),
    [
        (None, OWN, []),
        (container(["own"]), OWN, []),
        (container([], paused=True), NONE, [("unpause", "c"), ("connect", "c", "bridge", None)]),
        (container([]), {**OWN, "other": ()}, [("connect", "c", "own", ["svc"]), ("connect", "c", "other", None)]),
    ],
)
def test_it_is_undone(
    seen: Mapping[str, Any] | None, wanted: Mapping[str, Sequence[str]], done: list[tuple[Any, ...]]
) -> None:
    api = Api(seen)
    expected = mending.damage(seen, wanted) if seen else Damage()
    assert mending.look(api, "c", wanted) == expected
    assert api.done == [], "a look changes nothing"
    assert mending.undo(api, "c", wanted) == expected
    assert api.done == done


@pytest.mark.parametrize(
    ("seen", "done"),
    [
        (container([]), [("connect", "c", "own", ["svc"]), ("restart", "c")]),
        (container(["own"], paused=True), [("unpause", "c")]),
        (container(["own"]), []),
    ],
)
def test_one_that_keeps_connections_is_started_again_when_it_was_off_a_network(
    seen: Mapping[str, Any], done: list[tuple[Any, ...]]
) -> None:
    api = Api(seen)
    mending.undo(api, "c", OWN, again=True)
    assert api.done == done


def test_a_daemon_that_refuses_is_told_with_the_way_out() -> None:
    with pytest.raises(
        Problem, match=r"svc is off the network own, which cannot be undone: no such.*docker rm -f svc'"
    ):
        mending.undo(Api(container([]), refusal="no such network"), "c", OWN)
