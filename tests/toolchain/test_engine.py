"""Which command line and language host are taken."""

from pathlib import Path

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain.engine import ENGINE, HOST, LANGUAGE, SDK, Engine, cached_programs, host_ways, link, ways
from toolchain.layout import PROJECT, Layout
from toolchain.machine import Machine
from toolchain.step import Way

CACHED = str(cached_programs(ChosenMachine()))
ON_PATH = {"pulumi": "/usr/bin/pulumi"}


def first(ways: list[Way]) -> Way:
    return next(way for way in ways if not way.obstacle)


@pytest.mark.parametrize(
    ("machine", "taken"),
    [
        (ChosenMachine(programs=ON_PATH, outputs={"/usr/bin/pulumi version": "v3.260.1\n"}), "path"),
        (ChosenMachine(programs=ON_PATH, outputs={"/usr/bin/pulumi version": "v3.200.0"}, online=True), "path"),
        (ChosenMachine(programs=ON_PATH, outputs={"/usr/bin/pulumi version": "v3.199.9"}, online=True), "vendor"),
        (ChosenMachine(programs=ON_PATH, outputs={"/usr/bin/pulumi version": "v2.9.0"}), "build"),
        (ChosenMachine(programs=ON_PATH, files=frozenset({f"{CACHED}/pulumi"})), "cache"),
        (ChosenMachine(files=frozenset({f"{CACHED}/pulumi"}), online=True), "cache"),
        (ChosenMachine(online=True), "vendor"),
        (ChosenMachine(), "build"),
    ],
)
def test_the_users_command_line_then_ours_then_the_vendors_then_a_build(machine: Machine, taken: str) -> None:
    assert first(list(ways(machine))).name == taken


def test_an_old_command_line_is_named() -> None:
    machine = ChosenMachine(programs=ON_PATH, outputs={"/usr/bin/pulumi version": "v3.100.2"})
    assert next(ways(machine)).obstacle == "/usr/bin/pulumi is 3.100.2, and 3.200.0 is needed"


@pytest.mark.parametrize(
    ("files", "programs", "taken", "value"),
    [
        ({"/opt/bin/pulumi-language-python", "/opt/bin/pulumi-language-python-exec"}, {}, "found", "/opt/bin"),
        ({"/opt/bin/pulumi-language-python"}, {}, "build", ""),
        (set(), {HOST: "/usr/local/bin/pulumi-language-python"}, "found", "/usr/local/bin"),
        ({f"{CACHED}/{HOST}", f"{CACHED}/{HOST}-exec"}, {}, "own", ""),
        ({f"{CACHED}/{HOST}"}, {}, "build", ""),
        (set(), {}, "build", ""),
    ],
)
def test_the_host_beside_the_command_line_then_on_path_then_ours(
    files: set[str], programs: dict[str, str], taken: str, value: str
) -> None:
    machine = ChosenMachine(files=frozenset(files), programs=programs)
    way = first(list(host_ways(machine, Engine(Path("/opt/bin/pulumi"), "3.250.0", own=False))))
    assert (way.name, way.value) == (taken, value)


def test_the_host_is_found_where_a_link_to_the_command_line_leads(tmp_path: Path) -> None:
    real, links = tmp_path / "real", tmp_path / "links"
    real.mkdir()
    links.mkdir()
    for name in ("pulumi", HOST, f"{HOST}-exec"):
        (real / name).write_text("")
    (links / "pulumi").symlink_to(real / "pulumi")
    machine = Machine({}, Layout(tmp_path, tmp_path))
    way = first(list(host_ways(machine, Engine(links / "pulumi", "3.250.0", own=False))))
    assert way.value == str(real)


def test_the_links_are_exactly_those_that_are_wanted(tmp_path: Path) -> None:
    folder, old, new = tmp_path / "bin", tmp_path / "old", tmp_path / "new"
    link(folder, [old / "pulumi", old / "host"])
    link(folder, [new / "pulumi"])
    link(folder, [new / "pulumi"])
    assert {path.name: path.readlink() for path in folder.iterdir()} == {"pulumi": new / "pulumi"}
    link(folder, [])
    assert list(folder.iterdir()) == []


def test_versions_agree() -> None:
    """The SDK in the lock, the command line, and the script that the SDK's module has for the language host."""
    assert f"\npulumi=={ENGINE.version} " in (PROJECT / "requirements.lock").read_text()
    assert f"{SDK} v{ENGINE.version} " in (ENGINE.folder / "go.mod").read_text()
    assert f"{SDK} v{ENGINE.version} h1:" in (ENGINE.folder / "go.sum").read_text()
    assert LANGUAGE.version == "3.78.0", "the last that is served as a module of its own"
