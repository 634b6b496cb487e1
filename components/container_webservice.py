"""`ContainerWebservice`: a model served over HTTP from a container, in the three styles of deployment."""

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker
from typing_extensions import NotRequired, TypedDict

from components import (
    daemon,
    delivered_files,
    dockerfile,
    limits,
    readiness,
    service_access,
    service_config,
    service_needs,
    service_network,
    telemetry,
)
from components.image_config import ImageConfigArgs
from components.model_artifact import ModelArtifact, ModelArtifactArgs
from components.registry_login import RegistryArgs
from components.reporting import apply_reporting, problems_reported
from components.scoring_image import ScoringImage, ScoringImageArgs
from components.setting_values import check_known
from components.stored_image import pull_missing


class ContainerWebserviceArgs(TypedDict):
    """What to deploy: exactly one of model_paths, models and image; and how to run it."""

    service_name: NotRequired[str]
    """Name of the service: 3 to 32 lower-case letters, digits and dashes, starting with a letter. Default: the
    resource's name."""
    model_paths: NotRequired[list[str]]
    """Style 1, from model files: paths of files or folders, each registered under its own name."""
    models: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Style 2, from registered models: their references."""
    image: NotRequired[pulumi.Input[str]]
    """Style 3, from an image: its reference."""
    image_config: NotRequired[ImageConfigArgs]
    """How the image is made, in styles 1 and 2."""
    cpu_cores: NotRequired[float]
    """CPU cores that the container may use, e.g. 0.5. Default: what its model was registered with, else 0.1. A worker
    for each core, rounded, runs the script; they share the memory of what init() loads. WORKER_COUNT in environment
    sets another number of workers."""
    memory_gb: NotRequired[float]
    """Memory that the container may use, in GiB. Default: what its model was registered with, else 0.5."""
    tags: NotRequired[dict[str, str]]
    """Tags of the service, as labels of the container."""
    properties: NotRequired[dict[str, str]]
    """Properties of the service, as labels of the container."""
    description: NotRequired[str]
    """Description of the service, as a label of the container."""
    environment: NotRequired[pulumi.Input[dict[str, pulumi.Input[str]]]]
    """Environment variables of the container. Docker shows them to whoever may inspect the container."""
    auth_enabled: NotRequired[bool]
    """Whether callers must send a key, as 'Authorization: Bearer <key>'. Default: false."""
    primary_key: NotRequired[pulumi.Input[str]]
    """First key, a secret of 32 or more random characters. Needed with authEnabled."""
    secondary_key: NotRequired[pulumi.Input[str]]
    """Second key, valid beside the first, so that callers can change over from one to the other."""
    ssl_enabled: NotRequired[bool]
    """Whether the service speaks TLS (1.2 or newer), and nothing else. Default: false."""
    ssl_cert_pem_file: NotRequired[str]
    """Path of the certificate, with its chain, in PEM. Needed with sslEnabled."""
    ssl_key_pem_file: NotRequired[str]
    """Path of the certificate's private key, in PEM without a passphrase. Needed with sslEnabled."""
    ssl_cname: NotRequired[str]
    """Host name that the certificate is for; the URIs begin with it. Needed with sslEnabled."""
    dns_name_label: NotRequired[str]
    """Host name of the container, by which others find it on the network of vnetName or, without one, on a network of
    the service's own, which has the service's name."""
    vnet_name: NotRequired[str]
    """Name of an existing Docker network to join. Default: Docker's own, which knows no names."""
    enable_app_insights: NotRequired[bool]
    """Whether the service answers '/metrics', for Prometheus. Nothing is sent anywhere. Default: true."""
    collect_model_data: NotRequired[bool]
    """Whether requests that reach the script are recorded with input and output, in the container's
    '/tmp/requests.jsonl', the newest 12 MiB. The environment's SCORING_REQUEST_LOG_RATE, from 0 to 1, says which share,
    SCORING_REQUEST_LOG_PATH where. Default: false."""
    location: NotRequired[str]
    """Refused: a service runs where its Docker daemon is, see dockerHost."""
    cmk_vault_base_url: NotRequired[str]
    """Refused: what is stored on a Docker host is encrypted by the host."""
    cmk_key_name: NotRequired[str]
    """Refused: what is stored on a Docker host is encrypted by the host."""
    cmk_key_version: NotRequired[str]
    """Refused: what is stored on a Docker host is encrypted by the host."""
    subnet_name: NotRequired[str]
    """Refused: a Docker network has no named subnets, see vnetName."""
    port: NotRequired[int]
    """Host port. Default: 0, Docker chooses a free one."""
    bind_address: NotRequired[str]
    """Host address that the port is published on. Default: '127.0.0.1', this machine only."""
    stop_grace_seconds: NotRequired[int]
    """Seconds that a stopped container has to finish its requests. Default: 30."""
    wait_timeout: NotRequired[int]
    """Seconds that the service may take to become ready. Default: 300."""
    registry: NotRequired[RegistryArgs]
    """Registry that models and images are pushed to and pulled from. Default: none, they stay in the Docker daemon."""
    keep_locally: NotRequired[bool]
    """Whether models and images that this service makes outlive it in the daemon. Default: false."""
    docker_host: NotRequired[str]
    """Address of the Docker daemon to ask, when the provider is given another than the environment names."""


class ContainerWebservice(pulumi.ComponentResource):
    """A web service: a hardened container that answers `/score`, ready when its creation is reported."""

    service_name: pulumi.Output[str]
    """Name of the service."""
    state: pulumi.Output[str]
    """State of the service: 'Healthy', or its creation fails."""
    scoring_uri: pulumi.Output[str]
    """Where to POST data to be scored."""
    swagger_uri: pulumi.Output[str]
    """Where the service describes its interface."""
    address: pulumi.Output[str]
    """Host and port that the service is published on: where the name in the URIs must lead to."""
    image: pulumi.Output[str]
    """Reference of the image that runs."""
    image_id: pulumi.Output[str]
    """Id of the image that runs."""
    container_id: pulumi.Output[str]
    """Id of the container."""

    def __init__(self, name: str, args: ContainerWebserviceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-webservice:index:ContainerWebservice", name, {}, opts)
        with problems_reported(name):
            check_known(args, list(ContainerWebserviceArgs.__annotations__), "argument of ContainerWebservice")
            config = service_config.check(name, args, pulumi.get_stack())
            host = daemon.connect(args.get("docker_host", ""))
            service_config.check_port_free(config, host)
            if config.network.vnet_name:
                service_network.check_joinable(config.network, host.networks())
        access = config.access
        if access.certificate and (warning := access.certificate.warning(datetime.now(timezone.utc))):
            pulumi.log.warn(f"{config.name}: {warning}", self)
        self.image = self._image(name, config, args)
        container = self._container(name, config, args, self.image, host)
        address = service_config.public_address(config.bind_address, host.host)
        timeout = config.wait_timeout

        async def ready(container_id: str) -> str:
            tls = access.certificate is not None
            seen = readiness.DockerContainer(host.client, container_id, local=host.is_local, tls=tls)
            if pulumi.runtime.is_dry_run():
                return await asyncio.to_thread(readiness.state_of, seen)
            return await wait(seen, config.name, timeout, container)

        self.state = apply_reporting(container.id, name, ready)
        port = container.ports.apply(lambda ports: ports[0].external if ports else 0)
        published = pulumi.Output.all(port, self.state).apply(lambda seen: int(seen[0]))
        self.address = pulumi.Output.format("{0}:{1}", address, published)
        base = pulumi.Output.format("{0}://{1}:{2}", access.scheme, access.cname or address, published)
        self.service_name = pulumi.Output.from_input(config.name)
        self.scoring_uri = pulumi.Output.format("{0}/score", base)
        self.swagger_uri = pulumi.Output.format("{0}/swagger.json", base)
        self.image_id = container.image
        self.container_id = container.id
        self.register_outputs(
            {
                "serviceName": self.service_name,
                "state": self.state,
                "scoringUri": self.scoring_uri,
                "swaggerUri": self.swagger_uri,
                "address": self.address,
                "image": self.image,
                "imageId": self.image_id,
                "containerId": self.container_id,
            }
        )

    def _image(
        self, name: str, config: service_config.ServiceConfig, args: ContainerWebserviceArgs
    ) -> "pulumi.Output[str]":
        """Return the reference of the image to run, made by the children that the style asks for."""
        if config.style is service_config.Style.IMAGE:
            return pulumi.Output.from_input(args["image"])
        keep, docker_host = args.get("keep_locally", False), args.get("docker_host", "")
        opts = pulumi.ResourceOptions(parent=self)
        references: pulumi.Input[list[pulumi.Input[str]]] = args.get("models") or []
        if config.style is service_config.Style.MODEL_FILES:
            references = [
                ModelArtifact(
                    f"{name}-{Path(path).name}",
                    ModelArtifactArgs(
                        model_path=path,
                        platform=args["image_config"].get("platform", ""),
                        registry=args.get("registry", RegistryArgs()),
                        keep_locally=keep,
                        docker_host=docker_host,
                    ),
                    opts,
                ).reference
                for path in args["model_paths"]
            ]
        image_args = ScoringImageArgs(
            image_name=config.name,
            models=references,
            image_config=args["image_config"],
            registry=args.get("registry", RegistryArgs()),
            keep_locally=keep,
            docker_host=docker_host,
        )
        return ScoringImage(f"{name}-image", image_args, opts).reference

    def _container(
        self,
        name: str,
        config: service_config.ServiceConfig,
        args: ContainerWebserviceArgs,
        image: "pulumi.Output[str]",
        host: daemon.Daemon,
    ) -> docker.Container:
        """Return the container, with no more rights and resources than it needs."""

        registry = config.registry

        async def pin(seen: list[str]) -> str:
            """The image's id, so that a container is replaced when, and only when, its image is another."""
            reference, password = seen
            if not pulumi.runtime.is_dry_run():
                await asyncio.to_thread(pull_missing, reference, host, registry, password)
            return await asyncio.to_thread(host.image_id, reference) or reference

        async def need(seen: list[str]) -> service_needs.Limits:
            needs = await asyncio.to_thread(service_needs.needs_of, seen[0], host, registry, seen[1])
            return await asyncio.to_thread(service_needs.limits_of, needs, config.cpus, config.memory_mb, host)

        # What comes of it holds nothing of the password that the registry was asked with.
        pinned = pulumi.Output.unsecret(apply_reporting(pulumi.Output.all(image, registry.password), name, pin))
        needed = pulumi.Output.unsecret(
            apply_reporting(pulumi.Output.all(image, registry.password, pinned), name, need)
        )
        files = service_access.files(name, config.access, args)
        delivered = (
            delivered_files.deliver(
                name, files, folder=service_access.FOLDER, image=pinned, opts=pulumi.ResourceOptions(parent=self)
            )
            if files
            else None
        )
        environment = {"SERVICE_NAME": config.name, **telemetry.environment(args)}

        def variables(seen: list[Any]) -> list[str]:
            needs, given = seen
            workers = {"WORKER_COUNT": str(needs.workers)}
            known = {**environment, **workers, **given, **config.access.environment}
            return sorted(f"{key}={value}" for key, value in known.items())

        envs = pulumi.Output.all(needed, args.get("environment") or {}).apply(variables)
        return docker.Container(
            f"{name}-container",
            name=config.name,
            image=pinned,
            envs=envs,
            user=dockerfile.USER,
            init=True,
            read_only=True,
            tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=64m"},  # noqa: S108 - the container's own
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges:true"],
            cpus=needed.apply(lambda limits: limits.cpus),
            memory=needed.apply(lambda limits: limits.memory_mb),
            memory_swap=needed.apply(lambda limits: limits.memory_mb),
            gpus=needed.apply(lambda limits: limits.gpus),
            log_driver="json-file",
            log_opts={"max-file": "3", "max-size": "10m"},
            restart="unless-stopped",
            stop_timeout=config.stop_grace_seconds,
            destroy_grace_seconds=config.stop_grace_seconds,
            must_run=True,
            ports=[
                docker.ContainerPortArgs(internal=dockerfile.PORT, external=config.port or None, ip=config.bind_address)
            ],
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=readiness.HEALTH_CHECK_BESIDE_TLS if config.access.certificate else readiness.HEALTH_CHECK,
                interval="10s",
                timeout="5s",
                retries=3,
                start_period=limits.duration(config.wait_timeout),
            ),
            labels=[docker.ContainerLabelArgs(label=key, value=value) for key, value in sorted(config.labels.items())],
            volumes=[delivered.mount] if delivered else None,
            hostname=config.network.dns_name_label or None,
            networks_advanced=self._networks(name, config),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[delivered.delivery] if delivered else [],
                replace_on_changes=["healthcheck"],
            ),
        )

    def _networks(
        self, name: str, config: service_config.ServiceConfig
    ) -> list[docker.ContainerNetworksAdvancedArgs] | None:
        """Return the networks that the container joins, if other than Docker's own, with its names there."""
        asked = config.network
        joined: pulumi.Input[str] = asked.vnet_name
        if asked.own:
            opts = pulumi.ResourceOptions(parent=self)
            joined = docker.Network(f"{name}-network", name=config.name, opts=opts).name
        elif not asked.vnet_name:
            return None
        aliases = [asked.dns_name_label] if asked.dns_name_label else None
        return [docker.ContainerNetworksAdvancedArgs(name=joined, aliases=aliases)]


async def wait(seen: readiness.DockerContainer, service: str, timeout: float, resource: pulumi.Resource) -> str:
    """Wait in a thread until the container is ready; what it says goes to Pulumi's display from the event loop."""
    loop = asyncio.get_running_loop()

    def say(line: str) -> None:
        loop.call_soon_threadsafe(pulumi.log.info, line, resource)

    def say_state(line: str) -> None:
        loop.call_soon_threadsafe(pulumi.log.info, line, resource, None, True)

    return await asyncio.to_thread(
        readiness.wait_until_ready, seen, service=service, timeout=timeout, say=say, say_state=say_state
    )
