"""docker:index/volume:Volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from toolchain.docker_provider.network import LABELS, remove_when_free
from toolchain.docker_provider.resource import Operation, OperationError, Resource, imported_inputs, label_map
from toolchain.docker_provider.schema import Field, Schema
from toolchain.docker_provider.values import Properties


class Volume(Resource):
    type_name = "docker:index/volume:Volume"
    autonamed = True
    meta: ClassVar[Mapping[str, str]] = {"__meta": '{"schema_version":"1"}'}
    schema: ClassVar[Schema] = {
        "name": Field("string", replace=True, computed=True),
        "driver": Field("string", replace=True, computed=True),
        "driverOpts": Field("map", replace=True),
        "labels": Field("set", LABELS, replace=True),
        "mountpoint": Field("string", output=True),
    }

    @override
    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        from toolchain.docker_provider.docker_package import APIError

        given, api = self.completed(inputs), operation.daemon.api
        try:
            seen = api.create_volume(
                given["name"], given.get("driver"), given.get("driverOpts"), label_map(given.get("labels")) or None
            )
        except APIError as error:
            raise OperationError(f"creating volume {given['name']!r}: {error.explanation or error}") from error
        return seen["Name"], self._outputs(given, seen)

    @override
    def read(
        self, operation: Operation, resource_id: str, inputs: Properties, state: Properties
    ) -> tuple[str, Properties, Properties] | None:
        from toolchain.docker_provider.docker_package import NotFound

        try:
            seen = operation.daemon.api.inspect_volume(resource_id)
        except NotFound:
            return None
        if not state:
            inputs = imported_inputs(seen)
            state = self.completed(inputs)
        return seen["Name"], inputs, self._outputs(state, seen)

    def _outputs(self, given: Properties, seen: Properties) -> Properties:
        return {**given, **self.meta, "name": seen["Name"], "driver": seen["Driver"], "mountpoint": seen["Mountpoint"]}

    @override
    def delete(self, operation: Operation, resource_id: str, state: Properties) -> None:
        remove_when_free(operation, f"volume {resource_id!r}", lambda: operation.daemon.api.remove_volume(resource_id))
