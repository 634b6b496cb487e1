"""The project's settings: read in one place, from the configuration that `Pulumi.yaml` declares, checked before use."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components import access_settings, gateway_settings, hosting_settings, names, refusals, registry_settings
from components.access_settings import AccessSettings
from components.gateway_settings import GatewaySettings
from components.hosting_settings import HostingSettings
from components.problems import Problem
from components.registry_settings import RegistrySettings
from components.setting_values import check_known, kind_of, to_number, to_texts, to_whole_number

RESOURCES: Mapping[str, Callable[[str, Any], float]] = {
    "cpu": to_number,
    "memoryInGb": to_number,
    "gpu": to_whole_number,
}
"""What a model's service may need, in `resourceConfiguration`, and what reads each."""

STYLES = ("modelFile", "registeredModel", "image")
SERVICE_KEYS = (
    "name",
    "style",
    "executionScript",
    "port",
    "cpuCores",
    "memoryGb",
    "tags",
    "description",
    "environment",
    "properties",
    *access_settings.OF_SERVICE,
    *hosting_settings.OF_SERVICE,
    *gateway_settings.OF_SERVICE,
)


@dataclass(frozen=True)
class ServiceSettings:
    """One service of the stack; what it does not say is the stack's."""

    name: str
    style: str
    execution_script: str
    port: int
    cpu_cores: float | None
    memory_gb: float | None
    """None for what the model was registered with."""
    tags: Mapping[str, str]
    description: str
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_is_secret: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    hosting: HostingSettings = field(default_factory=HostingSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)


@dataclass(frozen=True)
class Settings:
    """All settings of a stack."""

    services: Sequence[ServiceSettings]
    model_path: str
    model_paths: Sequence[str]
    """Of the style modelFile, in place of `model_path`; empty for that."""
    model_name: str
    model_version: str
    model_reference: str
    model_tags: Mapping[str, str]
    model_description: str
    model_framework: str
    model_framework_version: str
    model_properties: Mapping[str, str]
    model_child_paths: Sequence[str]
    datasets: Mapping[str, str]
    resources: Mapping[str, float]
    """What a service of the model needs, as far as it is given: cpu, memory_in_gb, gpu."""
    sample_input: str
    sample_output: str
    keep_models: bool
    image_name: str
    execution_script: str
    runtime: str
    conda_file: str
    dependencies: Sequence[str]
    image_tags: Mapping[str, str]
    image_description: str
    image_reference: str
    image_properties: Mapping[str, str]
    docker_file: str
    schema_file: str
    enable_gpu: bool
    train_serve_check: str
    base_image: str
    python_version: str
    base_image_registry: RegistrySettings
    registry: RegistrySettings
    bind_address: str
    wait_timeout: int
    stop_grace_seconds: int
    docker_host: str

    @classmethod
    def from_config(
        cls, config: Mapping[str, str], declared: Sequence[str], project: str, secret: Collection[str] = ()
    ) -> "Settings":
        """Return the settings in `config`, the engine's mapping of `project:key` to text, JSON where not a string.

        Args:
            config: every key of the stack, those of other namespaces too, of which only `docker:host` counts.
            declared: the keys that `Pulumi.yaml` declares.
            project: the namespace of the project's own keys.
            secret: those of the keys that were set as secrets.

        Raises:
            Problem: a key that is not declared, a value that is not of its kind, or a secret that would not stay one.
        """
        own = {key.partition(":")[2]: value for key, value in config.items() if key.partition(":")[0] == project}
        refusals.check(own)
        check_known(own, declared, "configuration key")
        secrets = {key.partition(":")[2] for key in secret if key.partition(":")[0] == project}
        secrets |= {hosting_settings.PROVIDERS_HOST} & set(secret)
        check_secrets(secrets)
        read = Reader(own, secrets)
        services = read.services()
        access_settings.check_stack(own, secrets, {service.name: service.access for service in services})
        return cls(
            services=services,
            model_path=read.text("modelPath"),
            model_paths=read.paths("modelPaths"),
            model_name=read.text("modelName"),
            model_version=read.text("modelVersion"),
            model_reference=read.text("modelReference"),
            model_tags=read.mapping("modelTags"),
            model_description=read.text("modelDescription"),
            model_framework=read.text("modelFramework"),
            model_framework_version=read.text("modelFrameworkVersion"),
            model_properties=read.mapping("modelProperties"),
            model_child_paths=read.paths("modelChildPaths"),
            datasets=read.mapping("datasets"),
            resources=read.resources("resourceConfiguration"),
            sample_input=read.text("sampleInputDataset"),
            sample_output=read.text("sampleOutputDataset"),
            keep_models=bool(read.value("keepModels", bool, "true or false")),
            image_name=read.text("imageName"),
            execution_script=read.text("executionScript"),
            runtime=read.text("runtime"),
            conda_file=read.text("condaFile"),
            dependencies=read.paths("dependencies"),
            image_tags=read.mapping("imageTags"),
            image_description=read.text("imageDescription"),
            image_reference=read.text("imageReference"),
            image_properties=read.mapping("imageProperties"),
            docker_file=read.text("dockerFile"),
            schema_file=read.text("schemaFile"),
            enable_gpu=bool(read.value("enableGpu", bool, "true or false")),
            train_serve_check=read.text("trainServeCheck"),
            base_image=read.text("baseImage"),
            python_version=read.text("pythonVersion"),
            base_image_registry=RegistrySettings.read("baseImage", own, secrets),
            registry=RegistrySettings.read("registry", own, secrets),
            bind_address=read.text("bindAddress"),
            wait_timeout=to_whole_number("waitTimeout", own.get("waitTimeout")),
            stop_grace_seconds=to_whole_number("stopGraceSeconds", own.get("stopGraceSeconds")),
            docker_host=hosting_settings.docker_host(
                read.text(hosting_settings.HOST), config.get(hosting_settings.PROVIDERS_HOST, "")
            ),
        )


class Reader:
    """Reads values of a kind from the project's own keys."""

    def __init__(self, own: Mapping[str, str], secrets: Collection[str] = ()) -> None:
        self.own = own
        self.secrets = secrets

    def text(self, key: str) -> str:
        """Return the text of `key`; empty when it is not set."""
        return self.own.get(key, "")

    def value(self, key: str, kind: type, allowed: str) -> Any:
        """Return the JSON value of `key`, which must be of `kind`."""
        try:
            value = json.loads(self.own.get(key, "null"))
        except ValueError:
            value = None
        if not isinstance(value, kind):
            given = "a secret of another kind" if key in self.secrets else repr(self.own.get(key))
            raise Problem(f"{key} is {given}: give {allowed}.")
        return value

    def limit(self, key: str, entry: Mapping[str, Any], where: str) -> float | None:
        """Return the number of `key` of a service's entry, or else of the stack; None where that is empty."""
        if key in entry:
            return to_number(f"{where}.{key}", entry[key])
        return None if self.own.get(key) == "" else to_number(key, self.own.get(key))

    def mapping(self, key: str) -> dict[str, str]:
        """Return the mapping of names to texts of `key`."""
        return to_texts(key, self.value(key, dict, "a mapping of names to texts"))

    def paths(self, key: str) -> list[str]:
        """Return the list of paths of `key`."""
        return [str(path) for path in self.value(key, list, "a list of paths")]

    def resources(self, key: str) -> dict[str, float]:
        """Return the mapping of `RESOURCES` to numbers of `key`, by their names in Python."""
        given = self.value(key, dict, f"a mapping of {', '.join(RESOURCES)} to numbers")
        check_known(given, list(RESOURCES), f"key in {key}")
        return {
            "memory_in_gb" if name == "memoryInGb" else name: RESOURCES[name](f"{key}.{name}", value)
            for name, value in given.items()
        }

    def services(self) -> list[ServiceSettings]:
        """Return the services of the stack, each completed by the stack's own settings."""
        given = self.value("services", list, "a list of services, each with name and style")
        services = [self.service(index, entry) for index, entry in enumerate(given)]
        seen: set[str] = set()
        for service in services:
            if service.name in seen:
                raise Problem(f"two services are named {service.name!r}: rename one.")
            seen.add(service.name)
        check_ports(services)
        return services

    def service(self, index: int, entry: Any) -> ServiceSettings:
        """Return the service that an entry of `services` describes."""
        where = f"services[{index}]"
        if not isinstance(entry, dict):
            raise Problem(f"{where} is {kind_of(entry)}: give a mapping with name and style.")
        refusals.check(entry)
        check_known(entry, SERVICE_KEYS, f"key in {where}")
        style = entry.get("style")
        if style not in STYLES:
            raise Problem(f"{where}.style is {style!r}: give one of {', '.join(STYLES)}.")
        if style == "image" and "executionScript" in entry:
            raise Problem(
                f"{where}.executionScript is given with the style image, whose script is the image's: drop it, or set "
                "the stack's executionScript."
            )
        name = names.check_service_name(str(entry.get("name", "")))
        return ServiceSettings(
            name=name,
            style=str(style),
            execution_script=str(entry.get("executionScript", self.text("executionScript"))),
            port=to_whole_number(f"{where}.port", entry.get("port", 0)),
            cpu_cores=self.limit("cpuCores", entry, where),
            memory_gb=self.limit("memoryGb", entry, where),
            tags=to_texts(f"{where}.tags", entry["tags"]) if "tags" in entry else self.mapping("tags"),
            description=str(entry.get("description", self.text("description"))),
            environment=to_texts(f"{where}.environment", entry.get("environment", {})),
            environment_is_secret="services" in self.secrets,
            properties=to_texts(f"{where}.properties", entry["properties"])
            if "properties" in entry
            else self.mapping("properties"),
            hosting=HostingSettings.read(name, entry, self.own),
            access=AccessSettings.read(name, entry, self.own),
            gateway=GatewaySettings.read(name, str(style), entry, self.own),
        )


def check_ports(services: Sequence[ServiceSettings]) -> None:
    """Raise `Problem` when two services want one host port: all of a stack are published on its `bindAddress`."""
    holders: dict[int, str] = {}
    for service in services:
        other = holders.setdefault(service.port, service.name)
        if service.port and other != service.name:
            raise Problem(
                f"the services {other!r} and {service.name!r} have the same port, {service.port}: give one of them "
                "another, or 0 to let Docker choose."
            )


def check_secrets(secrets: Collection[str]) -> None:
    """Raise `Problem` when a key is set as a secret whose value is written where others read it."""
    for key in sorted(set(secrets) - {"services", *access_settings.SECRET_KEYS, *registry_settings.SECRET_KEYS}):
        raise Problem(
            f"{key} is set as a secret, but becomes a label, a name or a path, which are not secret. Set it without "
            "--secret; secrets of a service go into its environment, for instance with pulumi config set --secret "
            "--path 'services[0].environment.TOKEN'."
        )
