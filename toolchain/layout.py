"""Where the toolchain keeps things. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Layout:
    """The folders and files of one checkout, and the user's cache, which all checkouts share.

    Attributes:
        project: the checkout.
        cache: what takes long to make, by version.
    """

    project: Path
    cache: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], project: Path = PROJECT) -> Layout:
        """The cache is `$XDG_CACHE_HOME/model-webservice`, by default below `~/.cache`.

        A relative XDG_CACHE_HOME is ignored, as the XDG base directory specification demands.
        """
        given = Path(environ.get("XDG_CACHE_HOME", ""))
        base = given if given.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".cache"
        return cls(project, base / "model-webservice")

    @property
    def folder(self) -> Path:
        """Everything that the toolchain makes in the checkout, save Pulumi's state."""
        return self.project / ".toolchain"

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.folder / "venv"

    @property
    def python(self) -> Path:
        """The virtual environment's Python."""
        return self.venv / "bin" / "python"

    @property
    def bin(self) -> Path:
        """Links to the programs that were made, in front of the user's PATH."""
        return self.folder / "bin"

    @property
    def env(self) -> Path:
        """The file to source."""
        return self.folder / "env"

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME when the stand-in plugin is used, which is not put into the user's own."""
        return self.folder / "pulumi"

    @property
    def state(self) -> Path:
        """Pulumi's state when there is no login."""
        return self.project / ".pulumi"

    @property
    def passphrase(self) -> Path:
        """The passphrase of the state's secrets when there is no login."""
        return self.state / "passphrase"

    def programs(self, name: str, version: str) -> Path:
        """The cached programs of one version, for this kind of machine."""
        return self.cache / f"{name}-{version}-{platform.system().lower()}-{platform.machine()}"


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time make something in a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
