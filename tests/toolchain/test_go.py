"""Which Go is taken, and what is read from it."""

from pathlib import Path

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain.engine import ENGINE, LANGUAGE
from toolchain.go import LOCK, Go, follow, ways
from toolchain.layout import PROJECT
from toolchain.machine import Machine, version_in

ASKED = "env GOTOOLCHAIN=local /usr/bin/go version"
HERE = {"go": "/usr/bin/go"}


@pytest.mark.parametrize(
    ("machine", "taken", "passed_over"),
    [
        (ChosenMachine(programs=HERE, outputs={ASKED: "go version go1.26.1 linux/amd64"}), "path", ""),
        (ChosenMachine(programs=HERE, outputs={ASKED: "go version go1.30 linux/amd64"}), "path", ""),
        (
            ChosenMachine(programs=HERE, outputs={ASKED: "go version go1.9.7 linux/amd64"}),
            "package",
            "/usr/bin/go is 1.9.7, and 1.26 is needed",
        ),
        (ChosenMachine(programs=HERE), "package", f"{ASKED} failed"),
        (ChosenMachine(), "package", "there is none"),
    ],
)
def test_go_is_the_users_when_it_is_new_enough(machine: Machine, taken: str, passed_over: str) -> None:
    surveyed = list(ways(machine, (1, 26)))
    assert next(way.name for way in surveyed if not way.obstacle) == taken
    assert surveyed[0].obstacle == passed_over


def test_the_package_is_of_the_go_that_the_modules_need() -> None:
    pinned = version_in((PROJECT / LOCK).read_text())
    assert pinned[:2] == ENGINE.minimum_go[:2] == LANGUAGE.minimum_go[:2]


def test_nothing_of_the_users_changes_the_build() -> None:
    users = {"GOFLAGS": "-mod=vendor", "GOOS": "plan9", "GOPROXY": "https://company", "GOPATH": "/mine", "PATH": "/bin"}
    environ = Go(Path("/usr/bin/go")).environ(users)
    assert environ["GOFLAGS"] == "-mod=readonly"
    assert "GOOS" not in environ
    assert environ["GOPROXY"] == "https://company"
    assert environ["GOPATH"] == "/mine", "the user's Go keeps its downloads where it always does"
    own = Go(Path("/cache/go/bin/go"), Path("/cache")).environ(users)
    assert all(own[name].startswith("/cache/") for name in ("GOPATH", "GOCACHE", "GOMODCACHE"))


def test_the_progress_counts_packages() -> None:
    said: list[str] = []
    tail = follow(["a\n", "b\n", "c\n"], 3, said.append)
    assert said == ["compiling, package 1 of at most 3", "compiling, package 2 of at most 3", "linking"]
    assert tail == "a\nb\nc\n"
