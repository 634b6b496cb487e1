"""Which docker command line builds with BuildKit: any with buildx, or one older than 23, which brings it along."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

USUAL_PATHS = ("/usr/bin", "/usr/local/bin")
FIRST_WITHOUT_BUILDKIT = 23
TRIAL_SECONDS = 20

Run = Callable[[Sequence[str]], "str | None"]


@dataclass(frozen=True)
class BuildClient:
    """A docker command line that builds with BuildKit, and what it needs in its environment."""

    command: tuple[str, ...]
    buildx: bool
    environment: Mapping[str, str] = field(default_factory=dict)


@functools.lru_cache(maxsize=4)
def choose_client(path: str) -> BuildClient | None:
    """Choose among the docker commands on a PATH and in the usual folders; None where none is capable."""
    return select(list(_commands(path)), _output)


def select(commands: Sequence[str], run: Run) -> BuildClient | None:
    """Prefer the first command with buildx, then the first older than 23.

    Args:
        commands: paths of docker commands.
        run: runs a command and gives its output, or None where it fails.
    """
    for command in commands:
        if "docker/buildx" in (run([command, "buildx", "version"]) or ""):
            # the builder "default" is the daemon's own, which alone sees local images
            return BuildClient((command, "buildx", "build"), True, {"BUILDX_BUILDER": "default"})
    for command in commands:
        version = re.match(r"Docker version (\d+)\.", run([command, "--version"]) or "")
        if version and int(version[1]) < FIRST_WITHOUT_BUILDKIT:
            return BuildClient((command, "build"), False, {"DOCKER_BUILDKIT": "1"})
    return None


def _commands(path: str) -> Iterator[str]:
    seen = set()
    for folder in (*path.split(os.pathsep), *USUAL_PATHS):
        command = os.path.join(folder, "docker")
        if folder and os.access(command, os.X_OK) and (real := os.path.realpath(command)) not in seen:
            seen.add(real)
            yield command


def _output(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
