"""Models as records: what is known of one, how it is labelled, how a reference finds one."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from components import dockerfile, layers, model_files, names, samples, saved_versions, staging
from components.problems import Problem

PREFIX = f"{dockerfile.LABEL_PREFIX}.model"
NAME = f"{PREFIX}.name"
VERSION = f"{PREFIX}.version"
SHA256 = f"{PREFIX}.sha256"
LIBRARIES = f"{PREFIX}.libraries"
TAGS = f"{PREFIX}.tags"
PROPERTIES = f"{PREFIX}.properties"
FRAMEWORK = f"{PREFIX}.framework"
FRAMEWORK_VERSION = f"{PREFIX}.framework-version"
DATASETS = f"{PREFIX}.datasets"
RESOURCES = f"{PREFIX}.resources"
SAMPLES = f"{PREFIX}.samples"
KEPT = f"{PREFIX}.kept"
"""Of a model that no stack's destroy removes from the daemon."""
CREATED = f"{PREFIX}.created"
"""When the model was registered, where that is not when its image was made."""
DESCRIPTION = "org.opencontainers.image.description"


class Images(Protocol):
    """Where images are: a Docker daemon or a registry."""

    def image_labels(self, reference: str) -> dict[str, str]:
        """Return the labels of an image; empty when there is no such image."""

    def tags_of(self, repository: str) -> list[str]:
        """Return the references of a repository, the newest first."""

    def labelled(self, label: str) -> list[str]:
        """Return the references of all models' images that have a label, the newest first."""

    def repository_of(self, repository: str) -> str:
        """Return where a repository is found here."""

    @property
    def place(self) -> str:
        """What it is, for messages."""


@dataclass(frozen=True)
class Model:
    """A model that is to be registered."""

    path: Path
    name: str
    version: str
    sha256: str
    children: tuple[PurePosixPath, ...] = ()
    """Those of the folder's paths that belong to it; all when there are none."""
    files: tuple[layers.Content, ...] = ()
    registry: str = ""
    """Address of the registry that it is pushed to; empty for none."""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    framework: str = ""
    framework_version: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Versions of the libraries that pickled it, as far as they are recorded."""
    datasets: Mapping[str, str] = field(default_factory=dict)
    """Data that it was made with, by purpose."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """What its service needs: cpu (cores), memory_in_gb, gpu (count)."""
    samples: Mapping[str, Path] = field(default_factory=dict)
    """A sample input and output, by their file's name in the image."""
    kept: bool = False
    """Whether it stays in the daemon, whichever stack that registers it is destroyed."""

    @property
    def reference(self) -> str:
        """The model's image."""
        repository = names.repository_of_model(self.name)
        return f"{self.registry}/{repository}:{self.version}" if self.registry else f"{repository}:{self.version}"

    def labels(self) -> dict[str, str]:
        """Return what is known of the model as labels, without what is empty."""
        labels = {
            NAME: self.name,
            VERSION: self.version,
            SHA256: self.sha256,
            LIBRARIES: as_json(self.libraries),
            TAGS: as_json(self.tags),
            PROPERTIES: as_json(self.properties),
            FRAMEWORK: self.framework,
            FRAMEWORK_VERSION: self.framework_version,
            DATASETS: as_json(self.datasets),
            RESOURCES: as_json(self.resources),
            SAMPLES: " ".join(f"{name}={file_digest(path)}" for name, path in sorted(self.samples.items())),
            KEPT: "true" if self.kept else "",
            DESCRIPTION: self.description,
        }
        return {key: value for key, value in labels.items() if value}


def samples_in(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of the samples that an image's labels tell of, by name."""
    pairs = (text.partition("=") for text in labels.get(SAMPLES, "").split())
    return {name: digest for name, _, digest in pairs}


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def as_json(values: Mapping[str, Any]) -> str:
    """Return `values` as one canonical line of JSON; an empty string when there are none."""
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False) if values else ""


def describe(
    path: Path,
    *,
    name: str = "",
    version: str = "",
    registry: str = "",
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    description: str = "",
    framework: str = "",
    framework_version: str = "",
    child_paths: Sequence[str] = (),
    datasets: Mapping[str, str] | None = None,
    resources: Mapping[str, float] | None = None,
    sample_input: str = "",
    sample_output: str = "",
) -> Model:
    """Return the model at `path`, named and versioned by its content where nothing is given.

    Raises:
        Problem: the path does not exist, is an empty folder, or a name, version, child path or sample is not allowed.
    """
    children = model_files.check_children(model_files.check_path(path), child_paths)
    files = layers.contents(path, exclude=model_files.selection(children))
    sha256 = layers.digest_of(files)
    libraries = saved_versions.saved_with(path, exclude=model_files.selection(children))
    return Model(
        path=path,
        name=names.check_model_name(name or path.resolve().name),
        version=names.check_model_version(version or sha256[: staging.TAG_LENGTH]),
        sha256=sha256,
        children=children,
        files=tuple(files),
        registry=registry,
        tags=tags or {},
        properties=properties or {},
        description=description,
        framework=framework,
        framework_version=framework_version or (libraries.get("scikit-learn", "") if framework else ""),
        libraries=libraries,
        datasets=datasets or {},
        resources=check_resources(resources or {}),
        samples=samples.check(sample_input, sample_output),
    )


def check_resources(given: Mapping[str, float]) -> dict[str, float]:
    """Return a resource configuration without what is not given; raise `Problem` for an amount below zero."""
    for key, value in given.items():
        if not value > 0 and (key, value) != ("gpu", 0):
            where = f"resourceConfiguration.{names.camel(key)}"
            raise Problem(f"{where} is {value!r}: give a number above 0, or leave it out.")
    return {key: float(value) for key, value in given.items() if value}


@dataclass(frozen=True)
class KnownModel:
    """A model that a reference leads to."""

    reference: str
    name: str
    version: str
    libraries: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, str] = field(default_factory=dict)
    """Digests of the sample files that its image holds, by name."""

    @classmethod
    def from_labels(cls, reference: str, labels: Mapping[str, str]) -> "KnownModel":
        """Return the model that an image's labels describe."""
        return cls(
            reference,
            labels[NAME],
            labels[VERSION],
            libraries=json.loads(labels.get(LIBRARIES, "{}")),
            sha256=labels.get(SHA256, ""),
            tags=json.loads(labels.get(TAGS, "{}")),
            resources=json.loads(labels.get(RESOURCES, "{}")),
            samples=samples_in(labels),
        )


declared: dict[str, KnownModel] = {}
"""Models of this run of the program by reference: in a preview they are not in the daemon yet."""

outputs: dict[str, Any] = {}
"""The `reference` outputs of the models in `declared`: they come when the image is there."""


def declare(model: Model) -> bool:
    """Let `find` know a model that this run of the program registers; return whether it is the first to register it."""
    first = model.reference not in declared
    declared[model.reference] = KnownModel.from_labels(model.reference, model.labels())
    return first


def is_declared_content(sha256: str) -> bool:
    """Return whether this run of the program registers a model of this content, under whatever name."""
    return any(model.sha256 == sha256 for model in declared.values())


def find_declared(reference: str) -> KnownModel | None:
    """Return the model of this program that `reference` names, by its whole reference, its name, version or tags.

    Raises:
        Problem: it names several.
    """
    if reference in declared:
        return declared[reference]
    wanted = names.parse_model_reference(reference)
    fitting = [
        model
        for known, model in declared.items()
        if names.same_repository(known.rpartition(":")[0], wanted.repository)
        and wanted.version in ("", model.version)
        and has_tags(model, wanted.tags)
    ]
    if len(fitting) > 1:
        raise Problem(
            f"{reference!r} names several models that this program registers "
            f"({', '.join(sorted(model.reference for model in fitting))}): give the 'reference' output of one."
        )
    return fitting[0] if fitting else None


def find(reference: str, *places: Images) -> KnownModel:
    """Return the model that `reference` names: one of this program's, else the newest that fits in the first place.

    Args:
        places: where to look, the first that has one being taken.

    Raises:
        Problem: there is none.
    """
    known = find_declared(reference)
    if known:
        return known
    wanted = names.parse_model_reference(reference)

    def registered(place: Images) -> list[str]:
        return place.tags_of(place.repository_of(wanted.repository)) if wanted.repository else place.labelled(NAME)

    for place in places:
        one = f"{place.repository_of(wanted.repository)}:{wanted.version}"
        for candidate in [one] if wanted.version else registered(place):
            labels = place.image_labels(candidate)
            if NAME in labels:
                model = KnownModel.from_labels(candidate, labels)
                if has_tags(model, wanted.tags):
                    return model
    others = [reference for place in places for reference in registered(place)] or sorted(declared)
    hint = f" Registered: {', '.join(others[:10])}." if others else ""
    raise Problem(
        f"no model {reference!r} is registered in {' or '.join(place.place for place in places)}.{hint} "
        "Register it with a ModelArtifact and give its reference, or correct the name."
    )


def has_tags(model: KnownModel, wanted: Mapping[str, str]) -> bool:
    """Return whether a model has all tags that are wanted; one without a value may have any."""
    return all(key in model.tags and value in ("", model.tags[key]) for key, value in wanted.items())


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
    digest = model_files.write_layer(folder, model)
    return staging.finish(folder, dockerfile.model_dockerfile(model_files.LAYER, model.labels()), [digest], platform)
