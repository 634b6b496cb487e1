"""Pulumi's own download server."""

from __future__ import annotations

import tarfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

from toolchain.machine import Machine
from toolchain.step import Unavailable

SERVER = "https://get.pulumi.com"
STALL_SECONDS = 30.0
PIECE = 1 << 20
ARCHITECTURES = {"amd64": "x64", "arm64": "arm64"}


def release(machine: Machine, version: str, server: str = SERVER) -> str:
    """The address of a release of the command line, as the vendor's install script forms it."""
    architecture = ARCHITECTURES.get(machine.architecture(), machine.architecture())
    return f"{server}/releases/sdk/pulumi-v{version}-{machine.system()}-{architecture}.tar.gz"


def plugin(machine: Machine, name: str, version: str, server: str = SERVER) -> str:
    """The address of a resource plugin, as Pulumi's command line forms it."""
    file = f"pulumi-resource-{name}-v{version}-{machine.system()}-{machine.architecture()}.tar.gz"
    return f"{server}/releases/plugins/{file}"


def download(url: str, to: Path, say: Callable[[str], None]) -> None:
    """Download a file.

    Raises:
        Unavailable: the server does not answer, refuses or stops sending.
    """
    try:
        with urllib.request.urlopen(url, timeout=STALL_SECONDS) as answer, to.open("wb") as file:  # noqa: S310  https
            total = int(answer.headers.get("Content-Length") or 0)
            while piece := answer.read(PIECE):
                file.write(piece)
                say(f"downloading, {file.tell() >> 20} of {total >> 20} MB" if total else "downloading")
            if total and file.tell() != total:
                raise Unavailable(f"{url} ended after {file.tell()} of {total} bytes")
    except (OSError, ValueError) as error:
        raise Unavailable(f"{url}: {getattr(error, 'reason', error)}") from None


def unpack(archive: Path, to: Path) -> None:
    """Unpack the programs of a release, which lie in a folder `pulumi` of the archive.

    Raises:
        Unavailable: the file is no such archive, as when a proxy answers with a page of its own.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                parts = Path(member.name).parts
                if not member.isfile() or not parts or parts[0] != "pulumi" or not parts[-1].startswith("pulumi"):
                    continue
                content = tar.extractfile(member)
                if content:
                    program = to / parts[-1]
                    program.write_bytes(content.read())
                    program.chmod(0o755)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise Unavailable(f"the download is no release of Pulumi: {error}") from None
    if not (to / "pulumi").exists():
        raise Unavailable("the download has no program 'pulumi' in it")
