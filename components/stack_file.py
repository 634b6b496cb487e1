"""A stack's settings as the files have them, without the engine: `stacks/Pulumi.<stack>.yaml`, else `Pulumi.yaml`.

For what has to be known before the program runs, or without it. What is wrong with the files, the program says.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from components.hosting_settings import HOST, PROVIDERS_HOST
from components.problems import Problem

NAMESPACE = "model-webservice"
"""The project's name, which its keys begin with."""

PROJECT_FILE = "Pulumi.yaml"


@dataclass(frozen=True)
class StackFile:
    """The settings of a stack in its project's files, read once; what cannot be read counts as not said.

    Attributes:
        project: the folder with `Pulumi.yaml`.
        stack: the stack's name, with or without an organisation before it.
    """

    project: Path
    stack: str

    @property
    def path(self) -> Path:
        """The stack's own file."""
        return self.folder / f"Pulumi.{self.stack.rpartition('/')[2]}.yaml"

    @property
    def folder(self) -> Path:
        """Where the stacks' files are."""
        return self.project / str(self._project.get("stackConfigDir", "."))

    @cached_property
    def own(self) -> Mapping[str, Any]:
        """What the stack's file says, the project's keys without their namespace, secrets encrypted."""
        return plain_keys(mapping_in(self.path))

    @property
    def declared(self) -> Mapping[str, Any]:
        """What `Pulumi.yaml` says of each key."""
        return plain_keys(self._project)

    def value(self, key: str) -> Any:
        """Return the value of a key: the stack's, else that in `Pulumi.yaml`; None without any."""
        if key in self.own:
            return self.own[key]
        said = self.declared.get(key)
        return said.get("value", said.get("default")) if isinstance(said, dict) else said

    def text(self, key: str) -> str:
        """Return the value of a key that is a text; empty when it is none, or a secret."""
        value = self.value(key)
        return value if isinstance(value, str) else ""

    @property
    def docker_host(self) -> str:
        """The Docker daemon that the stack names; empty for the user's own."""
        return self.text(HOST) or self.text(PROVIDERS_HOST)

    @property
    def docker_host_source(self) -> str:
        """What names that daemon, for messages."""
        key = HOST if self.text(HOST) else PROVIDERS_HOST
        file = self.path if key in self.own else self.project / PROJECT_FILE
        return f"the setting {key} in {file.relative_to(self.project)}"

    @property
    def has_gateway(self) -> bool:
        """Whether a service of the stack has a gateway in front."""
        return any(said in (True, "true") for said in map(self._zero_downtime, [{}, *self.services]))

    def _zero_downtime(self, service: Mapping[str, Any]) -> Any:
        return service.get("zeroDowntime", self.value("zeroDowntime"))

    @property
    def services(self) -> Sequence[Mapping[str, Any]]:
        """The entries of `services`."""
        found = self.value("services")
        return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    def scripts_of(self, service: str) -> Sequence[str]:
        """Return the scripts that a service runs; none where its image is made elsewhere, or nothing is known of it."""
        entry = next((entry for entry in self.services if entry.get("name") == service), None)
        if entry is None:
            return ()
        if isinstance(versions := entry.get("versions"), list):
            return [str(version.get("executionScript", "")) for version in versions if isinstance(version, dict)]
        if entry.get("style") == "image" and self.text("imageReference"):
            return ()
        return [str(entry.get("executionScript") or self.text("executionScript"))]

    def check_exists(self) -> None:
        """Raise `Problem` when the stack has no file, and so is none that somebody has thought of."""
        if self.path.is_file():
            return
        there = sorted(path.stem.partition(".")[2] for path in self.folder.glob("Pulumi.*.yaml"))
        near = difflib.get_close_matches(self.stack, there, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        place = self.path.relative_to(self.project)
        raise Problem(
            f"there is no stack {self.stack!r}, as there is no {place}; there are {', '.join(there) or 'none'}.{hint} "
            f"To make another one, write its settings into that file; an empty one takes those of {PROJECT_FILE}."
        )

    @cached_property
    def _project(self) -> Mapping[str, Any]:
        return mapping_in(self.project / PROJECT_FILE)


def mapping_in(path: Path) -> Mapping[str, Any]:
    """Return the mapping that a YAML file holds; an empty one when it holds none, or cannot be read."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def plain_keys(file: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is below `config`, the project's keys without their namespace."""
    config = file.get("config")
    if not isinstance(config, dict):
        return {}
    return {str(key).removeprefix(f"{NAMESPACE}:"): value for key, value in config.items()}
