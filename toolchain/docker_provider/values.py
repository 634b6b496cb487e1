"""Property values between the provider protocol's protobuf structs and plain Python values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolchain.docker_provider.protocol import struct_pb2

Properties = dict[str, Any]

# Pulumi's wire encoding (sdk/go/common/resource/plugin/rpc.go): an unknown is a sentinel string, a secret an object
# with a signature.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a fixed signature of the protocol, not a password


def secret(value: Any) -> Properties:
    """Mark a value as secret on the wire; the engine encrypts it in the state."""
    return {SIGNATURE: SECRET, "value": value}


def has_unknown(value: Any) -> bool:
    """Tell whether a value is, or holds anywhere, one that is not known before the deployment."""
    if isinstance(value, Mapping):
        return any(has_unknown(v) for v in value.values())
    if isinstance(value, list):
        return any(has_unknown(v) for v in value)
    return isinstance(value, str) and value == UNKNOWN


def from_struct(struct: struct_pb2.Struct) -> Properties:
    """Read a struct: nulls are dropped, whole numbers become int, secrets are unwrapped."""
    return {key: _from_value(value) for key, value in struct.fields.items() if value.WhichOneof("kind") != "null_value"}


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Write properties; entries that are None are left out."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        if value is not None:
            struct.fields[key].CopyFrom(_to_value(value))
    return struct


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_from_value(v) for v in value.list_value.values]
    if kind == "struct_value":
        inner = from_struct(value.struct_value)
        return inner.get("value") if inner.get(SIGNATURE) == SECRET else inner
    return None


def _to_value(value: Any) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, (int, float)):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=to_struct(value))
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_to_value(v) for v in value]))
