"""docker:index/container:Container."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from toolchain.docker_provider import container_request, container_rules, container_state
from toolchain.docker_provider.container_schema import INERT, SCHEMA
from toolchain.docker_provider.engine import WARNING
from toolchain.docker_provider.images import ensure_image
from toolchain.docker_provider.resource import InitFailed, Operation, OperationError, Resource
from toolchain.docker_provider.schema import Schema
from toolchain.docker_provider.values import UNKNOWN, Properties

POLL_SECONDS = 0.1
CONFLICT = 409
LAST_LINES = 50
_UPDATED = ("restart", "maxRetryCount", "cpuShares", "cpuSet", "memory", "memoryReservation", "memorySwap")


class Container(Resource):
    type_name = "docker:index/container:Container"
    schema: ClassVar[Schema] = SCHEMA
    autonamed = True
    meta: ClassVar[Mapping[str, str]] = container_state.META

    @override
    def rules(self, inputs: Properties) -> dict[str, str]:
        return container_rules.problems(inputs)

    @override
    def must_delete_first(self, news: Properties) -> bool:
        return True

    @override
    def preview(self, operation: Operation, inputs: Properties, state: Properties | None) -> Properties:
        outputs = super().preview(operation, inputs, state)
        if state is None and isinstance(outputs.get("ports"), list):
            outputs["ports"] = [
                {"external": UNKNOWN, **port} if isinstance(port, dict) else port for port in outputs["ports"]
            ]
        return outputs

    @override
    def planned(self, state: Properties, inputs: Properties) -> Properties:
        planned = super().planned(state, inputs)
        if isinstance(planned.get("ports"), list):
            planned["ports"] = container_state.with_chosen_ports(planned["ports"], state.get("ports") or [])
        return planned

    @override
    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        from toolchain.docker_provider.docker_package import APIError, NotFound

        given = self.completed(inputs)
        api: Any = operation.daemon.api  # its stubs leave the creation untyped
        ensure_image(operation, given["image"], given.get("platform"))
        try:
            body = container_request.creation(given)
            container_id = api.create_container_from_config(body, given["name"], given.get("platform"))["Id"]
        except APIError as error:
            hint = (
                f"; remove it with `docker rm -f {given['name']}`, or import it"
                if error.status_code == CONFLICT
                else ""
            )
            raise OperationError(f"creating container {given['name']!r}: {error.explanation or error}{hint}") from error
        try:
            self._prepare(operation, container_id, given)
        except BaseException:
            api.remove_container(container_id, force=True, v=True)
            raise
        try:
            return container_id, self._settle(operation, container_id, given)
        except NotFound as error:
            reason = "it ended at once, and with rm it was removed" if given["rm"] else "it was removed meanwhile"
            raise OperationError(f"container {given['name']!r} is gone: {reason}") from error

    def _prepare(self, operation: Operation, container_id: str, given: Properties) -> None:
        """Connect networks, upload files and start; what fails here leaves no container behind."""
        from toolchain.docker_provider.docker_package import APIError, NotFound

        api, name = operation.daemon.api, given["name"]
        try:
            step = "leaving the default network"
            if given.get("networksAdvanced"):
                try:
                    api.disconnect_container_from_network(container_id, "bridge")
                except (NotFound, APIError) as error:
                    if "is not connected" not in str(error):
                        raise
            for network in given.get("networksAdvanced", []):
                step = f"connecting to network {network['name']!r}"
                arguments = container_request.network_connection(network)
                api.connect_container_to_network(container_id, network["name"], **arguments)
            for upload in given.get("uploads", []):
                step = f"uploading {upload['file']!r}"
                api.put_archive(container_id, "/", container_request.upload_archive(upload))
            if given["start"]:
                step = "starting"
                api.start(container_id)
        except (APIError, OSError) as error:
            reason = getattr(error, "explanation", None) or error
            raise OperationError(f"container {name!r}, {step}: {reason}") from error

    def _settle(self, operation: Operation, container_id: str, given: Properties) -> Properties:
        """Wait for what was asked for, and read the outputs back."""
        api = operation.daemon.api
        logs: Properties = {}
        if given["attach"]:
            while container_state.is_running(api.inspect_container(container_id)):
                _pause(operation, InitFailed(container_id, {**given, **self.meta}, "cancelled while attached"))
            seen = api.inspect_container(container_id)
            logs = {"exitCode": seen["State"]["ExitCode"]}
            if given["logs"]:
                logs["containerLogs"] = api.logs(container_id).decode(errors="replace")
        if given["wait"] and given["start"]:
            self._wait_healthy(operation, container_id, given)
        return {**container_state.outputs(given, api.inspect_container(container_id)), **logs}

    def _wait_healthy(self, operation: Operation, container_id: str, given: Properties) -> None:
        """Wait until the container is healthy.

        Raises:
            InitFailed: it is not within `waitTimeout` seconds, has no health check, or stopped; with its last lines.
        """
        api, seconds = operation.daemon.api, given.get("waitTimeout", 60)
        deadline = time.monotonic() + min(seconds, operation.timeout or seconds)
        while True:
            state = api.inspect_container(container_id)["State"]
            health = state.get("Health", {}).get("Status")
            if health == "healthy":
                return
            if health is None:
                problem = "it has no health check: give one, or do not set wait"
            elif state["Status"] in ("exited", "dead"):
                problem = f"it stopped with exit code {state['ExitCode']}"
            elif time.monotonic() > deadline:
                problem = f"it is {health} after {seconds} s"
            else:
                problem = ""
            reason = f"container {given['name']!r} failed to be in healthy state: {problem or 'cancelled'}"
            failure = InitFailed(
                container_id,
                {**given, **self.meta},
                f"{reason}{self._last_lines(api, container_id) if problem else ''}",
            )
            if problem:
                raise failure
            _pause(operation, failure)

    @staticmethod
    def _last_lines(api: Any, container_id: str) -> str:
        text = api.logs(container_id, tail=LAST_LINES).decode(errors="replace").strip()
        return f"; its last log lines:\n{text}" if text else "; it logged nothing"

    @override
    def abandon(self, operation: Operation, resource_id: str) -> None:
        self.delete(operation, resource_id, {})

    @override
    def read(
        self, operation: Operation, resource_id: str, inputs: Properties, state: Properties
    ) -> tuple[str, Properties, Properties] | None:
        from toolchain.docker_provider.docker_package import NotFound

        try:
            seen = operation.daemon.api.inspect_container(resource_id)
        except NotFound:
            return None
        imported = not state
        given = state or {
            **self.completed({}),
            "image": seen["Config"]["Image"],
            "networkMode": seen["HostConfig"]["NetworkMode"],
        }
        outputs = container_state.outputs(given, seen)
        if not container_state.is_running(seen):
            outputs["mustRun"] = False
            outputs["exitCode"] = seen["State"]["ExitCode"]
        if imported:
            inputs = {**container_state.imported_inputs(outputs), "__defaults": []}
        return seen["Id"], inputs, outputs

    @override
    def update(self, operation: Operation, resource_id: str, state: Properties, inputs: Properties) -> Properties:
        from toolchain.docker_provider.docker_package import APIError

        api, found = operation.daemon.api, self.diff(state, {}, inputs).changes
        given = self.completed(inputs)
        outputs = {**self.planned(state, inputs), **self.meta}
        if inert := sorted(INERT & found.keys()):
            names = ", ".join(inert)
            operation.log(
                f"{names}: changed in the state only, the container keeps the old; replace it to apply", WARNING
            )
        try:
            if any(name in found for name in _UPDATED):
                api.update_container(resource_id, **container_request.update(given))
            if (
                given["start"]
                and given["mustRun"]
                and not container_state.is_running(api.inspect_container(resource_id))
            ):
                api.start(resource_id)
                outputs.update(container_state.network_outputs(given, api.inspect_container(resource_id)))
        except APIError as error:
            reason = error.explanation or error
            raise OperationError(f"updating container {given['name']!r} ({', '.join(found)}): {reason}") from error
        if given["wait"] and given["start"]:
            self._wait_healthy(operation, resource_id, outputs)
        return outputs

    @override
    def delete(self, operation: Operation, resource_id: str, state: Properties) -> None:
        from toolchain.docker_provider.docker_package import APIError, NotFound

        api, grace = operation.daemon.api, state.get("destroyGraceSeconds") or 0
        try:
            if grace > 0 and not state.get("attach"):
                api.stop(resource_id, timeout=grace)
            api.remove_container(resource_id, force=True, v=state.get("removeVolumes", True))
        except NotFound:
            return
        except APIError as error:
            if "already in progress" not in str(error):
                raise OperationError(
                    f"removing container {state.get('name')!r}: {error.explanation or error}"
                ) from error
        while _exists(api, resource_id):
            _pause(operation, OperationError(f"cancelled while container {state.get('name')!r} was being removed"))


def _exists(api: Any, container_id: str) -> bool:
    from toolchain.docker_provider.docker_package import NotFound

    try:
        api.inspect_container(container_id)
    except NotFound:
        return False
    return True


def _pause(operation: Operation, if_cancelled: Exception) -> None:
    """Wait a moment before the daemon is asked again; ends at once when the operation is cancelled."""
    if operation.cancelled.wait(POLL_SECONDS):
        raise if_cancelled
