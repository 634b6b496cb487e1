"""docker:index/tag:Tag: a second name for a local image, which outlives the resource as with the vendor's plugin."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from toolchain.docker_provider.images import find_image
from toolchain.docker_provider.registry import split_tag
from toolchain.docker_provider.resource import Operation, OperationError, Resource
from toolchain.docker_provider.schema import Field, Schema
from toolchain.docker_provider.values import Properties


class Tag(Resource):
    type_name = "docker:index/tag:Tag"
    schema: ClassVar[Schema] = {
        "sourceImage": Field("string", required=True, replace=True),
        "targetImage": Field("string", required=True, replace=True),
        "tagTriggers": Field("set", replace=True),
        "sourceImageId": Field("string", output=True),
    }

    @override
    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        from toolchain.docker_provider.docker_package import APIError

        source, target = inputs["sourceImage"], inputs["targetImage"]
        found = find_image(operation, source)
        if found is None:
            raise OperationError(f"sourceImage {source!r} is not in the daemon at {operation.daemon.endpoint.host}")
        try:
            operation.daemon.api.tag(source, *split_tag(target))
        except APIError as error:
            raise OperationError(f"tagging {source!r} as {target!r}: {error.explanation or error}") from error
        return f"{found['Id']}.{target}", {**self.completed(inputs), "sourceImageId": found["Id"]}

    @override
    def read(
        self, operation: Operation, resource_id: str, inputs: Properties, state: Properties
    ) -> tuple[str, Properties, Properties] | None:
        if not state:
            raise OperationError("a Tag cannot be imported: create it, tagging an image twice does no harm")
        return (resource_id, inputs, state) if find_image(operation, state["targetImage"]) else None

    @override
    def delete(self, operation: Operation, resource_id: str, state: Properties) -> None:
        """Leave the name behind, as the vendor's plugin does."""
