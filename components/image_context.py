"""The build context of a scoring image: its layers, locked and laid on disk."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components import (
    dockerfile,
    installation,
    layers,
    lock,
    models,
    saved_versions,
    service_needs,
    staging,
)
from components.image_config import ImageConfig
from components.problems import Problem

SERVER_FOLDER = Path(__file__).resolve().parent.parent / "scoring" / "server"
DEPENDENCIES_LAYER, SERVER_LAYER, SCRIPT_LAYER = "dependencies.tar", "server.tar", "script.tar"


@dataclass(frozen=True)
class ImageContext:
    """A scoring image's context that lies ready, and what its maker should be told."""

    path: str
    tag: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def server_packages() -> list[Path]:
    """Return the folders of the server's import packages."""
    folders = (path for path in SERVER_FOLDER.iterdir() if path.is_dir() and path.name.isidentifier())
    return sorted(folder for folder in folders if any(folder.rglob("*.py")))


def server_requirements() -> list[str]:
    """Return what the server itself needs, as requirement specifiers."""
    lines = (SERVER_FOLDER / "requirements.txt").read_text().splitlines()
    return [line for line in (raw.partition("#")[0].strip() for raw in lines) if line]


def stage(
    config: ImageConfig,
    found: Sequence[models.KnownModel],
    image_name: str,
    stack: str,
    component: str,
    platform: str,
    environ: Mapping[str, str] = os.environ,
) -> ImageContext:
    """Lock and install the dependencies, lay all layers, and return the context.

    Raises:
        Problem: the dependencies cannot be locked or installed, or a model was pickled with other versions of them.
    """
    folder = staging.context_folder(stack, component)
    notes = list(config.needs.notes)
    locked = lock.lock(
        config.needs,
        server_requirements(),
        lock_file=config.lock_file,
        python_version=config.python_version,
        platform=platform,
        environ=environ,
    )
    warnings = []
    for model in found:
        try:
            saved_versions.check(model.libraries, locked, model.name, python_version=config.python_version)
        except Problem as problem:
            if config.mismatch_is_error:
                raise
            warnings.append(str(problem))
    digests = [
        installation.build_dependencies_layer(
            locked,
            target=folder / DEPENDENCIES_LAYER,
            python_version=config.python_version,
            platform=platform,
            environ=environ,
            report=notes.append,
        ),
        layers.write_layer(
            folder / SERVER_LAYER,
            {
                **{f"{dockerfile.SERVER_ROOT.lstrip('/')}/{package.name}": package for package in server_packages()},
                dockerfile.COMMAND.lstrip("/"): SERVER_FOLDER / "azmlinfsrv",
            },
        ),
        layers.write_layer(folder / SCRIPT_LAYER, config.layer_sources(dockerfile.APP_ROOT)),
    ]
    text = dockerfile.scoring_dockerfile(
        base_image=config.base_image,
        extra_steps=config.extra_steps,
        dependencies=DEPENDENCIES_LAYER,
        server=SERVER_LAYER,
        models=[model.reference for model in found],
        script=SCRIPT_LAYER,
        environment=dockerfile.scoring_environment(
            entry_script=config.script.name,
            models=[(model.name, model.version) for model in found],
            digests={f"{model.name}/{model.version}": model.sha256 for model in found if model.sha256},
        ),
        labels=labels(config, found, image_name),
    )
    staging.keep_only(folder, [DEPENDENCIES_LAYER, SERVER_LAYER, SCRIPT_LAYER, "Dockerfile"])
    # A model's name and version say nothing of its samples, which its layer holds too.
    digests += [models.as_json(model.samples) for model in found if model.samples]
    context = staging.finish(folder, text, digests, platform)
    if config.extra_steps:
        notes.append("the steps of dockerFile are run by Docker: what they fetch may differ from build to build")
    return ImageContext(context.path, context.tag, tuple(notes), tuple(warnings))


def labels(config: ImageConfig, found: Sequence[models.KnownModel], image_name: str) -> dict[str, str]:
    """Return what is known of the image as labels, without what is empty.

    The name is among them so that no two images are one to Docker: removing two names of one image at once fails.
    """
    prefix = f"{dockerfile.LABEL_PREFIX}.image"
    known = {
        f"{prefix}.name": image_name,
        f"{prefix}.models": " ".join(model.reference for model in found),
        f"{prefix}.tags": models.as_json(config.tags),
        f"{prefix}.properties": models.as_json(config.properties),
        service_needs.LABEL: models.as_json(service_needs.of_image(config.enable_gpu, found)),
        "org.opencontainers.image.description": config.description,
        "org.opencontainers.image.base.name": config.base_image,
    }
    return {key: value for key, value in known.items() if value}
