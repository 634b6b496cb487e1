"""Debian's packages, where this is root on a machine that has apt. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolchain.machine import Machine, run
from toolchain.step import Unavailable

LISTS = Path("/var/lib/apt/lists")
INSTALL_SECONDS = 900.0


def obstacle(machine: Machine) -> str:
    """Why packages cannot be installed, empty if they can."""
    if machine.which("apt-get") is None:
        return "this machine has no apt-get"
    return "" if machine.is_root() else "it takes root"


def install(machine: Machine, packages: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Install packages without what they recommend, after fetching the lists of packages where there are none.

    Args:
        machine: where.
        packages: the packages that are needed.
        optional: packages to install as well, where the distribution has them.

    Raises:
        Unavailable: apt-get fails.
    """
    environ = {**machine.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": _system_path(machine)}
    ensure_lists(machine)
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends"]
    lock = ["-o", "DPkg::Lock::Timeout=300"]
    wanted = [*packages, *(name for name in optional if _has(name, environ))]
    try:
        run([*command, *lock, *wanted], environ=environ, timeout=INSTALL_SECONDS)
    except Unavailable:
        # The lists may be older than what the mirror still has.
        run(["apt-get", "update", "--quiet"], environ=environ, timeout=INSTALL_SECONDS)
        run([*command, *lock, *wanted], environ=environ, timeout=INSTALL_SECONDS)


def obstacle_to_download(machine: Machine) -> str:
    """Why packages cannot be downloaded, empty if they can; root is needed only for the lists of packages."""
    if machine.which("apt-get") is None or machine.which("dpkg") is None:
        return "this machine has no apt-get"
    return "" if machine.is_root() or any(LISTS.glob("*_Packages*")) else "there are no lists of packages, and no root"


def download(machine: Machine, package: str, folder: Path) -> Path:
    """Download a package into an empty folder, without installing it, and return its file.

    Raises:
        Unavailable: apt-get fails.
    """
    ensure_lists(machine)
    # As root, apt-get would drop its rights for the download, and could not write into the folder.
    command = ["apt-get", "download", "--quiet", "-o", "APT::Sandbox::User=root", package]
    try:
        run(command, environ=machine.environ, timeout=INSTALL_SECONDS, directory=folder)
    except Unavailable:
        if not machine.is_root():
            raise
        # The lists may be older than what the mirror still has.
        run(["apt-get", "update", "--quiet"], environ=machine.environ, timeout=INSTALL_SECONDS)
        run(command, environ=machine.environ, timeout=INSTALL_SECONDS, directory=folder)
    return next(folder.glob("*.deb"))


def ensure_lists(machine: Machine) -> None:
    """Fetch the lists of packages where there are none.

    Raises:
        Unavailable: apt-get fails.
    """
    if not any(LISTS.glob("*_Packages*")):
        run(["apt-get", "update", "--quiet"], environ=machine.environ, timeout=INSTALL_SECONDS)


def _has(package: str, environ: dict[str, str]) -> bool:
    try:
        return bool(run(["apt-cache", "show", package], environ=environ, timeout=60))
    except Unavailable:
        return False


def _system_path(machine: Machine) -> str:
    # dpkg refuses to work without the folders of system programs, which su leaves out of PATH.
    return f"/usr/local/sbin:/usr/sbin:/sbin:{machine.environ.get('PATH', '')}"
