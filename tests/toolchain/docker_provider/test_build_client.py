import os
from pathlib import Path

import pytest

from toolchain.docker_provider.build_client import _commands, select

VERSIONS = {
    "/new": "Docker version 28.2.2, build e6534b4",
    "/old": "Docker version 20.10.24+dfsg1, build 297e128",
    "/22": "Docker version 22.06.0-beta",
    "/23": "Docker version 23.0.1, build a5ee5b1",
    "/podman": "podman version 4.3.1",
}


def runs(*with_buildx):
    def run(command):
        if command[1] == "buildx":
            return "github.com/docker/buildx v0.12" if command[0] in with_buildx else None
        return VERSIONS.get(command[0])

    return run


@pytest.mark.parametrize(
    ("commands", "with_buildx", "chosen"),
    [
        ([], [], None),
        (["/new"], [], None),
        (["/new"], ["/new"], ("/new", "buildx", "build")),
        (["/new", "/old"], [], ("/old", "build")),
        (["/old", "/new"], ["/new"], ("/new", "buildx", "build")),
        (["/23"], [], None),
        (["/22"], [], ("/22", "build")),
        (["/gone", "/old"], [], ("/old", "build")),
        (["/podman"], [], None),
    ],
)
def test_buildx_first_then_an_old_client(commands, with_buildx, chosen):
    client = select(commands, runs(*with_buildx))
    assert (client.command if client else None) == chosen


def test_what_the_client_needs():
    old, new = select(["/old"], runs()), select(["/new"], runs("/new"))
    assert old is not None
    assert old.environment == {"DOCKER_BUILDKIT": "1"}
    assert new is not None
    assert new.environment == {"BUILDX_BUILDER": "default"}


def test_commands_are_found_in_order_and_once(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        (tmp_path / name / "docker").write_text("")
        (tmp_path / name / "docker").chmod(0o755)
    os.symlink(tmp_path / "a" / "docker", tmp_path / "c" / "docker")
    path = os.pathsep.join(str(tmp_path / name) for name in ("b", "c", "a", "none"))
    found = [Path(command).parent.name for command in _commands(path) if command.startswith(str(tmp_path))]
    assert found == ["b", "c"]
