"""`ModelArtifact`: a trained model, registered under a name and a version."""

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pulumi
from typing_extensions import NotRequired, TypedDict

from components import arguments, daemon, models, saved_versions, staging
from components.registry import Registry
from components.registry_login import Access, Login, RegistryArgs
from components.reporting import apply_reporting, problems_reported
from components.stored_image import build_image


class ResourceConfigurationArgs(TypedDict):
    """What the service of a model needs, as Azure ML's `ResourceConfiguration`."""

    cpu: NotRequired[float]
    """CPU cores."""
    memory_in_gb: NotRequired[float]
    """Memory in GiB."""
    gpu: NotRequired[int]
    """Number of GPUs."""


class ModelArtifactArgs(TypedDict):
    """What to register, as `Model.register` takes it."""

    model_path: str
    """Path of the model's file or folder."""
    child_paths: NotRequired[list[str]]
    """Files and folders in the model's folder that belong to it. Default: all."""
    model_name: NotRequired[str]
    """Name to register the model under. Default: the name of the file or folder."""
    model_version: NotRequired[str]
    """Version of the model. Default: the first 12 hex digits of the content's sha256: the same content is the same
    model."""
    tags: NotRequired[dict[str, str]]
    """Tags of the model; a reference may ask for them: 'name?stage=prod'."""
    properties: NotRequired[dict[str, str]]
    """Properties of the model."""
    description: NotRequired[str]
    """Description of the model."""
    model_framework: NotRequired[str]
    """Framework of the model, e.g. 'ScikitLearn'."""
    model_framework_version: NotRequired[str]
    """Version of the framework. Default: the one found in the model's file."""
    datasets: NotRequired[dict[str, str]]
    """Data that the model was made with, by its purpose, e.g. {'training': 's3://...'}; recorded, never read."""
    sample_input_dataset: NotRequired[str]
    """Path of a JSON file with a sample of what a caller sends: the example in the service's description."""
    sample_output_dataset: NotRequired[str]
    """Path of a JSON file with a sample of what a caller gets."""
    resource_configuration: NotRequired[ResourceConfigurationArgs]
    """What a service of the model gets when it does not say itself."""
    registry: NotRequired[RegistryArgs]
    """Registry that the model is pushed to, and stays in. Default: none, it is registered in the Docker daemon."""
    keep_locally: NotRequired[bool]
    """Whether the registered model stays in the daemon, whichever stack that registers it is destroyed. Default: false,
    but true for one that another stack on the daemon keeps."""
    platform: NotRequired[str]
    """Platform of the model's image, e.g. 'linux/amd64'. Default: the daemon's."""
    docker_host: NotRequired[str]
    """Address of the Docker daemon to ask, when the provider is given another than the environment names."""


class ModelArtifact(pulumi.ComponentResource):
    """A registered model: an image `models/<name>:<version>` that holds the model's files and nothing else.

    Name, version, tags, properties, description, framework, sha256 and the library versions recorded in the file are
    labels of the image.
    """

    model_name: pulumi.Output[str]
    """Name of the model."""
    model_version: pulumi.Output[str]
    """Version of the model."""
    reference: pulumi.Output[str]
    """What a ScoringImage or ContainerWebservice names this model by; known in a preview."""
    sha256: pulumi.Output[str]
    """Digest of the model's content."""
    image_id: pulumi.Output[str]
    """Id of the model's image in the daemon."""

    def __init__(self, name: str, args: ModelArtifactArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-webservice:index:ModelArtifact", name, {}, opts)
        with problems_reported(name):
            access = Access.from_args(args.get("registry"))
            model = described(args, access.address)
            host = daemon.connect(args.get("docker_host", ""))
            registered = host.image_labels(model.reference)
            models.check_immutable(model, registered)
            # Stacks on one daemon that register the same content share its image: one that keeps it, keeps it for all.
            model = replace(model, kept=args.get("keep_locally", False) or models.KEPT in registered)
            told = models.is_declared_content(model.sha256)
            first = models.declare(model)
            platform = args.get("platform") or host.platform()
            stack = pulumi.get_stack()
            context = models.stage(model, stack, staging.claim(stack, name, *staging.owner(self, opts)), platform)

        note = saved_versions.note_of(model.path, model.libraries)
        if note and not told and pulumi.runtime.is_dry_run():
            pulumi.log.info(note, resource=self)

        async def checked(password: str) -> str:
            await asyncio.to_thread(check_registered, model, access.address, access.login(password))
            return context.path

        async def tidied(image_id: str) -> str:
            if not pulumi.runtime.is_dry_run():
                own = {models.NAME: model.name, models.VERSION: model.version}
                await asyncio.to_thread(host.remove_nameless, own)
            return image_id

        path: pulumi.Input[str] = context.path
        if access.address:
            password = pulumi.Output.from_input(access.password)
            path = pulumi.Output.unsecret(apply_reporting(password, name, checked))
        built = build_image(
            name,
            parent=self,
            host=host,
            image_name=model.reference,
            context=path,
            platform=platform,
            # Services of one program that register the same file share its image: one of them removes it.
            keep_locally=model.kept or not first,
            access=access,
        )
        models.outputs.setdefault(model.reference, built.reference)
        self.model_name = pulumi.Output.from_input(model.name)
        self.model_version = pulumi.Output.from_input(model.version)
        self.sha256 = pulumi.Output.from_input(model.sha256)
        self.reference = built.reference
        self.image_id = apply_reporting(built.image_id, name, tidied)
        self.register_outputs(
            {
                "modelName": self.model_name,
                "modelVersion": self.model_version,
                "reference": self.reference,
                "sha256": self.sha256,
                "imageId": self.image_id,
            }
        )


def check_registered(model: models.Model, address: str, login: Login) -> None:
    """Raise `Problem` when the registry has the model's version with other content."""
    with closing(Registry(address, login)) as registry:
        models.check_immutable(model, registry.image_labels(model.reference))


def described(args: ModelArtifactArgs, registry: str = "") -> models.Model:
    """Return the model that the arguments describe.

    Raises:
        Problem: an argument is unknown, or what it names is missing or not allowed.
    """
    arguments.check(args, ModelArtifactArgs, arguments.MODEL)
    needs = args.get("resource_configuration", {})
    return models.describe(
        Path(args["model_path"]),
        name=args.get("model_name", ""),
        version=args.get("model_version", ""),
        registry=registry,
        tags=args.get("tags"),
        properties=args.get("properties"),
        description=args.get("description", ""),
        framework=args.get("model_framework", ""),
        framework_version=args.get("model_framework_version", ""),
        child_paths=args.get("child_paths", []),
        datasets=args.get("datasets"),
        resources={key: needs[key] for key in ("cpu", "memory_in_gb", "gpu") if needs.get(key) is not None},
        sample_input=args.get("sample_input_dataset", ""),
        sample_output=args.get("sample_output_dataset", ""),
    )
