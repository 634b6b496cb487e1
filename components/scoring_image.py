"""`ScoringImage`: a container image with a server, a script, its dependencies and models."""

import asyncio
from typing import Any

import pulumi
from typing_extensions import NotRequired, TypedDict

from components import daemon, image_config, image_context, models, names
from components.image_config import ImageConfigArgs
from components.reporting import apply_reporting, problems_reported
from components.stored_image import build_image


class ScoringImageArgs(TypedDict):
    """What to build, as `ContainerImage.create` takes it."""

    image_name: NotRequired[str]
    """Name of the image, without a tag. Default: the resource's name."""
    models: NotRequired[pulumi.Input[list[pulumi.Input[str]]]]
    """References of registered models: 'name' (the newest version), 'name:version', or a ModelArtifact's reference."""
    image_config: ImageConfigArgs
    """How the image is made."""
    keep_locally: NotRequired[bool]
    """Whether the image outlives this resource in the daemon. Default: false."""
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
            image_name = names.check_image_name(args.get("image_name") or name)
            config = image_config.check(args["image_config"])
            host = daemon.connect(args.get("docker_host", ""))
            platform = config.platform or host.platform()
        stack = pulumi.get_stack()

        async def stage(references: list[str]) -> dict[str, str]:
            def work() -> image_context.ImageContext:
                found = [models.find(reference, host) for reference in references]
                return image_context.stage(config, found, image_name, stack, name, platform)

            context = await asyncio.to_thread(work)
            for note in context.notes:
                pulumi.log.info(note, resource=self)
            return {"image": f"{image_name}:{context.tag}", "path": context.path}

        references = model_references(name, args.get("models") or [])
        staged = apply_reporting(references, name, stage)
        built = build_image(
            name,
            parent=self,
            host=host,
            image_name=staged["image"],
            context=staged["path"],
            platform=platform,
            keep_locally=args.get("keep_locally", False),
        )
        self.image_name = built.image.image_name
        self.reference = built.reference
        self.image_id = built.image.repo_digest
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
