"""Locking: the exact files of every package of a scoring image, resolved once and kept beside the user's own file.

uv resolves on the host for the image's platform, from wheels alone. The lock names versions and hashes, never a host or
a path, and its header says what it was made from: as long as that holds, nothing is resolved again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from components.cache import cache_folder, exclusive
from components.dependencies import Dependencies
from components.package_indexes import PackageIndexes, uv_environment
from components.problems import Problem
from components.resolution import Question, explain

RULES = 1
"""Raised when the same inputs are to be resolved otherwise; locks made by other rules are then made anew."""

# manylinux_2_36 is Debian 12's glibc, the oldest of the base images in use; wheels for older ones run there too.
UV_PLATFORMS: Mapping[str, str] = {
    "linux/amd64": "x86_64-manylinux_2_36",
    "linux/arm64": "aarch64-manylinux_2_36",
}

_TITLE = "# Packages of the scoring image, locked. Commit this file; delete it to take newer versions.\n"
_MADE_FROM = re.compile(r"^# Made from sha256:([0-9a-f]{64})", re.MULTILINE)
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:==(?P<version>[^\s;\\]+)| @ (?P<url>[^\s;\\]+))")
_HASH = re.compile(r"--hash=(?P<hash>\S+)")


@dataclass(frozen=True)
class Lock:
    """What is to be installed.

    Attributes:
        text: the lock in pip's format with hashes, without comments.
        digest: sha256 (hex) of ``text``.
        versions: the version of each package by its normalised name.
        indexes: where to fetch the packages besides the machine's settings.
    """

    text: str
    digest: str
    versions: Mapping[str, str]
    indexes: PackageIndexes = field(default_factory=PackageIndexes)


def find_uv(environ: Mapping[str, str]) -> Path:
    """The uv executable: the one beside this Python, else that of the installed package, else the first on PATH.

    Raises:
        Problem: there is none.
    """
    beside = Path(sys.executable).with_name("uv" + (sysconfig.get_config_var("EXE") or ""))
    if beside.is_file():
        return beside
    try:
        import uv

        return Path(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv", path=environ.get("PATH"))
    if found is None:
        raise Problem("there is no uv beside Python or on PATH, which locks and installs packages: 'pip install uv'.")
    return Path(found)


def uv_platform(platform: str) -> str:
    """uv's name of a Docker platform ("linux/amd64"); ``Problem`` for one that has no wheels."""
    try:
        return UV_PLATFORMS[platform]
    except KeyError:
        allowed = " and ".join(UV_PLATFORMS)
        raise Problem(f"the platform {platform!r} is not supported: give one of {allowed}.") from None


def lock(
    dependencies: Dependencies,
    server_requirements: Sequence[str],
    *,
    lock_file: Path,
    python_version: str,
    platform: str,
    environ: Mapping[str, str],
) -> Lock:
    """Lock the dependencies of a script together with those of the server.

    ``lock_file`` is used as it is where its header fits what is asked for; else it is written anew, with the versions
    that it had as far as they still fit.

    Args:
        python_version: the image's Python, such as "3.11".
        platform: the image's platform, "linux/amd64" or "linux/arm64".

    Raises:
        Problem: no versions meet the requirements, a package has no wheel for the platform, the package index cannot be
            reached, or ``lock_file`` cannot be written.
    """
    uv_platform(platform)
    made_from = _inputs_digest(dependencies, server_requirements, python_version, platform)
    with exclusive(cache_folder(environ, "locks") / hashlib.sha256(os.fsencode(lock_file.absolute())).hexdigest()):
        old = _read(lock_file)
        header = _MADE_FROM.search(old)
        if (
            header is None
            or header[1] != made_from
            or not _covers(old, [*dependencies.requirements, *server_requirements])
        ):
            body = _resolve(dependencies, server_requirements, old, python_version, platform, environ)
            old = f"{_TITLE}# Made from sha256:{made_from} for Python {python_version} on {platform}.\n{body}"
            _write(lock_file, old)
    return parse_lock(old, dependencies.indexes)


def parse_lock(text: str, indexes: PackageIndexes | None = None) -> Lock:
    """The lock that a lock file's text says, whatever its comments and line ends are."""
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.lstrip().startswith("#")]
    body = "".join(f"{line}\n" for line in kept)
    versions = {}
    for line in kept:
        if pin := _PIN.match(line):
            version = pin["version"] or str(parse_wheel_filename(Path(pin["url"]).name.split("#")[0])[1])
            versions[str(canonicalize_name(pin["name"]))] = version
    return Lock(body, hashlib.sha256(body.encode()).hexdigest(), versions, indexes or PackageIndexes())


def _covers(text: str, requirements: Sequence[str]) -> bool:
    """Whether a lock has a version of all that is asked for; one that was edited or badly merged may not."""
    versions = parse_lock(text).versions
    # What a marker limits to other systems is rightly absent.
    needed = [Requirement(line) for line in requirements]
    return all(str(canonicalize_name(each.name)) in versions for each in needed if each.marker is None)


def _inputs_digest(needs: Dependencies, server: Sequence[str], python_version: str, platform: str) -> str:
    asked = {
        "rules": RULES,
        "requirements": sorted(needs.requirements),
        "constraints": sorted(needs.constraints),
        "hashes": {name: sorted(needs.hashes[name]) for name in sorted(needs.hashes)},
        "server": sorted(server),
        "indexes": needs.indexes.identity(),
        "python": python_version,
        "platform": UV_PLATFORMS[platform],
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _resolve(
    needs: Dependencies,
    server: Sequence[str],
    old: str,
    python_version: str,
    platform: str,
    environ: Mapping[str, str],
) -> str:
    done = _compile(needs, [*needs.requirements, *server], old, python_version, platform, environ)
    if isinstance(done, str):
        return _only_allowed(done, needs.hashes)
    # Whether the server has part in a clash shows in whether there is one without it.
    alone = _compile(needs, needs.requirements, old, python_version, platform, environ) if server else done
    question = Question(needs.requirements, server, needs.origins, python_version, platform)
    raise explain(done.stderr, question, possible_without_server=isinstance(alone, str))


def _compile(
    needs: Dependencies,
    requirements: Sequence[str],
    old: str,
    python_version: str,
    platform: str,
    environ: Mapping[str, str],
) -> str | subprocess.CompletedProcess[str]:
    """The body of the lock, or else the process that failed to make it."""
    # uv reads settings of the project around its working directory: with one of its own, all callers get the same lock.
    with tempfile.TemporaryDirectory(prefix="lock-") as name:
        folder = Path(name)
        (folder / "requirements.in").write_text("".join(f"{text}\n" for text in requirements), encoding="utf-8")
        (folder / "constraints.in").write_text("".join(f"{text}\n" for text in needs.constraints), encoding="utf-8")
        result = folder / "requirements.txt"
        result.write_text(old, encoding="utf-8")
        command = [
            *(str(find_uv(environ)), "pip", "compile", "requirements.in", "--constraints", "constraints.in"),
            *("--output-file", result.name, "--no-header", "--no-annotate", "--generate-hashes", "--quiet"),
            *("--only-binary", ":all:", "--python", sys.executable, "--python-version", python_version),
            *("--python-platform", uv_platform(platform)),
        ]
        done = subprocess.run(
            command, cwd=folder, env=uv_environment(needs.indexes, environ), capture_output=True, text=True, check=False
        )
        return done if done.returncode else result.read_text(encoding="utf-8")


def _only_allowed(body: str, hashes: Mapping[str, tuple[str, ...]]) -> str:
    """The lock without files that the user's own ``--hash`` options do not allow."""
    if not hashes:
        return body
    kept = []
    for block in re.split(r"^(?=[A-Za-z0-9])", body, flags=re.MULTILINE):
        pin = _PIN.match(block)
        allowed = hashes.get(str(canonicalize_name(pin["name"]))) if pin else None
        if pin is None or allowed is None:
            kept.append(block)
            continue
        found = sorted(set(_HASH.findall(block)) & set(allowed))
        if not found:
            raise Problem(
                f"none of the hashes given for {pin['name']} belongs to a wheel of {pin[0]}. "
                "Give the version that the hashes are of, or take them out; the lock holds hashes in any case."
            )
        kept.append(" \\\n    ".join([pin[0], *(f"--hash={value}" for value in found)]) + "\n")
    return "".join(kept)


def _read(lock_file: Path) -> str:
    try:
        return lock_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"cannot read the lock {str(lock_file)!r} ({error}). Delete it; it is then made anew.") from None


def _write(lock_file: Path, text: str) -> None:
    temporary = lock_file.with_name(f".{lock_file.name}.{os.getpid()}.tmp")
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(lock_file)
    except OSError as error:
        raise Problem(
            f"cannot write the lock {str(lock_file)!r}: {error.strerror}. Make its folder writable; the lock is to be "
            "committed beside the file that names the packages."
        ) from None
