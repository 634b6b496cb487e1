"""The provider protocol (pulumi/provider.proto): requests of the engine handed to the resource types."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from typing_extensions import override

from toolchain.docker_provider import PACKAGE, VERSION
from toolchain.docker_provider.answers import NONE, SOME, diff_response, init_failed_status, without
from toolchain.docker_provider.daemon import Daemon, DaemonError
from toolchain.docker_provider.engine import Engine
from toolchain.docker_provider.protocol import empty_pb2, grpc, plugin_pb2, provider_pb2, provider_pb2_grpc
from toolchain.docker_provider.resource import InitFailed, Naming, Operation, OperationError, Resource
from toolchain.docker_provider.values import Properties, from_struct, has_unknown, to_struct

CONFIG = (
    "caMaterial", "certMaterial", "certPath", "context", "disableDockerDaemonCheck", "host", "keyMaterial",
    "registryAuth", "sshOpts",
)  # fmt: skip


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Serves the engine.

    Args:
        resources: resource types by token; made when first asked for, so that starting stays cheap.
        engine: where messages go.
        environ: names the daemon and the user's Docker configuration.
        abandoned: tells whether the engine is gone.
    """

    def __init__(
        self,
        resources: Mapping[str, Callable[[], Resource]],
        engine: Engine,
        environ: Mapping[str, str] = os.environ,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> None:
        self._abandoned = abandoned
        self._resources, self._engine, self._environ = resources, engine, environ
        self._config: dict[str, str] = {}
        self._daemon: Daemon | None = None
        self._lock = threading.Lock()
        self._idle, self._under_way = threading.Condition(), 0
        self.cancelled = threading.Event()

    @override
    def Handshake(self, request: Any, context: Any) -> provider_pb2.ProviderHandshakeResponse:
        self._engine.attach(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=False, accept_resources=False, accept_outputs=False
        )

    @override
    def Attach(self, request: Any, context: Any) -> empty_pb2.Empty:
        self._engine.attach(request.address)
        return empty_pb2.Empty()

    @override
    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    @override
    def GetSchema(self, request: Any, context: Any) -> provider_pb2.GetSchemaResponse:
        resources: Properties = {name: {} for name in self._resources}
        return provider_pb2.GetSchemaResponse(
            schema=json.dumps({"name": PACKAGE, "version": VERSION, "resources": resources})
        )

    @override
    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        self.cancelled.set()
        return empty_pb2.Empty()

    @override
    def CheckConfig(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        news = from_struct(request.news)
        unknown = sorted(name for name in news if name not in CONFIG and name not in ("version", "pluginDownloadURL"))
        reasons = [
            f"{name!r} is not an option of the docker provider; options are {', '.join(CONFIG)}" for name in unknown
        ]
        failures = [provider_pb2.CheckFailure(property=n, reason=r) for n, r in zip(unknown, reasons, strict=True)]
        if news.get("sshOpts") not in (None, "", "[]", []):
            reason = (
                "sshOpts is not supported by this stand-in for the docker plugin: write the options to ~/.ssh/config"
            )
            failures.append(provider_pb2.CheckFailure(property="sshOpts", reason=reason))
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @override
    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        olds, news = from_struct(request.old_inputs or request.olds), from_struct(request.news)
        changed = sorted(n for n in {*olds, *news} if olds.get(n) != news.get(n))
        return provider_pb2.DiffResponse(changes=SOME if changed else NONE, diffs=changed)

    @override
    def Configure(self, request: Any, context: Any) -> provider_pb2.ConfigureResponse:
        arguments = from_struct(request.args)
        self._config = {
            n: v if isinstance(v, str) else json.dumps(v) for n, v in arguments.items() if not has_unknown(v)
        }
        try:
            self._daemon = Daemon(self._config, self._environ)
            if self._config.get("disableDockerDaemonCheck") != "true":
                self._daemon.ping()
        except (DaemonError, ValueError) as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    @override
    def Invoke(self, request: Any, context: Any) -> provider_pb2.InvokeResponse:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            f"{request.tok}: this stand-in for the docker plugin has no functions; {_VENDOR}",
        )
        raise AssertionError

    @override
    def Check(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        resource, operation = self._operation(request, context)
        asked = request.autonaming
        naming = Naming(
            request.randomSeed, asked.proposed_name, asked.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE
        )
        checked = resource.check(operation, from_struct(request.olds), from_struct(request.news), naming)
        failures = [
            provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in checked.failures.items()
        ]
        return provider_pb2.CheckResponse(inputs=to_struct(checked.inputs), failures=failures)

    @override
    def Diff(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        resource, _ = self._operation(request, context)
        old_inputs, news = from_struct(request.old_inputs), from_struct(request.news)
        found = resource.diff(from_struct(request.olds), old_inputs, news)
        return diff_response(replace(found, changes=without(found.changes, request.ignoreChanges)))

    @override
    def Create(self, request: Any, context: Any) -> provider_pb2.CreateResponse:
        resource, operation = self._operation(request, context)
        inputs = from_struct(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(resource.preview(operation, inputs, None)))
        resource_id, outputs = self._run(context, lambda: _create(resource, operation, inputs), inputs)
        return provider_pb2.CreateResponse(id=resource_id, properties=to_struct(outputs))

    @override
    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:
        resource, operation = self._operation(request, context)
        inputs, state = from_struct(request.inputs), from_struct(request.properties)
        found = self._run(context, lambda: resource.read(operation, request.id, inputs, state), inputs)
        if found is None:
            return provider_pb2.ReadResponse()
        resource_id, inputs, outputs = found
        return provider_pb2.ReadResponse(id=resource_id, inputs=to_struct(inputs), properties=to_struct(outputs))

    @override
    def Update(self, request: Any, context: Any) -> provider_pb2.UpdateResponse:
        resource, operation = self._operation(request, context)
        state, inputs = from_struct(request.olds), from_struct(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct(resource.preview(operation, inputs, state)))
        outputs = self._run(context, lambda: resource.update(operation, request.id, state, inputs), inputs)
        return provider_pb2.UpdateResponse(properties=to_struct(outputs))

    @override
    def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:
        resource, operation = self._operation(request, context)
        self._run(context, lambda: resource.delete(operation, request.id, from_struct(request.properties)), {})
        return empty_pb2.Empty()

    def _operation(self, request: Any, context: Any) -> tuple[Resource, Operation]:
        token = request.urn.split("::")[2].rsplit("$", 1)[-1]
        if token not in self._resources:
            known = ", ".join(t.rsplit(":", 1)[-1] for t in self._resources)
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"{token} is not served by this stand-in for the docker plugin, which has {known}; {_VENDOR}",
            )
        with self._lock:
            if self._daemon is None:
                self._daemon = Daemon(self._config, self._environ)
        timeout = getattr(request, "timeout", 0) or None
        operation = Operation(request.urn, self._daemon, self._engine, self.cancelled, timeout, self._abandoned)
        return self._resources[token](), operation

    def _run(self, context: Any, action: Callable[[], Any], inputs: Properties) -> Any:
        """Run an operation and turn what it raises into the protocol's errors."""
        try:
            with self._counted():
                return action()
        except InitFailed as failed:
            context.abort_with_status(init_failed_status(failed, inputs))
        except (OperationError, DaemonError) as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except OSError as error:  # what `requests` raises is of this kind, and what `docker` makes of an answer
            assert self._daemon is not None
            refusal = getattr(error, "explanation", None)
            problem = f"the Docker daemon refused: {refusal}" if refusal else str(self._daemon.unreachable(error))
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, problem)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._under_way += 1
        try:
            yield
        finally:
            with self._idle:
                self._under_way -= 1
                self._idle.notify_all()

    def wait_until_idle(self, seconds: float) -> None:
        """Wait for the operations under way, which outlive their requests when the engine is gone."""
        with self._idle:
            self._idle.wait_for(lambda: self._under_way == 0, seconds)


_VENDOR = f"the vendor's plugin has it: `pulumi plugin install resource docker {VERSION}`"


def _create(resource: Resource, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
    """Create, and take it back if the engine died meanwhile: it would not know of the resource at the next `up`."""
    try:
        resource_id, outputs = resource.create(operation, inputs)
    except InitFailed as failed:
        if operation.abandoned():
            resource.abandon(operation, failed.resource_id)
        raise
    if operation.abandoned():
        resource.abandon(operation, resource_id)
    return resource_id, outputs
