"""The image configuration: what `ContainerImage.image_configuration` takes, checked before anything is built."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from typing_extensions import NotRequired, TypedDict

from components import arguments, base_python, dependencies, entry_script, extra_steps, schema_file
from components.problems import Problem
from components.registry_login import Access, RegistryArgs

BASE_IMAGE = "python:3.11-slim"
PYTHON_VERSION = "3.11"
"""The Python of the default base image and of the one that is made where that cannot be had."""

SAMPLE_INPUT = "sample_input.json"
"""A file of this name beside the script goes into the image with it."""

BASE_IMAGE_VARIABLE = "MODEL_WEBSERVICE_BASE_IMAGE"
"""Names the base image of this machine where none is given."""


class ImageConfigArgs(TypedDict):
    """How an image is made around models, as `ContainerImage.image_configuration` takes it."""

    execution_script: str
    """Path of the entry script, which defines init() and run()."""
    runtime: NotRequired[str]
    """Runtime of the script: 'python', the default, is the only one."""
    docker_file: NotRequired[str]
    """Path of a file with further Docker steps, such as RUN apt-get install; they run before all else is added."""
    schema_file: NotRequired[str]
    """Path of a JSON file that describes the service: a Swagger or OpenAPI document, or the JSON schemas 'input' and
    'output'."""
    enable_gpu: NotRequired[bool]
    """Whether the script uses GPUs: its containers get all that the Docker host has. Default: false."""
    conda_file: NotRequired[str]
    """Path of a conda environment file with the script's dependencies."""
    requirements_file: NotRequired[str]
    """Path of a requirements file with the script's dependencies, in place of or beside the conda file."""
    packages: NotRequired[list[str]]
    """Further packages, as requirement specifiers such as 'scikit-learn==1.7.2'."""
    dependencies: NotRequired[list[str]]
    """Paths of files and folders that the script needs, placed beside it."""
    description: NotRequired[str]
    """Description of the image."""
    tags: NotRequired[dict[str, str]]
    """Tags of the image."""
    properties: NotRequired[dict[str, str]]
    """Properties of the image."""
    base_image: NotRequired[str]
    """Image to start from, by name, tag or digest. Default: 'python:3.11-slim', or what the environment variable
    MODEL_WEBSERVICE_BASE_IMAGE names."""
    base_image_registry: NotRequired[RegistryArgs]
    """Registry of the base image and the login for it. Default: the registry of the image's name, Docker Hub where that
    names none, with Docker's login."""
    train_serve_check: NotRequired[str]
    """What happens when a model is recorded to have been saved with other versions of Python, scikit-learn, numpy or
    joblib than the image has: 'error', the default, or 'warning'."""
    python_version: NotRequired[str]
    """Python of the base image, e.g. '3.11', the default: packages are locked for it. Refused where the base image is
    known to have another."""
    platform: NotRequired[str]
    """Platform of the image, e.g. 'linux/arm64'. Default: the daemon's."""


@dataclass(frozen=True)
class ImageConfig:
    """A checked image configuration."""

    script: Path
    files: tuple[Path, ...]
    """Files and folders beside the script."""
    needs: dependencies.Dependencies
    lock_file: Path
    base_image: str
    python_version: str
    platform: str
    """Empty for the daemon's."""
    description: str
    tags: Mapping[str, str]
    properties: Mapping[str, str]
    extra_steps: Sequence[str] = ()
    schema: Path | None = None
    enable_gpu: bool = False
    base_access: Access = field(default_factory=Access)
    """The base image's registry, that of its name where none is given, and the login for it."""
    mismatch_is_error: bool = True

    def layer_sources(self, app_root: str) -> dict[str, Path]:
        """Return the paths below `app_root` in the image and the files on the host that go there."""
        root = PurePosixPath(app_root.lstrip("/"))
        placed = {str(root / path.name): path for path in (self.script, *self.files)}
        if self.schema:
            placed[str(root / schema_file.place(self.schema))] = self.schema
        return placed


def check(args: ImageConfigArgs, environ: Mapping[str, str] = os.environ) -> ImageConfig:
    """Return the checked configuration.

    Raises:
        Problem: a file is missing, the script defines no init() or run(), a conda file cannot be read, the runtime is
            not Python, or the Python that the dependencies ask for is not `python_version`.
    """
    arguments.check(args, ImageConfigArgs, arguments.IMAGE, "imageConfig.")
    check_runtime(args.get("runtime") or "python")
    script = entry_script.check_entry_script(Path(args["execution_script"]))
    files = with_sample(script, tuple(existing(Path(path)) for path in args.get("dependencies", ())))
    schema = Path(args["schema_file"]) if args.get("schema_file") else None
    check_distinct([script, *files, *([schema.with_name(schema_file.place(schema))] if schema else [])])
    base_registry = Access.from_args(args.get("base_image_registry"), what="baseImageRegistry")
    base = base_image(args.get("base_image", ""), base_registry, environ)
    needs = dependencies.merge(*sources(args))
    python_version = base_python.check_version(args.get("python_version") or PYTHON_VERSION)
    dependencies.check_python(needs.python, python_version)
    return ImageConfig(
        script=script,
        files=files,
        needs=needs,
        lock_file=lock_file(args),
        base_image=base,
        python_version=python_version,
        platform=args.get("platform", ""),
        description=args.get("description", ""),
        tags=args.get("tags", {}),
        properties=args.get("properties", {}),
        extra_steps=extra_steps.read(Path(args["docker_file"])) if args.get("docker_file") else (),
        schema=schema,
        enable_gpu=args.get("enable_gpu", False),
        base_access=base_registry.of_image(base),
        mismatch_is_error=is_error(args.get("train_serve_check") or "error"),
    )


RUNTIMES: Mapping[str, str] = {
    "spark-py": "PySpark needs a Java runtime and a cluster, which this image has not",
    "python-slim": "every image here is made from a slim base",
}
"""Azure ML's other runtimes, and why they are not supported."""


def check_runtime(runtime: str) -> None:
    """Raise `Problem` for a runtime other than Python, with the reason."""
    if runtime != "python":
        why = f", as {RUNTIMES[runtime]}" if runtime in RUNTIMES else ""
        raise Problem(f"the runtime {runtime!r} is not supported{why}: give 'python', or leave it out.")


def base_image(given: str, access: Access, environ: Mapping[str, str]) -> str:
    """Return the image to start from, in the registry of `access` where that has an address."""
    if access.address and not given:
        raise Problem("baseImageRegistry is given without baseImage: give the image's name in that registry.")
    if not given:
        return environ.get(BASE_IMAGE_VARIABLE) or BASE_IMAGE
    return given if given.startswith(f"{access.host}/") else access.qualified(given)


def is_error(train_serve_check: str) -> bool:
    """Return whether a mismatch of versions is an error; raise `Problem` for an unknown word."""
    if train_serve_check not in ("error", "warning"):
        raise Problem(f"trainServeCheck is {train_serve_check!r}: give 'error' or 'warning'.")
    return train_serve_check == "error"


def sources(args: ImageConfigArgs) -> list[dependencies.Dependencies]:
    """Return the dependencies of each source that `args` name."""
    found = []
    if args.get("conda_file"):
        found.append(dependencies.read_conda_file(Path(args["conda_file"])))
    if args.get("requirements_file"):
        found.append(dependencies.read_requirements_file(Path(args["requirements_file"])))
    if args.get("packages"):
        found.append(dependencies.inline(args["packages"]))
    return found


def lock_file(args: ImageConfigArgs) -> Path:
    """Return where the lock lies: beside the file that it is made from, or else beside the script."""
    source = args.get("conda_file") or args.get("requirements_file") or args["execution_script"]
    return Path(source).with_suffix(".lock")


def existing(path: Path) -> Path:
    """Return `path`; raise `Problem` when there is no such file or folder."""
    if path.exists():
        return path
    raise Problem(f"the file or folder {str(path)!r}, named in dependencies, does not exist: correct or drop it.")


def with_sample(script: Path, files: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return `files`, and the script's sample input where there is one, which the service shows to its users."""
    sample = script.with_name(SAMPLE_INPUT)
    return (*files, sample) if sample.is_file() and SAMPLE_INPUT not in {file.name for file in files} else files


def check_distinct(paths: Sequence[Path]) -> None:
    """Raise `Problem` when two paths would get the same place beside the script."""
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(path.name, path)
        if other is not path:
            raise Problem(f"{str(other)!r} and {str(path)!r} both become {path.name!r} beside the script: rename one.")
