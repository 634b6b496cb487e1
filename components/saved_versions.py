"""The versions that a model was saved with, against those that its service will have.

A pickle says little of itself: scikit-learn's version, whether it needs numpy 2's or joblib's newer layout. More is
said by a file that training writes (`record`, `python -m scoring models record`), and by MLflow's files with a model.
"""

import contextlib
import json
import os
import platform
import re
import shlex
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from components.layers import Exclude, keep_all
from components.lock import Lock
from components.pickles import is_pickle, recorded_versions
from components.problems import Problem

PYTHON = "python"
LIBRARIES = ("scikit-learn", "numpy", "joblib")
"""The libraries that are compared besides Python: they decide whether a pickle can be read, and what it then does."""

FILE = "versions.json"
"""In a model's folder; beside a model's file, `<file>.versions.json`."""

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)\s*==\s*(?P<version>[A-Za-z0-9.+!]+)")


def saved_with(path: Path, *, exclude: Exclude = keep_all) -> dict[str, str]:
    """Return the versions that a model was saved with, by library and `python`, as far as they are recorded.

    A value that begins with `>=` is a lower limit. What training recorded counts, then MLflow's files, then the pickle.

    Raises:
        Problem: the record is not a JSON object of versions.
    """
    if path.is_dir():
        return {**recorded_versions(path, exclude=exclude), **by_mlflow(path), **by_training(path / FILE)}
    return {**recorded_versions(path), **by_training(record_of(path))}


def record_of(path: Path) -> Path:
    """Return where training records the versions of the model at `path`."""
    return path / FILE if path.is_dir() else path.with_name(f"{path.name}.{FILE}")


def record(path: Path) -> dict[str, str]:
    """Record the versions of this Python and its libraries beside the model at `path`, and return them.

    Raises:
        OSError: the record cannot be written.
    """
    versions = {PYTHON: platform.python_version()}
    for library in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    place = record_of(path)
    part = place.with_name(f".{place.name}.{os.getpid()}")
    part.write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")
    part.replace(place)
    return versions


def note_of(path: Path, saved: Mapping[str, str]) -> str:
    """Return which versions are not compared as nothing recorded them, and what does; empty where that is no matter.

    It is none for what is no pickle: other formats do not depend on the Python that wrote them.

    Args:
        path: the model's file or folder.
        saved: what `saved_with` gave.
    """
    if PYTHON in saved or not (saved or is_pickle(path)):
        return ""
    missing = [name for name in LIBRARIES if saved.get(name, ">").startswith(">")]
    names = ", ".join(["Python", *missing])
    return (
        f"{str(path)!r} does not say with which version of {names} it was saved, so the image may have another. "
        "To record them, in the environment that trained it: python -m scoring models record "
        f"{shlex.quote(str(path))}"
    )


def by_training(path: Path) -> dict[str, str]:
    """Return what training recorded in the file `path`; nothing where it is missing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError("it holds no object")
        return {wanted: str(Version(content[wanted])) for wanted in (PYTHON, *LIBRARIES) if wanted in content}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise Problem(
            f"{str(path)!r} is no record of versions ({error}): give a JSON object such as "
            '{"python": "3.11.7", "scikit-learn": "1.7.2"}, or delete it.'
        ) from None


def by_mlflow(folder: Path) -> dict[str, str]:
    """Return what MLflow saved with a model: `python_env.yaml` and `requirements.txt`."""
    if not (folder / "MLmodel").is_file():
        return {}
    found = dict(pins(folder / "requirements.txt"))
    try:
        python = yaml.safe_load((folder / "python_env.yaml").read_text(encoding="utf-8"))["python"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return found
    return {**found, PYTHON: str(python)}


def pins(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the compared libraries that a requirements file pins, with their version."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        pin = _PIN.match(line)
        if pin and canonicalize_name(pin["name"]) in LIBRARIES:
            yield str(canonicalize_name(pin["name"])), pin["version"]


def check(saved: Mapping[str, str], lock: Lock, model: str, *, python_version: str = "") -> None:
    """Check that a model meets the versions that it was saved with.

    Args:
        saved: what `saved_with` gave.
        lock: what the image will have.
        model: the model's name, for the message.
        python_version: the image's Python, such as `3.11`.

    Raises:
        Problem: the image would have another version of a library, or none, or another Python.
    """
    mismatches = list(mismatches_of(saved, lock, python_version))
    if mismatches:
        raise Problem(
            f"the model {model!r} {'; and it '.join(mismatches)}. Or train and save the model again with what the "
            "image has, or set trainServeCheck to 'warning'."
        )


def mismatches_of(saved: Mapping[str, str], lock: Lock, python_version: str) -> Iterator[str]:
    """Yield, for each version that differs, both versions and the fix."""
    for library, version in saved.items():
        if library == PYTHON:
            if python_version and not same_python(version, python_version):
                minor = ".".join(version.split(".")[:2])
                yield (
                    f"was saved with Python {version}, but the image would have Python {python_version}. Give a "
                    f"baseImage with Python {minor} and pythonVersion '{minor}'"
                )
            continue
        locked = lock.versions.get(str(canonicalize_name(library)))
        if locked is not None and is_met(version, locked):
            continue
        has = f"the image would have {library} {locked}" if locked else f"the dependencies do not name {library}"
        wanted = version if version.startswith(">") else f"=={version.split(', ')[-1]}"
        yield f"was saved with {library} {version}, but {has}. Name {library}{wanted} in the dependencies"


def same_python(one: str, other: str) -> bool:
    """Return whether two Pythons are of one minor version: bytecode and pickles do not change within it."""
    return one.split(".")[:2] == other.split(".")[:2]


def is_met(saved: str, locked: str) -> bool:
    """Return whether the version `locked` is what a model was saved with, or above its lower limit."""
    try:
        if saved.startswith(">"):
            return SpecifierSet(saved).contains(locked, prereleases=True)
        return Version(saved) == Version(locked)
    except InvalidVersion:
        return saved == locked
