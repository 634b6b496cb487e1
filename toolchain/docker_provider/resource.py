"""What every resource type answers to the engine, and the answers that follow from its schema alone."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from toolchain.docker_provider.daemon import Daemon
from toolchain.docker_provider.engine import INFO, Engine
from toolchain.docker_provider.protocol import engine_pb2
from toolchain.docker_provider.schema import Change, Schema, changes, problems, with_defaults
from toolchain.docker_provider.values import UNKNOWN, Properties


@dataclass(frozen=True)
class Operation:
    """One request of the engine: for which resource, against which daemon, for how long.

    Attributes:
        timeout: the resource's custom timeout in seconds, or None.
        cancelled: set when the engine asks to stop, or is gone.
        abandoned: tells whether the engine is gone, so that nobody will record what is made.
    """

    urn: str
    daemon: Daemon
    engine: Engine
    cancelled: threading.Event
    timeout: float | None = None
    abandoned: Callable[[], bool] = lambda: False

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rsplit("::", 1)[-1]

    def log(self, message: str, severity: engine_pb2.LogSeverity.ValueType = INFO) -> None:
        self.engine.log(message, self.urn, severity)


@dataclass(frozen=True)
class Naming:
    """How the engine wants automatic names made (its `pulumi:autonaming` setting)."""

    seed: bytes = b""
    proposed: str = ""
    disabled: bool = False


@dataclass(frozen=True)
class Checked:
    """Inputs ready to use, or what is wrong with them by property."""

    inputs: Properties
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """The properties that differ.

    Attributes:
        listed: whether the engine is told the changed properties by name; the vendor's plugin does not for Image.
    """

    changes: Mapping[str, Change]
    delete_before_replace: bool = False
    listed: bool = True


class OperationError(Exception):
    """An operation failed and left nothing behind."""


class InitFailed(Exception):  # noqa: N818 - the protocol's own term
    """A resource was made and is not as it should be: the engine keeps it, with the reasons."""

    def __init__(self, resource_id: str, outputs: Properties, reason: str) -> None:
        super().__init__(reason)
        self.resource_id, self.outputs, self.reason = resource_id, outputs, reason


class Resource:
    """A resource type.

    Attributes:
        type_name: its type token.
        schema: its properties.
        autonamed: whether an absent `name` is made from the resource's name.
        meta: the layout version that the vendor's plugin keeps in the state.
    """

    type_name: str
    schema: ClassVar[Schema]
    autonamed = False
    meta: ClassVar[Mapping[str, str]] = {}

    def check(self, operation: Operation, olds: Properties, news: Properties, naming: Naming) -> Checked:
        """Validate inputs and complete them with what has to stay the same from update to update: an automatic name."""
        inputs = {name: value for name, value in news.items() if not name.startswith("__")}
        failures = problems(self.schema, inputs)
        failures = failures or self.rules(inputs)
        defaults = []
        if self.autonamed and "name" not in inputs and not failures:
            if naming.disabled:
                failures["name"] = "automatic naming is disabled for this stack: give a name"
            else:
                kept = olds.get("name") if "name" in olds.get("__defaults", []) else None
                inputs["name"] = kept or naming.proposed or autoname(operation.name, naming.seed)
                defaults.append("name")
        return Checked({**inputs, "__defaults": defaults}, failures)

    def rules(self, inputs: Properties) -> dict[str, str]:  # noqa: ARG002 - for subclasses
        """Further rules for the values of inputs: messages by property."""
        return {}

    def diff(self, state: Properties, old_inputs: Properties, news: Properties) -> Difference:  # noqa: ARG002 - for subclasses
        """Compare the state with checked inputs."""
        found = changes(self.schema, state, news)
        replaced = any(change.replace for change in found.values())
        return Difference(found, replaced and self.must_delete_first(news))

    def must_delete_first(self, news: Properties) -> bool:
        """Whether a replacement cannot stand beside the old one: with a name that the program chose, it cannot."""
        return self.autonamed and "name" not in news.get("__defaults", [])

    def preview(self, operation: Operation, inputs: Properties, state: Properties | None) -> Properties:  # noqa: ARG002
        """Outputs as far as they are known before the deployment; for an update, those of the state stay."""
        if state is not None:
            return self.planned(state, inputs)
        unknown = {name: UNKNOWN for name, spec in self.schema.items() if spec.output or spec.computed}
        return {**unknown, **self.completed(inputs)}

    def completed(self, inputs: Properties) -> Properties:
        """Inputs with their defaults filled in, without the engine's own entries."""
        return with_defaults(self.schema, inputs)

    def planned(self, state: Properties, inputs: Properties) -> Properties:
        """The state after an update in place: what the daemon chose stays, what was given changes."""
        kept = {
            name: value
            for name, value in state.items()
            if name not in self.schema or self.schema[name].output or self.schema[name].computed
        }
        return {**kept, **self.completed(inputs)}

    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        """Make the resource; returns its id and outputs."""
        raise NotImplementedError

    def abandon(self, operation: Operation, resource_id: str) -> None:
        """Remove what was made just now, when the engine is gone and would not know of it at the next `up`."""

    def read(
        self, operation: Operation, resource_id: str, inputs: Properties, state: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """Look at the resource: its id, inputs and outputs, or None when it is gone."""
        raise NotImplementedError

    def update(self, operation: Operation, resource_id: str, state: Properties, inputs: Properties) -> Properties:  # noqa: ARG002
        """Change the resource in place; returns its outputs."""
        return self.planned(state, inputs)

    def delete(self, operation: Operation, resource_id: str, state: Properties) -> None:
        """Remove the resource; one that is gone already is no error."""
        raise NotImplementedError


def autoname(name: str, seed: bytes = b"") -> str:
    """A name of its own for a resource: `<name>-<7 hex digits>`, of characters that Docker allows."""
    digits = hashlib.sha256(seed).hexdigest()[:7] if seed else secrets.token_hex(4)[:7]
    return f"{re.sub(r'[^a-zA-Z0-9_.-]', '-', name)}-{digits}"


def label_map(labels: list[Mapping[str, Any]] | None) -> dict[str, str]:
    """Labels as the daemon takes them."""
    return {label["label"]: label["value"] for label in labels or []}


def imported_inputs(seen: Mapping[str, Any]) -> Properties:
    """The inputs of a program that would describe an imported network or volume, as the daemon tells of it."""
    labels = [{"label": key, "value": value} for key, value in (seen.get("Labels") or {}).items()]
    found: Properties = {"name": seen["Name"], "driver": seen["Driver"], "__defaults": []}
    return {**found, "labels": labels} if labels else found
