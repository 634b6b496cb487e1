"""Pulumi's gRPC protocol: the generated modules and the libraries beneath them, of which none publishes types."""

from __future__ import annotations

import grpc  # type: ignore[import-untyped]  # grpcio is published without types
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]  # as is protobuf
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

__all__ = [
    "MESSAGE_OPTIONS",
    "empty_pb2",
    "engine_pb2",
    "engine_pb2_grpc",
    "grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "status_pb2",
    "struct_pb2",
]

# The engine's own limit (pulumi/runtime/_grpc_settings.py): 400 MB.
MESSAGE_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.max_send_message_length", 400 * 1024 * 1024),
]
