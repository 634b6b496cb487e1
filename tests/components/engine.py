"""A recording engine and a fake Docker daemon: a program's graph, exactly as the real engine would be asked for it."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import docker.errors
import pulumi
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import mocks, rpc, settings, stack
from pulumi.runtime.proto import engine_pb2, resource_pb2

from components.daemon import Published
from components.dockerfile import PORT
from components.service_network import Network

IMAGE = "docker:index/image:Image"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
NETWORK = "docker:index/network:Network"
PROVIDER = "pulumi:providers:docker"
MODEL_ARTIFACT = "model-webservice:index:ModelArtifact"
SCORING_IMAGE = "model-webservice:index:ScoringImage"
CONTAINER_WEBSERVICE = "model-webservice:index:ContainerWebservice"

ASSIGNED_PORT = 32768
"""The host port that the engine's Docker gives a container that asks for none."""


class Unknown:
    """The value of an output that only an update would know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that goes to the engine marked as a secret."""

    value: Any


def read(value: Any) -> Any:
    """Return what a value of the engine's protocol says, with secrets and unknowns kept visible."""
    if isinstance(value, struct_pb2.Struct):
        value = {key: read(value[key]) for key in value}
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:
            return Secret(value["value"])
        return value
    if isinstance(value, struct_pb2.ListValue):
        return [read(item) for item in value]
    return UNKNOWN if value == rpc.UNKNOWN else value


def write(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return plain values as the engine's protocol has them."""
    struct = struct_pb2.Struct()
    struct.update(values)
    return struct


def name_in(urn: str) -> str:
    """Return a resource's name from its URN, or from the URN and id that name a provider."""
    return urn.split("::")[3] if urn else ""


@dataclass
class Registration:
    """One resource as the engine was asked to register it."""

    type: str
    name: str
    parent: str
    inputs: dict[str, Any]
    provider: str
    """Name of the explicit provider; empty for the default one."""
    dependencies: list[str]
    """Names of the resources it waits for, by `depends_on` or by an input."""
    delete_before_replace: bool | None
    replace_on_changes: list[str]
    outputs: dict[str, Any] | None = None
    """What a component registered at its end; None when it never did."""


class Monitor(mocks.MockMonitor):
    """The engine's side of a program: records registrations and answers as the Docker provider does."""

    def __init__(self, engine: "Engine") -> None:
        self.engine = engine
        self.by_urn: dict[str, Registration] = {}

    def RegisterResource(self, request: Any) -> resource_pb2.RegisterResourceResponse:  # noqa: N802 - the protocol's
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        made = Registration(
            type=request.type,
            name=request.name,
            parent=name_in(request.parent),
            inputs=read(request.object),
            provider=name_in(request.provider),
            dependencies=sorted(name_in(urn) for urn in request.dependencies),
            delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
            replace_on_changes=list(request.replaceOnChanges),
        )
        self.by_urn[urn] = made
        self.engine.resources.append(made)
        identifier, outputs = self.engine.create(made) if request.custom else ("", {})
        answer = struct_pb2.Struct()
        answer.CopyFrom(request.object)
        answer.update(outputs)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identifier, object=answer)

    def RegisterResourceOutputs(self, request: Any) -> empty_pb2.Empty:  # noqa: N802 - the protocol's
        if request.urn in self.by_urn:
            self.by_urn[request.urn].outputs = read(request.outputs)
        else:
            self.engine.exports = read(request.outputs)
        return empty_pb2.Empty()

    def SupportsFeature(self, request: Any) -> Any:  # noqa: N802 - the protocol's
        # Without output values, an unknown secret comes as an unknown; without transforms no callback server starts.
        supported = request.id in ("secrets", "resourceReferences", "deletedWith", "aliasSpecs")
        return resource_pb2.SupportsFeatureResponse(hasSupport=supported)


class Log:
    """The engine's log."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines

    def Log(self, request: Any) -> empty_pb2.Empty:  # noqa: N802 - the protocol's
        if request.severity != engine_pb2.DEBUG:
            self.lines.append(request.message)
        return empty_pb2.Empty()


@dataclass
class FakeContainer:
    """A container of the fake daemon."""

    status: str = "running"
    exit_code: int = 0
    ready: bool = True
    restarts: int = 0
    log: list[str] = field(default_factory=list)
    published: tuple[str, int] | None = None
    """The host's address and port that its server is published on."""
    died: list[int] = field(default_factory=list)
    """The codes that its process ended with."""
    out_of_memory: bool = False
    """Whether it was killed for its limit of memory; forgotten in its state once it runs again, as Docker does."""
    name: str = ""
    asked: int = 0
    """How often its health check was run inside."""


class FakeApi:
    """What the wait asks of Docker's API."""

    def __init__(self, containers: dict[str, FakeContainer]) -> None:
        self.containers = containers
        self.commands: list[list[str]] = []

    def inspect_container(self, container: str) -> dict[str, Any]:
        if container not in self.containers:
            raise docker.errors.NotFound(container)
        seen = self.containers[container]
        state = {"Status": seen.status, "ExitCode": seen.exit_code, "StartedAt": "now", "OOMKilled": False}
        state["OOMKilled"] = seen.out_of_memory and seen.status != "running"
        ports = [{"HostIp": seen.published[0], "HostPort": str(seen.published[1])}] if seen.published else None
        settings = {"Ports": {f"{PORT}/tcp": ports}}
        return {"State": state, "RestartCount": seen.restarts, "NetworkSettings": settings}

    def events(self, filters: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        seen = self.containers[filters["container"]]
        died = [{"Action": "die", "Actor": {"Attributes": {"exitCode": str(code)}}} for code in seen.died]
        return [*([{"Action": "oom", "Actor": {"Attributes": {}}}] if seen.out_of_memory else []), *died]

    def exec_create(self, container: str, command: list[str]) -> dict[str, str]:
        self.commands.append(command)
        return {"Id": container}

    def exec_start(self, exec_id: str) -> bytes:
        self.containers[exec_id].asked += 1
        return self.gateway_status().encode() if self.commands[-1][-1] == "status" else b""

    def gateway_status(self) -> str:
        """Return what a gateway says that serves from every container."""
        servers = [f"4 backend 1 {seen.name} 10.0.0.2 2 0 1 1 10 6 3 2 6 0 0 0" for seen in self.containers.values()]
        return "\n".join(["current", "1", "# be_id ...", *servers])

    def exec_inspect(self, exec_id: str) -> dict[str, int]:
        return {"ExitCode": 0 if self.containers[exec_id].ready else 1}

    def logs(self, container: str, stream: bool = False, follow: bool = False, tail: int = 0) -> Any:
        lines = self.containers[container].log
        if stream:
            return (f"{line}\n".encode() for line in lines)
        return "\n".join(lines[-tail:]).encode()


class FakeClient:
    """Docker's client of the fake daemon."""

    def __init__(self, containers: dict[str, FakeContainer]) -> None:
        self.api = FakeApi(containers)


class FakeDaemon:
    """The Docker daemon as `components.daemon.Daemon` shows it."""

    def __init__(self) -> None:
        self.containers: dict[str, FakeContainer] = {}
        self.client = FakeClient(self.containers)
        self.commands: list[list[str]] = self.client.api.commands
        """What was run inside containers."""
        self.host = "unix:///var/run/docker.sock"
        self.images: dict[str, dict[str, str]] = {}
        """Labels by reference, the newest last."""
        self.environments: dict[str, dict[str, str]] = {}
        """Variables that images set, by id."""
        self.gone: set[str] = set()
        """Images that the provider takes for built, though the daemon has them no more."""
        self.nameless: set[str] = set()
        """Images that are there and lost these names."""
        self.built: list[tuple[str, str]] = []
        """What was built past the provider, as (context, tag)."""
        self.tidied: list[dict[str, str]] = []
        """Labels of the images that were removed where they have no name."""
        self.gpus = False
        self.pulled: list[tuple[str, dict[str, str] | None]] = []
        self.pushed: list[tuple[str, dict[str, str] | None]] = []
        """What was pulled and pushed past the provider, with which login."""
        self.ports: list[Published] = []
        self.asked_for: list[str] = []
        """The hosts that `connect` was called with."""
        self.next_container = FakeContainer
        """Makes the container that is started next."""

    def networks(self) -> list[Network]:
        return [
            Network("bridge"),
            Network("front"),
            Network("host", driver="host"),
            Network("inside", internal=True),
            Network("swarm", driver="overlay", scope="swarm"),
        ]

    @property
    def is_local(self) -> bool:
        return True

    @property
    def place(self) -> str:
        return f"the Docker daemon at {self.host}"

    def platform(self) -> str:
        return "linux/amd64"

    def repository_of(self, repository: str) -> str:
        return repository

    def pull(self, reference: str, auth: Mapping[str, str] | None, platform: str = "") -> None:
        self.pulled.append((reference, dict(auth) if auth else None))
        self.images[reference] = {}

    def push(self, reference: str, auth: Mapping[str, str] | None) -> None:
        self.pushed.append((reference, dict(auth) if auth else None))

    def has_gpu_runtime(self) -> bool:
        return self.gpus

    def image_id(self, reference: str) -> str:
        return id_of(reference) if reference in self.images else ""

    def image_labels(self, reference: str) -> dict[str, str]:
        return dict(self.images.get(reference, {}))

    def image_environment(self, reference: str) -> dict[str, str]:
        return dict(self.environments.get(reference, {}))

    def name_image(self, image_id: str, tag: str) -> bool:
        found = image_id in {id_of(reference) for reference in self.nameless}
        if found:
            self.images[tag] = {}
        return found

    def remove_nameless(self, labels: Mapping[str, str]) -> None:
        self.tidied.append(dict(labels))

    def build(self, context: str, tag: str) -> None:
        self.built.append((context, tag))
        self.images[tag] = {}

    def tags_of(self, repository: str) -> list[str]:
        return [tag for tag in reversed(self.images) if tag.rpartition(":")[0] == repository]

    def labelled(self, label: str) -> list[str]:
        return [reference for reference, labels in reversed(self.images.items()) if label in labels]

    def published(self) -> list[Published]:
        return list(self.ports)

    def port_of(self, container: str, address: str) -> int:
        return next((seen.port for seen in self.ports if (seen.container, seen.address) == (container, address)), 0)


class Run(Protocol):
    """Runs a program to its end and returns the engine with what it recorded."""

    def __call__(self, program: Callable[[], object], *existing: str) -> "Engine": ...


def id_of(text: str) -> str:
    """Return the id that the fake daemon gives an image or container of this name."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def name_of_container(made: Registration) -> str:
    """Return a container's name: the engine gives one to that which asks for none."""
    return str(made.inputs.get("name", f"{made.name}-1a2b3c4"))


class Engine:
    """Runs programs against mocks and records what they register.

    Args:
        daemon: what `up` builds images into and starts containers in.
        preview: whether this is a preview: computed outputs are unknown.
        existing: names of containers that are there already, which a preview knows.
    """

    def __init__(self, daemon: FakeDaemon, *, preview: bool = False, existing: tuple[str, ...] = ()) -> None:
        self.daemon = daemon
        self.preview = preview
        self.existing = existing
        self.resources: list[Registration] = []
        self.exports: dict[str, Any] = {}
        self.log: list[str] = []

    def run(self, program: Callable[[], object]) -> "Engine":
        """Run a program to its end, as the stack `dev` of the project `model-webservice`."""

        def without_result() -> None:
            program()

        async def main() -> None:
            # What fails is raised below; tasks that failed with it are not to be told again when they are collected.
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
            pulumi.runtime.configure(
                settings.Settings(
                    project="model-webservice",
                    stack="dev",
                    monitor=Monitor(self),
                    engine=Log(self.log),
                    dry_run=self.preview,
                )
            )
            await stack.run_in_stack(without_result)

        asyncio.run(main())
        return self

    def create(self, made: Registration) -> tuple[str, dict[str, Any]]:
        """Return the id and the computed outputs of a resource of a provider."""
        if made.type in (VOLUME, NETWORK):
            name = made.inputs.get("name", f"{made.name}-name")
            return name, {"name": name}
        starts = made.type == CONTAINER and made.inputs.get("start", True)
        if starts and (not self.preview or made.name in self.existing):
            return self.start(made)
        if self.preview:
            return "", {"name": name_of_container(made)} if made.type == CONTAINER else {}
        if made.type == IMAGE:
            if made.inputs["imageName"] not in self.daemon.gone:
                self.daemon.images[made.inputs["imageName"]] = {}
            return made.inputs["imageName"], {"repoDigest": id_of(made.inputs["imageName"])}
        if made.type == REMOTE_IMAGE:
            return id_of(made.inputs["name"]), {"imageId": id_of(made.inputs["name"])}
        return f"{made.name}-id", {}

    def start(self, made: Registration) -> tuple[str, dict[str, Any]]:
        """Start a container in the fake daemon."""
        identifier = f"{made.inputs.get('name', made.name)}-id"
        container = self.daemon.containers.setdefault(identifier, self.daemon.next_container())
        container.name = name_of_container(made)
        ports = [{"external": ASSIGNED_PORT, **port} for port in made.inputs.get("ports", [])]
        return identifier, {"ports": ports, "name": container.name}

    @property
    def graph(self) -> list[tuple[str, str, str]]:
        """Type, name and parent of each resource, by name: the order of registrations of siblings is not fixed."""
        return sorted((made.type, made.name, made.parent) for made in self.resources)

    def find(self, type_: str, name: str = "") -> Registration:
        """Return the one resource of a type, and of a name where there are several."""
        (found,) = (made for made in self.resources if made.type == type_ and name in ("", made.name))
        return found
