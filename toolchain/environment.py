"""The variables that make the project's tools work, for the commands of `make` and as a file to source."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.layout import Layout
from toolchain.machine import OWN_NAMES


@dataclass(frozen=True)
class Setting:
    """A variable.

    Attributes:
        name: its name.
        value: its value; never a secret, as it is written to a file.
        unless: variables of the user's that take its place when one of them is set to something.
        unless_set: those that do so even when set to nothing, as an empty passphrase is one.
    """

    name: str
    value: str
    unless: tuple[str, ...] = ()
    unless_set: tuple[str, ...] = ()

    def wanted(self, environ: Mapping[str, str]) -> bool:
        """Whether none of the user's variables takes its place."""
        given = any(environ.get(name) for name in self.unless)
        return not given and not any(name in environ for name in self.unless_set)


def resolved(environ: Mapping[str, str], layout: Layout, settings: Iterable[Setting]) -> dict[str, str]:
    """The environment of a command: the user's, the settings, and the toolchain's folders first on PATH.

    Args:
        environ: the user's environment, without what an earlier sourcing set.
        layout: where the toolchain's folders are.
        settings: in the order of the file.
    """
    result = dict(environ)
    own = []
    for setting in settings:
        if setting.wanted(result):
            result[setting.name] = setting.value
            own.append(setting.name)
    result[OWN_NAMES] = " ".join(own)
    result["PATH"] = os.pathsep.join([*map(str, folders(layout)), *filter(None, [result.get("PATH", os.defpath)])])
    return result


def folders(layout: Layout) -> tuple[Path, Path]:
    """What goes before the user's PATH: the virtual environment first, as Pulumi takes the first Python there."""
    return layout.venv / "bin", layout.bin


def text_of(layout: Layout, settings: Iterable[Setting]) -> str:
    """The file to source: for sh and its descendants; sourcing it again changes nothing."""
    first = shlex.quote(os.pathsep.join(map(str, folders(layout))))
    lines = [
        "# Written by the toolchain (python3 -m toolchain); to be sourced. Settings of yours win over those here.",
        f'eval "unset {OWN_NAMES}_NONE ${{{OWN_NAMES}-}}"',
        f"{OWN_NAMES}=",
    ]
    for setting in settings:
        listed = f'{OWN_NAMES}="${{{OWN_NAMES}:+${OWN_NAMES} }}{setting.name}"'
        do = f"export {setting.name}={shlex.quote(setting.value)}; {listed}"
        given = "".join(f"${{{name}:+set}}" for name in setting.unless)
        given += "".join(f"${{{name}+set}}" for name in setting.unless_set)
        lines.append(f'if [ -z "{given}" ]; then {do}; fi' if given else do)
    lines += [
        f"export {OWN_NAMES}",
        f'case "$PATH:" in {first}:*) ;; *) export PATH={first}":$PATH" ;; esac',
    ]
    return "\n".join(lines) + "\n"


def write(layout: Layout, settings: Iterable[Setting]) -> None:
    """Write the file, unless it says the same already."""
    text = text_of(layout, settings)
    if not layout.env.exists() or layout.env.read_text() != text:
        draft = layout.env.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(layout.env)
