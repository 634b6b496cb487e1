"""Answers of the provider protocol that take more than a constructor: differences, and half-made resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from toolchain.docker_provider.protocol import grpc, provider_pb2, status_pb2
from toolchain.docker_provider.resource import Difference, InitFailed
from toolchain.docker_provider.schema import Change
from toolchain.docker_provider.values import Properties, to_struct

SOME, NONE = provider_pb2.DiffResponse.DIFF_SOME, provider_pb2.DiffResponse.DIFF_NONE
_KINDS = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


def without(changes: Mapping[str, Change], ignored: Sequence[str]) -> dict[str, Change]:
    """Leave out the properties that the program's `ignoreChanges` names; paths into them are the engine's business."""
    return {name: change for name, change in changes.items() if name not in ignored}


def diff_response(difference: Difference) -> provider_pb2.DiffResponse:
    """Write a difference as the protocol has it."""
    found = difference.changes
    return provider_pb2.DiffResponse(
        changes=SOME if found else NONE,
        diffs=sorted(found) if difference.listed else [],
        replaces=sorted(name for name, change in found.items() if change.replace),
        deleteBeforeReplace=difference.delete_before_replace,
        detailedDiff={n: provider_pb2.PropertyDiff(kind=_KINDS[c.kind, c.replace]) for n, c in found.items()},
        hasDetailedDiff=True,
    )


def init_failed_status(failed: InitFailed, inputs: Properties) -> Any:
    """Tell the engine to keep a resource that was made but is not as it should be (ErrorResourceInitFailed)."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=failed.resource_id, properties=to_struct(failed.outputs), reasons=[failed.reason], inputs=to_struct(inputs)
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=failed.reason)
    status.details.add().Pack(detail)
    # what grpc.ServicerContext.abort_with_status reads of a grpc.Status
    return SimpleNamespace(
        code=grpc.StatusCode.UNKNOWN,
        details=failed.reason,
        trailing_metadata=(("grpc-status-details-bin", status.SerializeToString()),),
    )
