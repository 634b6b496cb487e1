"""docker:index/remoteImage:RemoteImage: an image that is pulled unless the daemon has it."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from toolchain.docker_provider.images import ensure_image, find_image
from toolchain.docker_provider.resource import Operation, OperationError, Resource
from toolchain.docker_provider.schema import Field, Schema
from toolchain.docker_provider.values import Properties


class RemoteImage(Resource):
    type_name = "docker:index/remoteImage:RemoteImage"
    schema: ClassVar[Schema] = {
        "name": Field("string", required=True, replace=True),
        "forceRemove": Field("bool"),
        "keepLocally": Field("bool"),
        "platform": Field("string", replace=True),
        "pullTriggers": Field("set", replace=True),
        "triggers": Field("map", replace=True),
        "imageId": Field("string", output=True),
        "repoDigest": Field("string", output=True),
    }

    @override
    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        found = ensure_image(operation, inputs["name"], inputs.get("platform"))
        return f"{found['Id']}{inputs['name']}", self._outputs(self.completed(inputs), found)

    @override
    def read(
        self, operation: Operation, resource_id: str, inputs: Properties, state: Properties
    ) -> tuple[str, Properties, Properties] | None:
        if not state:
            inputs = state = {"name": resource_id.removeprefix("sha256:")[64:] or resource_id}
        found = find_image(operation, state["name"])
        return (f"{found['Id']}{state['name']}", inputs, self._outputs(state, found)) if found else None

    def _outputs(self, given: Properties, found: Properties) -> Properties:
        digests = found.get("RepoDigests") or []
        return {**given, "imageId": found["Id"], "repoDigest": digests[0] if digests else ""}

    @override
    def delete(self, operation: Operation, resource_id: str, state: Properties) -> None:
        from toolchain.docker_provider.docker_package import APIError, ImageNotFound

        if state.get("keepLocally"):
            return
        try:
            operation.daemon.api.remove_image(state["name"], force=state.get("forceRemove", False))
        except ImageNotFound:
            return
        except APIError as error:
            raise OperationError(
                f"removing image {state['name']!r}: {error.explanation or error}; "
                "remove what uses it, or set keepLocally or forceRemove"
            ) from error
