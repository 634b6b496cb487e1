"""Pulumi's command line, and its host for programs in Python."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain import go, vendor
from toolchain.console import Console, Say
from toolchain.layout import PROJECT, exclusive
from toolchain.machine import Machine, dotted, version_in
from toolchain.step import Unavailable, Way, first_that_works

PART = "engine"
HOST_PART = "language host"
MINIMUM = (3, 200, 0)
HOST = "pulumi-language-python"
EXECUTOR = "pulumi-language-python-exec"
SDK = "github.com/pulumi/pulumi/sdk/v3"
ENGINE = go.Module(
    PROJECT / "toolchain" / "engine", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", "github.com/pulumi/pulumi/pkg/v3"
)
LANGUAGE = go.Module(PROJECT / "toolchain" / "language", f"{SDK}/python/cmd/{HOST}", SDK)
FIX = (
    "Install Pulumi (https://www.pulumi.com/docs/install) so that 'pulumi' is on PATH, or let this machine reach "
    "get.pulumi.com or a Go module proxy (GOPROXY, HTTPS_PROXY), then run again."
)


@dataclass(frozen=True)
class Engine:
    """Pulumi's command line.

    Attributes:
        command: its path.
        version: its version.
        own: whether the toolchain made it, so that PATH has to lead to it.
    """

    command: Path
    version: str
    own: bool


def ways(machine: Machine) -> Iterator[Way]:
    """How to come by the command line: the user's, an earlier one of ours, the vendor's, one built from source."""
    found = machine.which("pulumi")
    obstacle, version = "there is none", ""
    if found:
        try:
            version = dotted(version_in(machine.output([found, "version"])))
            old = version_in(version) < MINIMUM
            obstacle = f"{found} is {version}, and {dotted(MINIMUM)} is needed" if old else ""
        except Unavailable as error:
            obstacle = str(error)
    yield Way("path", "pulumi on PATH", obstacle, f"{found} {version}")
    cached = cached_programs(machine) / "pulumi"
    yield Way("cache", str(cached), "" if machine.exists(cached) else "not made yet")
    url = vendor.release(machine, ENGINE.version)
    yield Way("vendor", "the vendor's release", machine.reachable(url), url)
    yield Way("build", f"go build {ENGINE.package}")


def cached_programs(machine: Machine) -> Path:
    """Where the programs that the toolchain made for this version are."""
    return machine.layout.programs("pulumi", ENGINE.version)


def ensure(machine: Machine, console: Console) -> Engine:
    """Find the command line or make it.

    Raises:
        StepError: it is not there and cannot be made.
    """
    programs = cached_programs(machine)
    made: list[str] = []

    def by_path(way: Way) -> Engine:
        command, _, version = way.value.rpartition(" ")
        return Engine(Path(command), version, own=False)

    def by_cache(_: Way) -> Engine:
        return Engine(programs / "pulumi", ENGINE.version, own=True)

    def by_vendor(way: Way) -> Engine:
        with console.activity(PART, "downloading") as say, exclusive(programs.parent):
            download_release(machine, way.value, programs, say)
        made.append("the vendor's release")
        return by_cache(way)

    def by_building(way: Way) -> Engine:
        with console.activity(PART, "building from source") as say, exclusive(programs.parent):
            if not (programs / "pulumi").exists():
                compiler = go.find(machine, ENGINE.minimum_go, say)
                go.build(compiler, ENGINE, programs / "pulumi", f"v{ENGINE.version}", machine.environ, say)
        made.append("built from source")
        return by_cache(way)

    actions = {"path": by_path, "cache": by_cache, "vendor": by_vendor, "build": by_building}
    engine, attempts = first_that_works("Pulumi's command line", ways(machine), actions, FIX)
    too_old = "".join(f" ({why})" for tried, why in attempts if tried == "pulumi on PATH" and why != "there is none")
    if made:
        console.made(PART, f"Pulumi {engine.version}, {made[0]}, {engine.command}{too_old}")
    else:
        console.found(PART, f"Pulumi {engine.version}, {engine.command}{too_old}")
    return engine


def download_release(machine: Machine, url: str, programs: Path, say: Say) -> None:
    """Download a release, try it, and put its programs into a folder in place of what was there.

    Raises:
        Unavailable: it cannot be downloaded, or does not run here.
    """
    with tempfile.TemporaryDirectory(dir=programs.parent) as folder:
        archive, unpacked = Path(folder) / "pulumi.tar.gz", Path(folder) / "programs"
        unpacked.mkdir()
        vendor.download(url, archive, say)
        vendor.unpack(archive, unpacked)
        machine.output([unpacked / "pulumi", "version"])
        shutil.rmtree(programs, ignore_errors=True)
        unpacked.rename(programs)


def host_ways(machine: Machine, engine: Engine) -> Iterator[Way]:
    """How to come by the language host: beside the command line, on PATH, an earlier one of ours, built from source."""
    beside = engine.command.resolve().parent
    there = machine.exists(beside / HOST) and machine.exists(beside / EXECUTOR)
    yield Way("found", f"{HOST} beside {engine.command}", "" if there else "not there", str(beside))
    on_path = machine.which(HOST)
    yield Way("found", f"{HOST} on PATH", "" if on_path else "not there", str(on_path.parent if on_path else ""))
    cached = cached_programs(machine)
    there = machine.exists(cached / HOST) and machine.exists(cached / EXECUTOR)
    yield Way("own", str(cached / HOST), "" if there else "not made yet")
    yield Way("build", f"go build {LANGUAGE.package}")


def ensure_host(machine: Machine, engine: Engine, console: Console) -> None:
    """Find the language host or build it, and link what the toolchain made in front of the user's PATH.

    Raises:
        StepError: it is not there and cannot be built.
    """
    programs = cached_programs(machine)

    def found(way: Way) -> tuple[Path, bool, bool]:
        return Path(way.value), Path(way.value) == programs.resolve(), False

    def own(_: Way) -> tuple[Path, bool, bool]:
        return programs, True, False

    def build(_: Way) -> tuple[Path, bool, bool]:
        with console.activity(HOST_PART, "building from source") as say, exclusive(programs.parent):
            if not (programs / HOST).exists():
                build_host(machine, programs, say)
            go.remove_scratch(machine.layout)
        return programs, True, True

    actions = {"found": found, "own": own, "build": build}
    (folder, ours, made), _ = first_that_works("the language host for Python", host_ways(machine, engine), actions, FIX)
    names = [*(["pulumi"] if engine.own else []), *([HOST, EXECUTOR] if ours else [])]
    link(machine.layout.bin, [programs / name for name in names])
    if made:
        console.made(HOST_PART, f"Python's, built from source, {folder / HOST}")
    else:
        console.found(HOST_PART, f"Python's, {folder / HOST}")


def build_host(machine: Machine, programs: Path, say: Say) -> None:
    """Build the language host, and put beside it the script that it starts, out of the SDK of the engine's version.

    Raises:
        Unavailable: it cannot be built.
    """
    compiler = go.find(machine, LANGUAGE.minimum_go, say)
    source = go.module_folder(compiler, ENGINE.folder, SDK, machine.environ) / "python" / "cmd" / EXECUTOR
    programs.mkdir(parents=True, exist_ok=True)
    executor = programs / EXECUTOR
    executor.unlink(missing_ok=True)
    shutil.copyfile(source, executor)
    executor.chmod(0o755)
    go.build(compiler, LANGUAGE, programs / HOST, f"v{LANGUAGE.version}", machine.environ, say)


def link(folder: Path, programs: Sequence[Path]) -> None:
    """Make a folder hold links to these programs and nothing else."""
    wanted = {program.name: program for program in programs}
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.name not in wanted or not entry.is_symlink() or Path(os.readlink(entry)) != wanted[entry.name]:
            entry.unlink()
    for name, program in wanted.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(program)
