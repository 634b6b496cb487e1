"""`ScoringImage`: a container image with a server, a script, its dependencies and models."""

import asyncio
from contextlib import ExitStack, closing
from typing import Any

import pulumi
from typing_extensions import NotRequired, TypedDict

from components import (
    arguments,
    base_python,
    daemon,
    image_config,
    image_context,
    models,
    names,
    service_needs,
    staging,
)
from components.image_config import ImageConfigArgs
from components.registry import Registry
from components.registry_login import Access, RegistryArgs
from components.reporting import apply_reporting, problems_reported
from components.stored_image import build_image, pull_missing


class ScoringImageArgs(TypedDict):
    """What to build, as `ContainerImage.create` takes it."""

    image_name: NotRequired[str]
    """Name of the image, without a tag. Default: the resource's name."""
    models: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """References of registered models: 'name' (the newest version), 'name:version', 'name?tag=value', '?tag=value', or
    a ModelArtifact's reference."""
    image_config: ImageConfigArgs
    """How the image is made."""
    registry: NotRequired[RegistryArgs]
    """Registry that models are looked for in, and that the image is pushed to and stays in. Default: none, models are
    those of the Docker daemon, and the image stays there."""
    keep_locally: NotRequired[bool]
    """Whether the image outlives this resource in the daemon. Default: false."""
    zero_downtime: NotRequired[bool]
    """Whether services with zeroDowntime run from this image: then an old image is removed at the end of an update.
    Default: false."""
    docker_host: NotRequired[str]
    """Address of the Docker daemon to ask, when the provider is given another than the environment names."""


class ScoringImage(pulumi.ComponentResource):
    """An image that serves models: a base image with Python, locked dependencies, the server, the models, the script.

    Its tag is made from its content, so that the same inputs are the same image and nothing is replaced without need.
    """

    image_name: pulumi.Output[str]
    """Name of the image, with its tag."""
    reference: pulumi.Output[str]
    """What a ContainerWebservice names this image by; known in a preview."""
    image_id: pulumi.Output[str]
    """Id of the image in the daemon."""

    def __init__(self, name: str, args: ScoringImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-webservice:index:ScoringImage", name, {}, opts)
        with problems_reported(name):
            arguments.check(args, ScoringImageArgs, arguments.IMAGE)
            access = Access.from_args(args.get("registry"))
            image_name = names.check_image_name(access.qualified(args.get("image_name") or name))
            config = image_config.check(args["image_config"])
            host = daemon.connect(args.get("docker_host", ""))
            platform = config.platform or host.platform()
        stack = pulumi.get_stack()
        place = staging.claim(stack, name, *staging.owner(self, opts))

        async def stage(seen: list[Any]) -> dict[str, str]:
            references, password, base_password = seen

            def work() -> image_context.ImageContext:
                found = [find(reference, host, access, password) for reference in references]
                base = config.base_image
                if config.base_access.username and not pulumi.runtime.is_dry_run():
                    pull_missing(base, host, config.base_access, base_password, platform)
                base_python.check(base, config.python_version, host, config.base_access.login_for(base, base_password))
                context = image_context.stage(config, found, image_name, stack, place, platform)
                service_needs.declared[f"{image_name}:{context.tag}"] = service_needs.of_image(config.enable_gpu, found)
                if not pulumi.runtime.is_dry_run():
                    fetch(found, host, access, password, platform)
                return context

            context = await asyncio.to_thread(work)
            for note in context.notes:
                pulumi.log.info(note, resource=self)
            for warning in context.warnings:
                pulumi.log.warn(warning, resource=self)
            return {"image": f"{image_name}:{context.tag}", "path": context.path}

        inputs: pulumi.Output[Any] = pulumi.Output.all(
            model_references(name, args.get("models") or []), access.password, config.base_access.password
        )
        # Neither name nor path hold anything of the passwords that they were made with.
        staged = pulumi.Output.unsecret(apply_reporting(inputs, name, stage))
        built = build_image(
            name,
            parent=self,
            host=host,
            image_name=staged["image"],
            context=staged["path"],
            platform=platform,
            keep_locally=args.get("keep_locally", False),
            access=access,
            outlived=args.get("zero_downtime", False),
        )
        self.image_name = built.image.image_name
        self.reference = built.reference
        self.image_id = built.image_id
        self.register_outputs({"imageName": self.image_name, "reference": self.reference, "imageId": self.image_id})


def model_references(name: str, given: pulumi.Input[list[pulumi.Input[str]]]) -> "pulumi.Output[list[str]]":
    """Return references of models; those that this program registers come, and depend on it, once they are there.

    A model is found by a plain name too, as Azure ML's `Model(ws, 'mnist')` finds it.
    """

    def resolve(references: list[str]) -> Any:
        with problems_reported(name):
            known = [models.find_declared(reference) for reference in references]
        if not references:
            return references
        # An Output in an apply brings its resources along.
        return pulumi.Output.all(
            *(
                models.outputs.get(model.reference, model.reference) if model else reference
                for reference, model in zip(references, known, strict=True)
            )
        )

    references: pulumi.Output[Any] = pulumi.Output.from_input(given)
    resolved: pulumi.Output[list[str]] = references.apply(resolve)
    return resolved


def find(reference: str, host: daemon.Daemon, access: Access, password: str) -> models.KnownModel:
    """Return the model that `reference` names: this program's, else its registry's, else the daemon's.

    Raises:
        Problem: there is none, or the registry cannot be asked.
    """
    known = models.find_declared(reference)
    if known:
        return known
    named = names.registry_of(reference.partition("?")[0])
    with ExitStack() as stack:
        places: list[models.Images] = [host]
        if named or access.address:
            own = not named or named == access.host
            seen = Registry(access.address if own else named, access.login(password) if own else None)
            places.insert(0, stack.enter_context(closing(seen)))
        return models.find(reference, *places)


def fetch(found: list[models.KnownModel], host: daemon.Daemon, access: Access, password: str, platform: str) -> None:
    """Pull models that are not in the daemon as they are in their registry, so that the build finds them there.

    Raises:
        Problem: one cannot be pulled.
    """
    for model in found:
        if model.reference in models.declared or not names.registry_of(model.reference):
            continue
        if host.image_labels(model.reference).get(models.SHA256) != model.sha256:
            host.pull(model.reference, access.login_for(model.reference, password).auth_config(), platform)
