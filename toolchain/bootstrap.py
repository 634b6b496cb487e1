"""The virtual environment with the locked packages, made with what any Python brings along. Standard library only."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from toolchain import apt
from toolchain.arguments import parser
from toolchain.cleaning import clean
from toolchain.console import Console, standard
from toolchain.environment import Setting
from toolchain.layout import Layout, exclusive
from toolchain.machine import Machine, run
from toolchain.step import StepError, Unavailable, Way, first_that_works

PART = "packages"
LOCK = "requirements.lock"
STAMP = "model-webservice.json"
TOLD = "MODEL_WEBSERVICE_PACKAGES"
"""Carries the line about the packages from the Python that makes them to the one that has them."""
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
PIP_SECONDS = 900.0
RIVALS = {
    "UV_DEFAULT_INDEX": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "UV_INDEX": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "SSL_CERT_FILE": ("SSL_CERT_FILE",),
}
"""What uv is told of pip's settings, and the variables of the user's that win over it."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:  # noqa: RET503  it ends in another program
    """Make the virtual environment if need be, then go on in its Python; returns only when that fails."""
    options = parser().parse_args(arguments)
    console = standard(environ)
    machine = Machine.from_environ(environ)
    layout = machine.layout
    if options.verb == "clean":
        clean(layout, console)
        return 0
    try:
        with exclusive(layout.folder):
            text, made = ensure(machine, console)
    except StepError as error:
        console.error(str(error))
        return 1
    # The next Python prints the line, in its place among the others.
    told = {TOLD: f"{'made' if made else 'found'} {text}"}
    sys.stdout.flush()
    os.chdir(layout.project)
    os.execve(layout.python, [str(layout.python), "-m", "toolchain.cli", *arguments], {**environ, **told})  # noqa: S606


def ensure(machine: Machine, console: Console) -> tuple[str, bool]:
    """Bring the virtual environment to what the lock says.

    Returns:
        What it is and where, and whether anything was done.

    Raises:
        StepError: it cannot be made.
    """
    layout = machine.layout
    lock = (layout.project / LOCK).read_text()
    wanted = {"python": this_python(), "lock": hashlib.sha256(lock.encode()).hexdigest(), "venv": str(layout.venv)}
    stamp = read_stamp(layout.venv / STAMP)
    text = f"{len(requirement_names(lock))} locked, Python {platform.python_version()}, {layout.venv}"
    if wanted.items() <= stamp.items() and layout.python.exists():
        return text, False
    with console.activity(PART, "installing") as say:
        if not fits(layout, wanted["python"]):
            make_venv(machine)
        try:
            told = told_by_pip(machine)
            install_uv(layout, lock, machine.environ)
            say("installing the locked packages")
            install_packages(layout, {**machine.environ, **told})
        except Unavailable as error:
            raise StepError(
                PART,
                [(f"to install what {LOCK} pins into {layout.venv}", str(error))],
                "Let pip reach a package index ('pip config list', PIP_INDEX_URL, HTTPS_PROXY), then run again.",
            ) from None
    (layout.venv / STAMP).write_text(json.dumps({**wanted, "settings": public(told)}))
    return text, True


def this_python() -> str:
    """This Python, told apart from others; the same inside a virtual environment and outside."""
    return f"{platform.python_version()} {os.path.realpath(sys.base_prefix)}"


def read_stamp(path: Path) -> dict[str, Any]:
    """What a virtual environment was made from, as far as it is known."""
    try:
        stamp = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def fits(layout: Layout, wanted: str) -> bool:
    """Whether a virtual environment is there that works, has pip and is of the wanted Python."""
    question = (
        "import os, pip, platform, sys; print(platform.python_version(), os.path.realpath(sys.base_prefix), sys.prefix)"
    )
    try:
        return run([layout.python, "-c", question], environ={}, timeout=60).strip() == f"{wanted} {layout.venv}"
    except Unavailable:
        return False


def make_venv(machine: Machine) -> None:
    """Make an empty virtual environment with pip in it.

    Raises:
        StepError: this Python cannot.
    """
    # Inside a virtual environment, the Python that it was made with: this one may be about to be removed.
    python = Path(getattr(sys, "_base_executable", "") or sys.executable)
    folder = machine.layout.venv

    def create(_: Way) -> None:
        rmtree(folder, ignore_errors=True)
        run([python, "-m", "venv", folder], environ=machine.environ, timeout=PIP_SECONDS)

    def install_and_create(way: Way) -> None:
        apt.install(machine, ["python3-venv"])
        create(way)

    with_apt = "" if python.is_relative_to("/usr/bin") else f"{python} is not the system's Python"
    ways = (
        Way("venv", f"{python} -m venv"),
        Way("apt", "apt-get install python3-venv", with_apt or apt.obstacle(machine)),
    )
    first_that_works(
        "a virtual environment",
        ways,
        {"venv": create, "apt": install_and_create},
        "Install the module venv of your Python (on Debian and Ubuntu: apt-get install python3-venv), or name another "
        "Python: make PYTHON=/path/to/python3 up",
    )


def requirement_names(lock: str) -> list[str]:
    """The names in a lock, each once."""
    return sorted(set(re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)))


def requirement(lock: str, name: str) -> str:
    """A package's pin and hashes, out of a lock.

    Raises:
        ValueError: the lock has no such package.
    """
    found = re.search(rf"^{re.escape(name)}==(?:.*\\\n)*.*$", lock, re.MULTILINE)
    if not found:
        raise ValueError(f"{LOCK} has no {name}; regenerate it: make lock")
    return found.group()


def install_uv(layout: Layout, lock: str, environ: Mapping[str, str]) -> None:
    """Install the pinned uv with pip, unless it is there."""
    pin = requirement(lock, "uv")
    version = pin.split("==")[1].split()[0]
    try:
        if run([layout.venv / "bin" / "uv", "--version"], environ=environ, timeout=20).split()[1] == version:
            return
    except Unavailable:
        pass
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "uv.lock"
        file.write_text(pin + "\n")
        options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
        run([layout.python, "-m", "pip", "install", *options, "-r", file], environ=environ, timeout=PIP_SECONDS)


def install_packages(layout: Layout, environ: Mapping[str, str]) -> None:
    """Install exactly what the lock pins, and remove the rest."""
    uv = layout.venv / "bin" / "uv"
    options = ["--quiet", "--require-hashes"]
    if environ.get(NO_BYTECODE):
        # Else Python would compile all again in each of its starts, of which Pulumi makes several a run.
        options.append("--compile-bytecode")
    run(
        [uv, "pip", "sync", *options, "--python", layout.python, layout.project / LOCK],
        environ=environ,
        timeout=PIP_SECONDS,
    )


def told_by_pip(machine: Machine) -> dict[str, str]:
    """What uv has to be told on this machine; may hold a password of the package index.

    Raises:
        Unavailable: pip does not say.
    """
    return uv_settings(pip_configuration(machine.layout, machine.environ), machine.environ)


def pip_configuration(layout: Layout, environ: Mapping[str, str]) -> dict[str, str]:
    """pip's settings (index-url, cert and so on) from its files and the environment, the strongest of each."""
    options = ("--disable-pip-version-check", "config", "list")
    return parse_pip_configuration(run([layout.python, "-m", "pip", *options], environ=environ, timeout=60))


def parse_pip_configuration(text: str) -> dict[str, str]:
    """Read `pip config list`: lines of `section.name='value'`, where the environment's section is `:env:`."""
    found: dict[str, str] = {}
    ranks = {"global": 0, "install": 1, ":env:": 2}
    lines = [line.partition("=") for line in text.splitlines() if "=" in line]
    for key, _, value in sorted(lines, key=lambda line: ranks.get(line[0].rpartition(".")[0], -1)):
        section, _, name = key.rpartition(".")
        if section in ranks:
            found[name] = str(ast.literal_eval(value))
    return found


def uv_settings(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """What uv, which does not read pip's settings, has to be told to use the same index and certificates."""
    wanted = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "SSL_CERT_FILE": pip.get("cert", ""),
    }
    return {
        name: value for name, value in wanted.items() if value and not any(environ.get(rival) for rival in RIVALS[name])
    }


def settings(layout: Layout) -> tuple[Setting, ...]:
    """What uv was told for this virtual environment, for its later uses: images' packages come from the same index."""
    told = read_stamp(layout.venv / STAMP).get("settings", {})
    return tuple(Setting(name, told[name], rivals) for name, rivals in RIVALS.items() if name in told)


def public(told: Mapping[str, str]) -> dict[str, str]:
    """The settings that may be written to a file: an index with a user's name or password in its address may not."""
    return {name: value for name, value in told.items() if "@" not in value}
