"""docker:index/image:Image: an image built from a folder, and pushed unless `skipPush` is set."""

from __future__ import annotations

import os
import platform
import posixpath
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from toolchain.docker_provider.build import Build, prepare, run_build, search_path
from toolchain.docker_provider.context import context_digest
from toolchain.docker_provider.engine import WARNING
from toolchain.docker_provider.images import find_image, follow
from toolchain.docker_provider.registry import HUB, Login, host_of, server_of, split_tag
from toolchain.docker_provider.resource import Checked, Difference, Naming, Operation, OperationError, Resource
from toolchain.docker_provider.schema import Change, Field, Schema, problems
from toolchain.docker_provider.values import UNKNOWN, Properties, has_unknown, secret

_STRING = Field("string")
_BUILDERS = ("BuilderBuildKit", "BuilderV1")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Image(Resource):
    type_name = "docker:index/image:Image"
    schema: ClassVar[Schema] = {
        "imageName": Field("string", required=True),
        "build": Field(
            "object",
            {
                "addHosts": Field("list"),
                "args": Field("map"),
                "builderVersion": _STRING,
                "cacheFrom": Field("object", {"images": Field("list")}),
                "context": _STRING,
                "contextDigest": _STRING,
                "dockerfile": _STRING,
                "network": _STRING,
                "platform": _STRING,
                "target": _STRING,
            },
        ),
        "buildOnPreview": Field("bool"),
        "registry": Field("object", {"server": _STRING, "username": _STRING, "password": _STRING}),
        "skipPush": Field("bool"),
    }

    @override
    def check(self, operation: Operation, olds: Properties, news: Properties, naming: Naming) -> Checked:
        """Complete the build's settings and take the digest of its context."""
        inputs = {name: value for name, value in news.items() if not name.startswith("__")}
        failures = problems(self.schema, inputs)
        build = inputs.get("build", {})
        if failures or not isinstance(build, dict):
            return Checked(inputs, failures)
        inputs["buildOnPreview"] = inputs.get("buildOnPreview") is True
        inputs["build"] = build = {**build}
        build.setdefault("context", ".")
        if not has_unknown(build["context"]):
            build.setdefault("dockerfile", posixpath.normpath(posixpath.join(build["context"], "Dockerfile")))
        if not build.get("platform"):
            build["platform"] = host_platform()
            operation.log(f"build.platform is not set: building for {build['platform']}")
        failures = build_problems(inputs)
        if not failures and not has_unknown([build["context"], build.get("dockerfile", UNKNOWN)]):
            prepare(search_path(operation))
            try:
                build["contextDigest"] = context_digest(build["context"], build["dockerfile"])
            except OSError as error:
                failures["build.context"] = f"reading build context {build['context']!r}: {error}"
        registry = inputs.get("registry")
        if isinstance(registry, dict) and registry.get("password"):
            inputs["registry"] = {**registry, "password": secret(registry["password"])}
        return Checked(inputs, failures)

    @override
    def diff(self, state: Properties, old_inputs: Properties, news: Properties) -> Difference:
        """Compare with the inputs of the last build, kept in the state; a changed login alone builds nothing."""
        olds = state.get("__inputs") or old_inputs
        found = {}
        for name in sorted({n for n in (*olds, *news) if not n.startswith("__")}):
            old, new = olds.get(name), news.get(name)
            if old == new or (name == "registry" and old and new and old.get("server") == new.get("server")):
                continue
            found[name] = Change("add" if old is None else "delete" if new is None else "update", replace=False)
        return Difference(found, listed=False)

    @override
    def preview(self, operation: Operation, inputs: Properties, state: Properties | None) -> Properties:
        """What is known before the build; with `buildOnPreview` and known inputs, it is built now, and not pushed."""
        if inputs.get("buildOnPreview") and not has_unknown(inputs):
            run_build(operation, _build(operation, inputs))
        return {**_planned(inputs), "repoDigest": UNKNOWN}

    @override
    def create(self, operation: Operation, inputs: Properties) -> tuple[str, Properties]:
        return inputs["imageName"], self._make(operation, inputs)

    @override
    def update(self, operation: Operation, resource_id: str, state: Properties, inputs: Properties) -> Properties:
        return self._make(operation, inputs)

    @override
    def read(
        self, operation: Operation, resource_id: str, inputs: Properties, state: Properties
    ) -> tuple[str, Properties, Properties] | None:
        """Give back the state: as with the vendor's plugin, a refresh does not look for the image."""
        if not state:
            raise OperationError("an Image cannot be imported: build it, from a warm cache that takes no time")
        outputs = {**state, "__inputs": secret(state["__inputs"])} if "__inputs" in state else state
        return resource_id, inputs, outputs

    @override
    def delete(self, operation: Operation, resource_id: str, state: Properties) -> None:
        """Leave the image in the daemon, as the vendor's plugin does."""

    def _make(self, operation: Operation, inputs: Properties) -> Properties:
        name = inputs["imageName"]
        run_build(operation, _build(operation, inputs))
        found = find_image(operation, name)
        if found is None:
            raise OperationError(
                f"{name!r} was built, yet the daemon at {operation.daemon.endpoint.host} does not have it"
            )
        digest = found["Id"] if inputs.get("skipPush") else _push(operation, name, _login(inputs))
        kept = {key: value for key, value in inputs.items() if not key.startswith("__")}
        return {**_planned(inputs), "repoDigest": digest, "__inputs": secret(kept)}


def build_problems(inputs: Mapping[str, Any]) -> dict[str, str]:
    """Name what cannot be built: a Dockerfile or context that is not there, an unknown builder, an empty name."""
    build, found = inputs["build"], {}
    context, dockerfile = build["context"], build.get("dockerfile", UNKNOWN)
    if inputs["imageName"] == "" or " " in inputs["imageName"]:
        found["imageName"] = f"imageName is {inputs['imageName']!r}, expected a name such as registry/name:tag"
    if build.get("builderVersion", _BUILDERS[0]) not in (*_BUILDERS, UNKNOWN):
        found["build.builderVersion"] = (
            f"builderVersion is {build['builderVersion']!r}, allowed are {', '.join(_BUILDERS)}"
        )
    if has_unknown(context) or has_unknown(dockerfile):
        return found
    if not os.path.isfile(dockerfile):
        inside = os.path.join(context, dockerfile)
        hint = f"; set it to {inside!r}" if os.path.isfile(inside) else ""
        found["build.dockerfile"] = (
            f"no Dockerfile at {dockerfile!r} (paths are relative to {os.getcwd()}, not to the build context){hint}"
        )
    elif not os.path.isdir(context):
        found["build.context"] = f"build context {context!r} is not a folder"
    return found


def host_platform() -> str:
    machine = platform.machine().lower()
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def _build(operation: Operation, inputs: Properties) -> Build:
    build, login = inputs["build"], _login(inputs)
    return Build(
        tag=inputs["imageName"],
        context=build["context"],
        dockerfile=build["dockerfile"],
        platform=build["platform"],
        args=build.get("args", {}),
        target=build.get("target", ""),
        network=build.get("network", ""),
        add_hosts=build.get("addHosts", []),
        cache_from=[image for image in build.get("cacheFrom", {}).get("images", []) if image],
        classic=build.get("builderVersion") == "BuilderV1",
        logins={**operation.daemon.credentials.logins, **dict([login] if login else [])},
    )


def _login(inputs: Properties) -> tuple[str, Login] | None:
    registry = inputs.get("registry") or {}
    if not registry.get("username") or not registry.get("password"):
        return None
    server = registry.get("server") or server_of(inputs["imageName"])
    return host_of(server), Login(registry["username"], registry["password"])


def _planned(inputs: Properties) -> Properties:
    """The outputs that do not depend on the build."""
    build = inputs["build"]
    outputs = {
        "baseImageName": inputs["imageName"],
        "imageName": inputs["imageName"],
        "context": build.get("context"),
        "platform": build.get("platform"),
        "registryServer": (inputs.get("registry") or {}).get("server", ""),
        "dockerfile": UNKNOWN,
    }
    if not has_unknown([build.get("context"), build.get("dockerfile")]):
        outputs["dockerfile"] = os.path.relpath(build["dockerfile"], build["context"])
    return {name: value for name, value in outputs.items() if value is not None}


def _push(operation: Operation, name: str, login: tuple[str, Login] | None) -> str:
    """Push to the registry that the name begins with; returns `name@sha256:...`.

    Raises:
        OperationError: the registry refused or cannot be reached.
    """
    from toolchain.docker_provider.docker_package import APIError

    repository, tag = split_tag(name)
    server = server_of(name)
    auth = login[1].auth_config(login[0]) if login else operation.daemon.credentials.of(name)
    if server == HUB and "/" not in repository:
        operation.log(
            f"{name!r} names no registry: it is pushed to {HUB}/library; set skipPush to keep it local", WARNING
        )
    operation.log(f"pushing {name}")
    try:
        aux = follow(operation, operation.daemon.api.push(repository, tag, stream=True, decode=True, auth_config=auth))
    except (APIError, OperationError) as error:
        reason = getattr(error, "explanation", None) or error
        raise OperationError(
            f"pushing {name!r} to {server}: {reason}; give registry.username and registry.password, run "
            f"`docker login {server}`, or set skipPush to keep the image local"
        ) from error
    if "Digest" in aux:
        return f"{repository}@{aux['Digest']}"
    digests = (find_image(operation, name) or {}).get("RepoDigests") or []
    return str(next((d for d in digests if d.startswith(f"{repository}@")), digests[0] if digests else name))
