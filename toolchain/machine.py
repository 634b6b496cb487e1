"""Questions to the machine, in one class so that tests can answer them. Standard library only."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain.layout import Layout
from toolchain.step import Unavailable

OWN_NAMES = "MODEL_WEBSERVICE_ENV"
"""Names the variables that `.toolchain/env` has set, which are therefore not the user's."""
CONNECT_SECONDS = 3.0
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Machine:
    """The machine as its user set it up, without what an earlier sourcing of `.toolchain/env` added.

    Attributes:
        environ: the user's environment.
        layout: where the toolchain keeps things.
    """

    environ: Mapping[str, str]
    layout: Layout

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], layout: Layout | None = None) -> Machine:
        """Take the environment's own settings out of it."""
        layout = layout or Layout.from_environ(environ)
        return cls(users_environ(environ, layout), layout)

    def which(self, name: str) -> Path | None:
        """A program on the user's PATH or, for root, in the folders of system programs."""
        path = self.environ.get("PATH", os.defpath)
        if self.is_root():
            path = f"{path}{os.pathsep}/usr/local/sbin{os.pathsep}/usr/sbin{os.pathsep}/sbin"
        found = shutil.which(name, path=path)
        return Path(found) if found else None

    def is_root(self) -> bool:
        """Whether system packages can be installed."""
        return os.geteuid() == 0

    def architecture(self) -> str:
        """The processor as Go and Docker name it: amd64, arm64."""
        return ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower())

    def system(self) -> str:
        """The system as Go names it: linux, darwin."""
        return platform.system().lower()

    def exists(self, path: Path) -> bool:
        """Whether there is such a file or folder."""
        return path.exists()

    def output(self, command: Sequence[str | Path], timeout: float = 20.0) -> str:
        """A command's standard output.

        Raises:
            Unavailable: it cannot be run, fails or takes longer than `timeout` seconds.
        """
        return run(command, environ=self.environ, timeout=timeout)

    def reachable(self, url: str) -> str:
        """Ask a server for the head of a file, by way of the user's proxy settings.

        Returns:
            An empty text, or why it cannot be reached.
        """
        answers: list[str] = []
        # A resolver that does not answer is not subject to the time-out below, hence the thread.
        asking = threading.Thread(target=lambda: answers.append(_ask(url)), daemon=True)
        asking.start()
        asking.join(CONNECT_SECONDS + 1)
        return answers[0] if answers else "no answer"


def users_environ(environ: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """The environment without the variables that `.toolchain/env` set, and its folders in PATH."""
    own = {OWN_NAMES, *environ.get(OWN_NAMES, "").split()}
    result = {name: value for name, value in environ.items() if name not in own}
    folders = {str(layout.bin), str(layout.venv / "bin")}
    if "PATH" in result:
        result["PATH"] = os.pathsep.join(part for part in result["PATH"].split(os.pathsep) if part not in folders)
    return result


def run(
    command: Sequence[str | Path],
    *,
    environ: Mapping[str, str],
    timeout: float | None = None,
    directory: Path | None = None,
) -> str:
    """Run a command to its end and return its standard output.

    Raises:
        Unavailable: it cannot be run, fails (with its last lines) or takes longer than `timeout` seconds.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=dict(environ),
            cwd=directory,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise Unavailable(f"{name} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{name} took longer than {timeout:.0f} s") from None
    if done.returncode:
        raise Unavailable(f"{name} failed: {last_lines(done.stderr or done.stdout) or f'exit code {done.returncode}'}")
    return done.stdout


def last_lines(text: str, count: int = 3) -> str:
    """The last lines that say something, as one."""
    return " / ".join([line.strip() for line in text.splitlines() if line.strip()][-count:])


def version_in(text: str) -> tuple[int, ...]:
    """The first dotted number in a text, `(1, 26)` for `go1.26`; empty where there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def dotted(version: Sequence[int]) -> str:
    """`1.26` for `(1, 26)`."""
    return ".".join(map(str, version))


def _ask(url: str) -> str:
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310  all addresses are the project's own, https
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_SECONDS):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return f"{url} cannot be reached: {getattr(error, 'reason', error)}"
