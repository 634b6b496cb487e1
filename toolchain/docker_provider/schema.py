"""What a resource type's properties are: kinds, defaults, and which change replaces the resource.

The rules are those of the vendor's provider, which compares the program's inputs with the state last read, property by
property: an absent input stands for its default, or for whatever the daemon chose where the property is `computed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolchain.docker_provider.values import Properties, has_unknown

_EMPTY: Mapping[str, Any] = {"string": "", "int": 0, "number": 0, "bool": False, "list": [], "set": [], "map": {}}
_PYTHON: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "int": int,
    "number": (int, float),
    "bool": bool,
    "list": list,
    "set": list,
    "map": dict,
}


@dataclass(frozen=True)
class Field:
    """One property.

    Attributes:
        kind: `string`, `int`, `number`, `bool`, `map` (of strings), `object` (of `fields`), `list` or `set`. The items
            of a list or set are strings, or objects where `fields` is given. A set's order does not matter.
        fields: the properties of the object, or of each item.
        required: whether an input must be given.
        default: what an absent input stands for.
        computed: whether an absent input leaves the daemon's own value alone.
        replace: whether a change replaces the resource; otherwise it is updated in place.
        output: whether it is an output only.
        normal: brings values that mean the same to the same form, item by item.
    """

    kind: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    required: bool = False
    default: Any = None
    computed: bool = False
    replace: bool = False
    output: bool = False
    normal: Callable[[Any], Any] | None = None


Schema = Mapping[str, Field]


@dataclass(frozen=True)
class Change:
    """A property that differs: whether it is added, deleted or updated, and whether that replaces the resource."""

    kind: str
    replace: bool


def canonical(spec: Field, value: Any) -> Any:
    """Bring a value to a form that compares equal when the provider sees no difference; absent equals empty."""
    if value is None:
        value = spec.default if spec.default is not None else _EMPTY.get(spec.kind)
    if spec.kind == "object":
        return {name: canonical(f, value.get(name)) for name, f in spec.fields.items()} if value else None
    if spec.kind in ("list", "set"):
        items = [_canonical_item(spec, item) for item in value]
        return sorted(items, key=repr) if spec.kind == "set" else items
    if spec.kind == "map":
        return {key: str(item) for key, item in value.items()}
    if spec.kind == "string":
        value = str(value)
    return spec.normal(value) if spec.normal else value


def _canonical_item(spec: Field, item: Any) -> Any:
    if spec.fields:
        return {name: canonical(f, item.get(name)) for name, f in spec.fields.items()}
    return spec.normal(item) if spec.normal else item


def equal(spec: Field, old: Any, new: Any) -> bool:
    """Compare a value of the state with an input; computed parts that the input leaves out are not compared."""
    if spec.kind == "list" and spec.fields and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return all(_equal_items(spec, a, b) for a, b in zip(old, new, strict=True))
    return bool(canonical(spec, old) == canonical(spec, new))


def _equal_items(spec: Field, old: Properties, new: Properties) -> bool:
    return all(
        equal(f, old.get(name), new.get(name)) for name, f in spec.fields.items() if name in new or not f.computed
    )


def with_defaults(schema: Schema, inputs: Mapping[str, Any]) -> Properties:
    """Fill in what absent inputs stand for, inside objects too."""
    filled = {name: _filled(spec, inputs.get(name)) for name, spec in schema.items() if not spec.output}
    return {name: value for name, value in filled.items() if value is not None}


def _filled(spec: Field, value: Any) -> Any:
    if value is None:
        return spec.default
    if spec.kind == "object" and isinstance(value, dict):
        return {**value, **with_defaults(spec.fields, value)}
    if spec.kind in ("list", "set") and spec.fields and isinstance(value, list):
        return [{**item, **with_defaults(spec.fields, item)} if isinstance(item, dict) else item for item in value]
    return value


def changes(schema: Schema, state: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Change]:
    """Compare the state with the checked inputs, as the vendor's provider does.

    Returns:
        The properties that differ, by name.
    """
    found = {}
    for name, spec in schema.items():
        if spec.output or (name not in inputs and (spec.computed or name not in state)):
            continue
        old, new = state.get(name), inputs.get(name, spec.default)
        if has_unknown(new) or not equal(spec, old, new):
            kind = "add" if old is None else "delete" if new is None else "update"
            found[name] = Change(kind, spec.replace)
    return found


def problems(schema: Schema, inputs: Mapping[str, Any], where: str = "") -> dict[str, str]:
    """Name what is wrong with the shape of inputs: unknown names, missing ones, wrong kinds.

    Returns:
        Messages by the property's path.
    """
    found: dict[str, str] = {}
    for name, value in inputs.items():
        path = f"{where}{name}"
        if name.startswith("__"):
            continue
        if name not in schema or schema[name].output:
            known = ", ".join(sorted(n for n, f in schema.items() if not f.output))
            found[path] = (
                f"input {path!r} is not supported by this stand-in for the docker plugin; supported are: {known}"
            )
        else:
            found.update(_kind_problems(schema[name], value, path))
    for name, spec in schema.items():
        if spec.required and inputs.get(name) is None:
            found[f"{where}{name}"] = f"input {where + name!r} is required and was not given"
    return found


def _kind_problems(spec: Field, value: Any, path: str) -> dict[str, str]:
    """Compare a value's kind, without printing the value: it may be a secret."""
    if value is None or (has_unknown(value) and not isinstance(value, (dict, list))):
        return {}
    wanted = dict if spec.kind == "object" else _PYTHON[spec.kind]
    if not isinstance(value, wanted) or (isinstance(value, bool) and spec.kind != "bool"):
        return {path: f"{path} is of type {type(value).__name__}, expected {spec.kind}"}
    found: dict[str, str] = {}
    if isinstance(value, dict) and spec.kind == "object":
        found = problems(spec.fields, value, f"{path}.")
    elif isinstance(value, list):
        inner = Field("object", spec.fields) if spec.fields else Field("string")
        for index, item in enumerate(value):
            found.update(_kind_problems(inner, item, f"{path}[{index}]"))
    return found
