"""Models as records: what is known of one, how it is labelled, how a reference finds one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components import dockerfile, layers, names, pickles, staging
from components.daemon import Daemon
from components.problems import Problem

NAME = f"{dockerfile.LABEL_PREFIX}.model.name"
VERSION = f"{dockerfile.LABEL_PREFIX}.model.version"
SHA256 = f"{dockerfile.LABEL_PREFIX}.model.sha256"
LIBRARIES = f"{dockerfile.LABEL_PREFIX}.model.libraries"
LAYER = "model.tar"


@dataclass(frozen=True)
class Model:
    """A model that is to be registered."""

    path: Path
    name: str
    version: str
    sha256: str
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    framework: str = ""
    framework_version: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that pickled it, as far as the file records them."""

    @property
    def reference(self) -> str:
        """The model's image."""
        return f"{names.repository_of_model(self.name)}:{self.version}"

    def labels(self) -> dict[str, str]:
        """Return what is known of the model as labels, without what is empty."""
        prefix = f"{dockerfile.LABEL_PREFIX}.model"
        labels = {
            NAME: self.name,
            VERSION: self.version,
            SHA256: self.sha256,
            LIBRARIES: as_json(self.libraries),
            f"{prefix}.tags": as_json(self.tags),
            f"{prefix}.properties": as_json(self.properties),
            f"{prefix}.framework": self.framework,
            f"{prefix}.framework-version": self.framework_version,
            "org.opencontainers.image.description": self.description,
        }
        return {key: value for key, value in labels.items() if value}


def check_path(path: Path) -> Path:
    """Return `path` of a model's file or folder; raise `Problem` when it is missing or an empty folder."""
    if not path.exists():
        raise Problem(
            f"the model {str(path)!r} does not exist: train it, or give the path of a file or folder that does."
        )
    if path.is_dir() and not any(entry.is_file() for entry in path.rglob("*")):
        raise Problem(f"the model folder {str(path)!r} is empty: give one that holds the model's files.")
    return path


def as_json(values: Mapping[str, str]) -> str:
    """Return `values` as one canonical line of JSON; an empty string when there are none."""
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False) if values else ""


def describe(
    path: Path,
    *,
    name: str = "",
    version: str = "",
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    description: str = "",
    framework: str = "",
    framework_version: str = "",
) -> Model:
    """Return the model at `path`, named and versioned by its content where nothing is given.

    Raises:
        Problem: the path does not exist, is an empty folder, or a name or version is not allowed.
    """
    sha256 = layers.content_digest(check_path(path))
    libraries = pickles.recorded_versions(path)
    return Model(
        path=path,
        name=names.check_model_name(name or path.resolve().name),
        version=names.check_model_version(version or sha256[: staging.TAG_LENGTH]),
        sha256=sha256,
        tags=tags or {},
        properties=properties or {},
        description=description,
        framework=framework,
        framework_version=framework_version,
        libraries=libraries,
    )


@dataclass(frozen=True)
class KnownModel:
    """A model that a reference leads to."""

    reference: str
    name: str
    version: str
    libraries: Mapping[str, str]


declared: dict[str, KnownModel] = {}
"""Models of this run of the program by reference: in a preview they are not in the daemon yet."""


def declare(model: Model) -> bool:
    """Let `find` know a model that this run of the program registers; return whether it is the first to register it."""
    first = model.reference not in declared
    declared[model.reference] = KnownModel(model.reference, model.name, model.version, model.libraries)
    return first


def find(reference: str, host: Daemon) -> KnownModel:
    """Return the model that `reference` names: one of this program's, else the daemon's, the newest without a version.

    Raises:
        Problem: there is none.
    """
    if reference in declared:
        return declared[reference]
    wanted = names.parse_model_reference(reference)
    for candidate in [str(wanted)] if wanted.version else host.tags_of(wanted.repository):
        labels = host.image_labels(candidate)
        if NAME in labels:
            libraries = json.loads(labels.get(LIBRARIES, "{}"))
            return KnownModel(candidate, labels[NAME], labels[VERSION], libraries)
    others = host.tags_of(wanted.repository) or sorted(declared)
    hint = f" Registered: {', '.join(others[:10])}." if others else ""
    raise Problem(
        f"no model {reference!r} is registered in the Docker daemon at {host.host or 'the default socket'}.{hint} "
        "Register it with a ModelArtifact and give its reference, or correct the name."
    )


def check_immutable(model: Model, registered: Mapping[str, str]) -> None:
    """Raise `Problem` when the version of `model` is registered with other content, by the labels `registered`."""
    other = registered.get(SHA256, model.sha256)
    if other != model.sha256:
        raise Problem(
            f"version {model.version!r} of the model {model.name!r} is registered with other content "
            f"(sha256 {other[:12]}..., this is {model.sha256[:12]}...). Give a new modelVersion, or none: then it is "
            "made from the content."
        )


def stage(model: Model, stack: str, component: str, platform: str) -> staging.Context:
    """Lay the build context of the model's image and return it."""
    folder = staging.context_folder(stack, component)
    place = f"{dockerfile.MODELS_ROOT.lstrip('/')}/{model.name}/{model.version}/{model.path.resolve().name}"
    digest = layers.write_layer(folder / LAYER, {place: model.path}, exclude=layers.keep_all)
    staging.keep_only(folder, [LAYER, "Dockerfile"])
    return staging.finish(folder, dockerfile.model_dockerfile(LAYER, model.labels()), [digest], platform)
