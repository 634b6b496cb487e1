"""Installing a lock into a layer: wheels unpacked on the host, tidied and compiled, always to the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components import layers
from components.cache import cache_folder, exclusive
from components.lock import Lock, find_uv, uv_platform
from components.package_indexes import redact, uv_environment
from components.problems import Problem

RULES = 2
"""Raised when the same lock is to become another layer; layers made by other rules are then made anew."""

_RUNS_PYTHON = re.compile(rb"#!(?!/usr/bin/env )([^\n]*python|/bin/sh\n'''exec')")
_LOGGER = logging.getLogger(__name__)
_KEPT_DAYS = 30
_PROCESSES = 2
_TEST_FOLDERS = frozenset({"test", "tests"})
_USELESS_SUFFIXES = frozenset({".pyi", ".pyc"})
_SOURCE_SUFFIXES = frozenset({".pyx", ".c", ".cpp", ".h"})
_UV_FILES = frozenset({"direct_url.json", "uv_cache.json"})


def build_dependencies_layer(
    lock: Lock,
    *,
    target: Path,
    python_version: str,
    platform: str,
    environ: Mapping[str, str],
    prefix: str = "opt/dependencies",
    report: Callable[[str], None] = _LOGGER.warning,
) -> str:
    """Write the layer with the packages of ``lock`` below ``prefix`` to ``target`` and return the tar's sha256 (hex).

    Layers are kept in the user's cache by what they are made from, shared by all projects of the machine, and linked to
    ``target`` where the file system can, else copied.

    Args:
        python_version: the image's Python, such as "3.11".
        platform: the image's platform, "linux/amd64" or "linux/arm64".
        prefix: the folder in the image, without a leading slash.
        report: told when the layer has no bytecode because this machine has no such Python.

    Raises:
        Problem: a package cannot be fetched or does not match its hash.
    """
    folder = cache_folder(environ, "layers")
    python: Path | None = None
    key = _key(lock, python_version, platform, prefix, bytecode=True)
    if _recorded(folder, key) is None:
        python = find_python(python_version, environ)
        if python is None:
            key = _key(lock, python_version, platform, prefix, bytecode=False)
            report(
                f"there is no Python {python_version} on this machine to compile the packages with: they have no "
                "bytecode in the image, and its containers start more slowly. Install that Python, and deploy again."
            )
    with exclusive(folder / f"{key}.lock"):
        digest = _recorded(folder, key)
        if digest is None:
            digest = _build(folder, key, lock, python, python_version, platform, environ, prefix)
        os.utime(folder / f"{key}.json")
        _provide(folder / f"{key}.tar", target, digest)
    return digest


def find_python(version: str, environ: Mapping[str, str]) -> Path | None:
    """A CPython of this machine of the given minor version, or None; nothing is downloaded."""
    if ".".join(map(str, sys.version_info[:2])) == version and sys.implementation.name == "cpython":
        return Path(sys.executable)
    command = [str(find_uv(environ)), "python", "find", f"cpython@{version}", "--no-project", "--system", "--quiet"]
    found = subprocess.run(
        command, env={**environ, "UV_PYTHON_DOWNLOADS": "never"}, capture_output=True, text=True, check=False
    )
    return Path(found.stdout.strip()) if found.returncode == 0 and found.stdout.strip() else None


def tidy(folder: Path) -> None:
    """Take out of installed packages what no script needs or what tells of this machine.

    These are test suites, type stubs, bytecode, uv's own files, scripts that start with the host's Python, and the
    sources that Cython made an extension of. The packages' lists of files (RECORD) are cut accordingly.
    """
    with_sources = {path.parent for path in folder.rglob("*.pyx")}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if path.name == "__pycache__" or _is_test_suite(path):
                shutil.rmtree(path)
            elif not any(path.iterdir()):
                path.rmdir()
        elif (
            path.suffix in _USELESS_SUFFIXES
            or path.name in _UV_FILES
            or (path.suffix in _SOURCE_SUFFIXES and path.parent in with_sources)
            or _is_entry_point(path, folder)
        ):
            path.unlink()
    (folder / ".lock").unlink(missing_ok=True)
    for record in folder.glob("*.dist-info/RECORD"):
        _tidy_record(record, folder)


def _is_test_suite(folder: Path) -> bool:
    """Whether a folder is a package's tests; not one that only has such a name, as ``django/test`` does."""
    return folder.name in _TEST_FOLDERS and any(
        file.name == "conftest.py" or file.match("test_*.py") for file in folder.iterdir()
    )


def _is_entry_point(path: Path, folder: Path) -> bool:
    """Whether uv wrote this script: its first line, or the one after ``#!/bin/sh``, runs this machine's Python."""
    if path.parent != folder / "bin":
        return False
    with path.open("rb") as file:
        return _RUNS_PYTHON.match(file.read(1024)) is not None


def _tidy_record(record: Path, folder: Path) -> None:
    lines = record.read_text(encoding="utf-8").splitlines()
    names = [line.rsplit(",", 2)[0].strip('"').replace('""', '"') for line in lines]
    kept = [line for line, name in zip(lines, names, strict=True) if (folder / name).exists()]
    record.write_text("".join(f"{line}\n" for line in sorted(kept)), encoding="utf-8")


def compile_bytecode(folder: Path, python: Path, installed_as: str, environ: Mapping[str, str]) -> None:
    """Compile all modules below ``folder`` for the place that they will have in the image.

    Fresh processes, always as many, take the files in the order of their names with a fixed hash seed and no site
    packages: the order of sets, and what else a process holds, would show in the bytes. Unchecked hashes make them
    independent of times. Files that are not of this Python (templates, code for others) stay without bytecode.

    Raises:
        Problem: the interpreter failed.
    """
    files = sorted(str(path) for path in folder.rglob("*.py"))
    clean = {key: value for key, value in environ.items() if not key.startswith("PYTHON")}
    command = [
        *(str(python), "-S", "-s", "-m", "compileall", "-qq", "-f", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), "-p", installed_as, "-i", "-"),
    ]

    def compile_share(number: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=folder,
            env={**clean, "PYTHONHASHSEED": "0"},
            input="".join(f"{file}\n" for file in files[number::_PROCESSES]),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )

    with ThreadPoolExecutor(_PROCESSES) as pool:
        for done in pool.map(compile_share, range(_PROCESSES)):
            # 1 says that some file is not of this Python.
            if done.returncode not in (0, 1):
                raise Problem(f"{str(python)!r} failed to compile the packages: {done.stderr.strip()[-500:]}")


def _build(
    folder: Path,
    key: str,
    lock: Lock,
    python: Path | None,
    python_version: str,
    platform: str,
    environ: Mapping[str, str],
    prefix: str,
) -> str:
    with tempfile.TemporaryDirectory(prefix=f".{key[:12]}-", dir=folder) as name:
        staging = Path(name) / "packages"
        staging.mkdir()
        _install(lock, staging, python_version, platform, environ)
        tidy(staging)
        if python is not None:
            compile_bytecode(staging, python, f"/{prefix}", environ)
        digest = layers.write_layer(folder / f"{key}.tar", {prefix: staging}, exclude=layers.keep_all)
    temporary = folder / f".{key}.json"
    temporary.write_text(json.dumps({"sha256": digest, "size": (folder / f"{key}.tar").stat().st_size}))
    temporary.replace(folder / f"{key}.json")
    _forget_unused(folder)
    return digest


def _install(lock: Lock, folder: Path, python_version: str, platform: str, environ: Mapping[str, str]) -> None:
    if not lock.versions:
        return
    requirements = folder.with_name("requirements.txt")
    requirements.write_text(lock.text, encoding="utf-8")
    command = [
        *(str(find_uv(environ)), "pip", "install", "--target", str(folder), "--requirements", str(requirements)),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy", "--quiet"),
        *("--python", sys.executable, "--python-version", python_version, "--python-platform", uv_platform(platform)),
    ]
    done = subprocess.run(
        command, cwd=folder, env=uv_environment(lock.indexes, environ), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Problem(
            "cannot install the locked packages. Check the network and the package index (UV_DEFAULT_INDEX or "
            "PIP_INDEX_URL); where a file on the index has changed, delete the lock.\n"
            + redact(done.stderr).strip()[-1500:]
        )


def _key(lock: Lock, python_version: str, platform: str, prefix: str, *, bytecode: bool) -> str:
    made_from = [RULES, layers.SETTLED_TIME, lock.digest, python_version, uv_platform(platform), prefix, bytecode]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def _recorded(folder: Path, key: str) -> str | None:
    """The digest of a layer in the cache, if it is there and whole."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        record = json.loads((folder / f"{key}.json").read_text())
        if (folder / f"{key}.tar").stat().st_size == record["size"]:
            return str(record["sha256"])
    return None


def _provide(layer: Path, target: Path, digest: str) -> None:
    """Make ``target`` the layer, unless it is already; by a link, so that it takes neither time nor space."""
    with contextlib.suppress(FileNotFoundError):
        if target.samefile(layer):
            return
        if target.stat().st_size == layer.stat().st_size and layers.file_digest(target) == digest:
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
        temporary = Path(name) / target.name
        try:
            os.link(layer, temporary)
        except OSError:
            shutil.copyfile(layer, temporary)
        temporary.replace(target)


def _forget_unused(folder: Path) -> None:
    """Remove layers that nothing has asked for in a while; images and other links to them stay."""
    for record in _older_than(folder, time.time() - _KEPT_DAYS * 86400):
        record.unlink(missing_ok=True)
        record.with_suffix(".tar").unlink(missing_ok=True)


def _older_than(folder: Path, moment: float) -> Iterator[Path]:
    for record in folder.glob("[0-9a-f]*.json"):
        with contextlib.suppress(FileNotFoundError):
            if record.stat().st_mtime < moment:
                yield record
