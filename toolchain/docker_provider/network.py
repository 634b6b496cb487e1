"""docker:index/network:Network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from typing_extensions import override

from toolchain.docker_provider.resource import Operation, OperationError, Resource, imported_inputs, label_map
from toolchain.docker_provider.schema import Field, Schema
from toolchain.docker_provider.values import Properties

_STRING = Field("string")
LABELS: Schema = {"label": Field("string", required=True), "value": Field("string", required=True)}
_IPAM: Schema = {"subnet": _STRING, "ipRange": _STRING, "gateway": _STRING, "auxAddress": Field("map")}
RELEASE_SECONDS = 20


class Network(Resource):
    type_name = "docker:index/network:Network"
    autonamed = True
    meta: ClassVar[Mapping[str, str]] = {"__meta": '{"schema_version":"1"}'}
    schema: ClassVar[Schema] = {
        "name": Field("string", replace=True),
        "attachable": Field("bool", replace=True),
        "driver": Field("string", replace=True, computed=True),
        "ingress": Field("bool", replace=True),
        "internal": Field("bool", replace=True, computed=True),
        "ipamConfigs": Field("set", _IPAM, replace=True, computed=True),
        "ipamDriver": Field("string", replace=True, default="default"),
        "ipamOptions": Field("map", replace=True, computed=True),
        "ipv6": Field("bool", replace=True),
        "labels": Field("set", LABELS, replace=True),
        "options": Field("map", replace=True, computed=True),
        "scope": Field("string", output=True),
    }

    @override
    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        from toolchain.docker_provider.docker_package import APIError, IPAMConfig, IPAMPool

        given, api = self.completed(inputs), operation.daemon.api
        pools = [
            IPAMPool(
                subnet=pool.get("subnet") or None,
                iprange=pool.get("ipRange") or None,
                gateway=pool.get("gateway") or None,
                aux_addresses=pool.get("auxAddress") or None,
            )
            for pool in given.get("ipamConfigs", [])
        ]
        try:
            network_id: str = api.create_network(
                given["name"],
                driver=given.get("driver"),
                options=given.get("options"),
                ipam=IPAMConfig(driver=given["ipamDriver"], pool_configs=pools, options=given.get("ipamOptions")),
                check_duplicate=True,
                internal=given.get("internal", False),
                labels=label_map(given.get("labels")) or None,
                enable_ipv6=given.get("ipv6", False),
                attachable=given.get("attachable"),
                ingress=given.get("ingress"),
            )["Id"]
        except APIError as error:
            raise OperationError(f"creating network {given['name']!r}: {error.explanation or error}") from error
        return network_id, self._outputs(given, api.inspect_network(network_id))

    @override
    def abandon(self, operation: Operation, resource_id: str) -> None:
        self.delete(operation, resource_id, {})

    @override
    def read(
        self, operation: Operation, resource_id: str, inputs: Properties, state: Properties
    ) -> tuple[str, Properties, Properties] | None:
        from toolchain.docker_provider.docker_package import NotFound

        try:
            seen = operation.daemon.api.inspect_network(resource_id)
        except NotFound:
            return None
        if not state:
            inputs = imported_inputs(seen)
            state = self.completed(inputs)
        return seen["Id"], inputs, self._outputs(state, seen)

    def _outputs(self, given: Properties, seen: Properties) -> Properties:
        keys = {"subnet": "Subnet", "ipRange": "IPRange", "gateway": "Gateway", "auxAddress": "AuxiliaryAddresses"}
        ipam = seen.get("IPAM") or {}
        pools = [{k: pool[v] for k, v in keys.items() if pool.get(v)} for pool in ipam.get("Config") or []]
        return {
            **given,
            **self.meta,
            "name": seen["Name"],
            "driver": seen["Driver"],
            "scope": seen["Scope"],
            "internal": seen["Internal"],
            "attachable": seen["Attachable"],
            "ingress": seen["Ingress"],
            "ipv6": seen["EnableIPv6"],
            "ipamDriver": ipam.get("Driver") or "default",
            "ipamConfigs": given.get("ipamConfigs") or pools,
            "options": seen.get("Options") or {},
        }

    @override
    def delete(self, operation: Operation, resource_id: str, state: Properties) -> None:
        remove_when_free(
            operation, f"network {state.get('name')!r}", lambda: operation.daemon.api.remove_network(resource_id)
        )


def remove_when_free(operation: Operation, what: str, remove: Callable[[], Any]) -> None:
    """Remove what containers may still hold for a moment after they are gone.

    Raises:
        OperationError: it is still in use after 20 s, or the daemon refuses.
    """
    from toolchain.docker_provider.docker_package import APIError, NotFound

    deadline = time.monotonic() + RELEASE_SECONDS
    while True:
        try:
            remove()
        except NotFound:
            return
        except APIError as error:
            in_use = error.status_code == 409 or "active endpoints" in str(error)
            if not in_use or time.monotonic() > deadline or operation.cancelled.wait(0.2):
                raise OperationError(f"removing {what}: {error.explanation or error}") from error
        else:
            return
