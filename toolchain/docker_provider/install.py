"""Laying out the plugin's folder, and the command by which Pulumi installs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolchain.docker_provider import PACKAGE, VERSION

EXECUTABLE = f"pulumi-resource-{PACKAGE}"
LONGEST_FIRST_LINE = 127  # what the kernel reads of a script's first line


def lay_out(directory: Path, python: Path) -> Path:
    """Write the plugin's folder: an executable that runs this package, from where it lies, with the given Python.

    Args:
        directory: made if need be; what is in it under the same names is overwritten.
        python: the interpreter that has `pulumi`, `grpcio` and `docker`; not resolved, as it may be a
            virtual environment's.

    Returns:
        The folder, for `install_command`.
    """
    root = Path(__file__).resolve().parents[2]
    directory.mkdir(parents=True, exist_ok=True)
    executable = directory / EXECUTABLE
    executable.write_text(launcher(python.absolute(), root))
    executable.chmod(0o755)
    return directory


def launcher(python: Path, root: Path) -> str:
    """The executable's text. A path that a first line cannot hold goes through the shell."""
    first = f"#!{python}\n"
    if len(first) > LONGEST_FIRST_LINE or any(char.isspace() for char in str(python)):
        first = f"#!/bin/sh\n'''exec' '{python}' \"$0\" \"$@\"\n' '''\n"
    return (
        f"{first}import sys\n\nsys.path.insert(0, {str(root)!r})\n\n"
        "from toolchain.docker_provider.server import main\n\nmain(sys.argv[1:])\n"
    )


def install_command(pulumi: str, directory: Path) -> Sequence[str]:
    """The command that installs the folder as the docker plugin into the user's PULUMI_HOME, in place of one there."""
    return (pulumi, "plugin", "install", "resource", PACKAGE, VERSION, "--file", str(directory), "--reinstall")
