"""Messages to the Pulumi engine, which shows them beside the resource while the operation runs."""

from __future__ import annotations

from typing import Any

from toolchain.docker_provider.protocol import MESSAGE_OPTIONS

DEBUG, INFO, WARNING, ERROR = range(4)  # LogSeverity in pulumi/engine.proto


class Engine:
    """The engine's side of the protocol; without an address, as when the plugin is only described, messages are dropped."""

    def __init__(self, address: str = "") -> None:
        self._address = address
        self._stub: Any = None

    def attach(self, address: str) -> None:
        self._address, self._stub = address, None

    def log(self, message: str, urn: str = "", severity: int = INFO) -> None:
        """Show a message; it stays in the display and in the update's history."""
        import grpc

        stub = self._connect()
        if stub is None:
            return
        from pulumi.runtime.proto import engine_pb2

        try:
            stub.Log(engine_pb2.LogRequest(severity=severity, message=message, urn=urn))  # type: ignore[arg-type]  # an enum's plain number
        except grpc.RpcError:
            self._address = ""  # the engine is gone: there is nobody to tell

    def _connect(self) -> Any:
        if self._stub is None and self._address:
            import grpc
            from pulumi.runtime.proto import engine_pb2_grpc

            channel = grpc.insecure_channel(self._address, options=MESSAGE_OPTIONS)
            self._stub = engine_pb2_grpc.EngineStub(channel)
        return self._stub if self._address else None
