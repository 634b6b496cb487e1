"""`ContainerWebservice`: a model served over HTTP from a container, in the three styles of deployment."""

from datetime import datetime, timezone
from pathlib import Path

import pulumi
from typing_extensions import NotRequired, TypedDict

from components import daemon, service_config, service_network, serving
from components.image_config import ImageConfigArgs
from components.model_artifact import ModelArtifact, ModelArtifactArgs
from components.registry_login import RegistryArgs
from components.reporting import problems_reported
from components.scoring_image import ScoringImage, ScoringImageArgs
from components.service_gateway import VersionArgs
from components.setting_values import check_known


class ContainerWebserviceArgs(TypedDict):
    """What to deploy: exactly one of model_paths, models, image and versions; and how to run it."""

    service_name: NotRequired[str]
    """Name of the service: 3 to 32 lower-case letters, digits and dashes, starting with a letter. Default: the
    resource's name."""
    model_paths: NotRequired[list[str]]
    """Style 1, from model files: paths of files or folders, each registered under its own name."""
    models: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """Style 2, from registered models: their references."""
    image: NotRequired[pulumi.Input[str]]
    """Style 3, from an image: its reference."""
    versions: NotRequired[list[VersionArgs]]
    """From images, several at a time, which share the requests out. Needs zeroDowntime."""
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
    zero_downtime: NotRequired[bool]
    """Whether a gateway stands in front, so that an update starts the new container, waits until it is ready, gives it
    the requests and lets the old one finish its own. Default: false."""
    replicas: NotRequired[int]
    """Containers that share the requests, of each version. Needs zeroDowntime. Default: 1."""
    replica_max_concurrent_requests: NotRequired[int]
    """Requests that one container gets at a time; others wait at the gateway. Needs zeroDowntime. Default: 0, any
    number."""
    max_request_wait_time: NotRequired[int]
    """Milliseconds that a request waits at the gateway before it is answered 503. Needs zeroDowntime. Default: 500."""
    scoring_timeout_ms: NotRequired[int]
    """Milliseconds that scoring one request may take. Default: 0, the server's own limit of an hour."""
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
    keep_models: NotRequired[bool]
    """Whether models that this service registers outlive it in the daemon, the image not. Default: keepLocally."""
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
    models: pulumi.Output[dict[str, str]]
    """The sha256 of each model in the image that runs, by 'name:version'. The container compares its files with it
    before it loads them."""
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
        served = (
            serving.behind_gateway(name, config, config.gateway, args, self.image, host, self)
            if config.gateway
            else serving.alone(name, config, args, self.image, host, self)
        )
        self.state, self.image_id, self.container_id = served.state, served.image_id, served.container_id
        self.models = serving.served_models(name, self.image_id, host)
        address = service_config.public_address(config.bind_address, host.host)
        published = pulumi.Output.all(served.port, self.state).apply(lambda seen: int(seen[0]))
        self.address = pulumi.Output.format("{0}:{1}", address, published)
        base = pulumi.Output.format("{0}://{1}:{2}", access.scheme, access.cname or address, published)
        self.service_name = pulumi.Output.from_input(config.name)
        self.scoring_uri = pulumi.Output.format("{0}/score", base)
        self.swagger_uri = pulumi.Output.format("{0}/swagger.json", base)
        self.register_outputs(
            {
                "serviceName": self.service_name,
                "state": self.state,
                "scoringUri": self.scoring_uri,
                "swaggerUri": self.swagger_uri,
                "address": self.address,
                "image": self.image,
                "imageId": self.image_id,
                "models": self.models,
                "containerId": self.container_id,
            }
        )

    def _image(
        self, name: str, config: service_config.ServiceConfig, args: ContainerWebserviceArgs
    ) -> "pulumi.Output[str]":
        """Return the reference of the image to run, made by the children that the style asks for."""
        if config.style is service_config.Style.IMAGE:
            return pulumi.Output.from_input(args["image"])
        if config.style is service_config.Style.VERSIONS and config.gateway:
            first = config.gateway.versions[0].name
            return pulumi.Output.from_input(next(v["image"] for v in args["versions"] if v["name"] == first))
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
                        keep_locally=args.get("keep_models", keep),
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
            zero_downtime=config.gateway is not None,
            docker_host=docker_host,
        )
        return ScoringImage(f"{name}-image", image_args, opts).reference
