"""From settings to components: the chosen services, the model and the image that they share."""

from typing import Any, cast

import pulumi
import pulumi_docker as docker

from components.container_webservice import ContainerWebservice, ContainerWebserviceArgs
from components.gateway_settings import VersionSettings
from components.image_config import ImageConfigArgs
from components.model_artifact import ModelArtifact, ModelArtifactArgs, ResourceConfigurationArgs
from components.registry_login import RegistryArgs
from components.registry_settings import RegistrySettings
from components.scoring_image import ScoringImage, ScoringImageArgs
from components.service_gateway import VersionArgs
from components.settings import ServiceSettings, Settings


class Deployment:
    """The resources of a stack; the shared ones are made when a service first asks for them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.opts: pulumi.ResourceOptions | None = None
        if settings.docker_host:
            provider = docker.Provider("docker-host", host=settings.docker_host)
            self.opts = pulumi.ResourceOptions(provider=provider)
        self._model: pulumi.Input[str] | None = None
        self._image: pulumi.Input[str] | None = None
        self.zero_downtime = any(service.gateway.zero_downtime for service in settings.services)

    def deploy(self) -> dict[str, dict[str, pulumi.Input[Any]]]:
        """Create all services and return what is known of each, by name."""
        return {service.name: self.described(service) for service in self.settings.services}

    def keys(self) -> dict[str, dict[str, str]]:
        """Return the keys of each service that asks for one, by name; they are secrets."""
        return {
            service.name: dict(service.access.keys) for service in self.settings.services if service.access.auth_enabled
        }

    def model(self) -> "pulumi.Input[str]":
        """Return the reference of the registered model, registering it unless it is registered elsewhere."""
        if self._model is None:
            settings = self.settings
            self._model = (
                settings.model_reference
                or ModelArtifact(
                    settings.model_name,
                    ModelArtifactArgs(
                        model_path=settings.model_path,
                        model_name=settings.model_name,
                        model_version=settings.model_version,
                        tags=dict(settings.model_tags),
                        description=settings.model_description,
                        model_framework=settings.model_framework,
                        model_framework_version=settings.model_framework_version,
                        properties=dict(settings.model_properties),
                        child_paths=list(settings.model_child_paths),
                        datasets=dict(settings.datasets),
                        resource_configuration=cast(ResourceConfigurationArgs, dict(settings.resources)),
                        sample_input_dataset=settings.sample_input,
                        sample_output_dataset=settings.sample_output,
                        registry=registry_args(settings.registry),
                        keep_locally=settings.keep_models,
                        docker_host=settings.docker_host,
                    ),
                    self.opts,
                ).reference
            )
        return self._model

    def image(self) -> "pulumi.Input[str]":
        """Return the reference of the image that the services of style `image` share."""
        if self._image is None and self.settings.image_reference:
            self._image = self.settings.image_reference
        if self._image is None:
            settings = self.settings
            self._image = self.made_image(settings.image_name, settings.execution_script, self.zero_downtime)
        return self._image

    def made_image(self, name: str, execution_script: str, zero_downtime: bool) -> "pulumi.Output[str]":
        """Make an image of the stack's model around a script and return its reference."""
        args = ScoringImageArgs(
            image_name=name,
            models=[self.model()],
            image_config=self.image_config(execution_script),
            registry=registry_args(self.settings.registry),
            zero_downtime=zero_downtime,
            docker_host=self.settings.docker_host,
        )
        return ScoringImage(name, args, self.opts).reference

    def version(self, service: str, version: VersionSettings) -> VersionArgs:
        """Return a version of a service, making its image from the stack's model unless it has one."""
        reference: pulumi.Input[str] = version.image
        if version.execution_script:
            name = f"{service}-{version.name}"
            reference = self.made_image(name, version.execution_script, zero_downtime=True)
        made = VersionArgs(name=version.name, image=reference, is_default=version.is_default)
        if version.traffic_percentile is not None:
            made["traffic_percentile"] = version.traffic_percentile
        return made

    def image_config(self, execution_script: str) -> ImageConfigArgs:
        """Return how images are made around a script."""
        settings = self.settings
        return ImageConfigArgs(
            execution_script=execution_script,
            runtime=settings.runtime,
            conda_file=settings.conda_file,
            dependencies=list(settings.dependencies),
            description=settings.image_description,
            tags=dict(settings.image_tags),
            properties=dict(settings.image_properties),
            docker_file=settings.docker_file,
            schema_file=settings.schema_file,
            enable_gpu=settings.enable_gpu,
            train_serve_check=settings.train_serve_check,
            base_image=settings.base_image,
            python_version=settings.python_version,
            base_image_registry=registry_args(settings.base_image_registry),
        )

    def described(self, service: ServiceSettings) -> "dict[str, pulumi.Input[Any]]":
        """Create one service and return what is known of it."""
        access, hosting = service.access, service.hosting
        args = ContainerWebserviceArgs(
            tags=dict(service.tags),
            description=service.description,
            environment=environment_of(service),
            properties=dict(service.properties),
            dns_name_label=hosting.dns_name_label,
            vnet_name=hosting.vnet_name,
            enable_app_insights=hosting.enable_app_insights,
            collect_model_data=hosting.collect_model_data,
            auth_enabled=access.auth_enabled,
            ssl_enabled=access.ssl_enabled,
            ssl_cert_pem_file=access.ssl_cert_pem_file,
            ssl_key_pem_file=access.ssl_key_pem_file,
            ssl_cname=access.ssl_cname,
            port=service.port,
            bind_address=self.settings.bind_address,
            stop_grace_seconds=self.settings.stop_grace_seconds,
            wait_timeout=self.settings.wait_timeout,
            registry=registry_args(self.settings.registry),
            docker_host=self.settings.docker_host,
        )
        if service.cpu_cores is not None:
            args["cpu_cores"] = service.cpu_cores
        if service.memory_gb is not None:
            args["memory_gb"] = service.memory_gb
        if primary := access.keys.get("primary"):
            args["primary_key"] = pulumi.Output.secret(primary)
        if secondary := access.keys.get("secondary"):
            args["secondary_key"] = pulumi.Output.secret(secondary)
        args |= cast(ContainerWebserviceArgs, service.gateway.arguments)
        if service.gateway.versions:
            args["versions"] = [self.version(service.name, version) for version in service.gateway.versions]
        elif service.style == "image":
            args["image"] = self.image()
        else:
            args["image_config"] = self.image_config(service.execution_script)
        if service.style == "modelFile":
            args["model_paths"] = list(self.settings.model_paths or [self.settings.model_path])
            args["keep_models"] = self.settings.keep_models
        elif service.style == "registeredModel":
            args["models"] = [self.model()]
        made = ContainerWebservice(service.name, args, self.opts)
        return {
            "style": service.style,
            "image": made.image,
            "imageId": made.image_id,
            "models": made.models,
            "state": made.state,
            "scoringUri": made.scoring_uri,
            "swaggerUri": made.swagger_uri,
            "address": made.address,
            "authEnabled": access.auth_enabled,
            "sslCertPemFile": access.ssl_cert_pem_file,
        }


def registry_args(settings: RegistrySettings) -> RegistryArgs:
    """Return a registry as the components take it, its password a secret."""
    args = RegistryArgs(address=settings.address, username=settings.username)
    if settings.password:
        args["password"] = pulumi.Output.secret(settings.password)
    return args


def environment_of(service: ServiceSettings) -> "pulumi.Input[dict[str, pulumi.Input[str]]]":
    """Return a service's environment, a secret when it was set as one."""
    environment: dict[str, pulumi.Input[str]] = dict(service.environment)
    return pulumi.Output.secret(environment) if service.environment_is_secret else environment
