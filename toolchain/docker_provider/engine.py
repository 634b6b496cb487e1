"""Messages to the Pulumi engine, which shows them beside the resource while the operation runs."""

from __future__ import annotations

from toolchain.docker_provider.protocol import MESSAGE_OPTIONS, engine_pb2, engine_pb2_grpc, grpc

INFO, WARNING = engine_pb2.INFO, engine_pb2.WARNING


class Engine:
    """The engine's side of the protocol; without an address, messages are dropped."""

    def __init__(self, address: str = "") -> None:
        self._stub: engine_pb2_grpc.EngineStub | None = None
        self.attach(address)

    def attach(self, address: str) -> None:
        """Send messages to the engine at this address from now on."""
        if address:
            self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address, options=MESSAGE_OPTIONS))

    def log(self, message: str, urn: str = "", severity: engine_pb2.LogSeverity.ValueType = INFO) -> None:
        """Show a message; it stays in the display and in the update's history."""
        if self._stub is None:
            return
        try:
            self._stub.Log(engine_pb2.LogRequest(severity=severity, message=message, urn=urn))
        except grpc.RpcError:
            self._stub = None  # the engine is gone: there is nobody to tell
