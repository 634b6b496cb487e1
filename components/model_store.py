"""Registered models where they are kept, a Docker daemon or a registry: listed, tagged, deleted, downloaded."""

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from components import dockerfile, layers, models, names
from components.problems import Problem


@dataclass(frozen=True)
class Registered:
    """A registered model and all that is known of it."""

    reference: str
    labels: Mapping[str, str]
    created: str
    """When it was registered, ISO 8601 in UTC."""
    size: int
    """Bytes: in a daemon of the files, in a registry of the compressed layers."""
    image: str
    """Id of the image in a daemon, digest of the manifest in a registry."""

    @property
    def known(self) -> models.KnownModel:
        """The model that the labels describe."""
        return models.KnownModel.from_labels(self.reference, self.labels)

    def described(self) -> dict[str, Any]:
        """Return all that is known, as JSON can hold it, without what is empty."""

        def loaded(label: str) -> Any:
            return json.loads(self.labels.get(label, "{}"))

        values = {
            "name": self.labels[models.NAME],
            "version": self.labels[models.VERSION],
            "reference": self.reference,
            "sha256": self.labels.get(models.SHA256, ""),
            "created": self.created,
            "size": self.size,
            "image": self.image,
            "tags": loaded(models.TAGS),
            "properties": loaded(models.PROPERTIES),
            "description": self.labels.get(models.DESCRIPTION, ""),
            "framework": self.labels.get(models.FRAMEWORK, ""),
            "frameworkVersion": self.labels.get(models.FRAMEWORK_VERSION, ""),
            "savedWith": loaded(models.LIBRARIES),
            "datasets": loaded(models.DATASETS),
            "resourceConfiguration": loaded(models.RESOURCES),
            "samples": sorted(models.samples_in(self.labels)),
            "kept": models.KEPT in self.labels,
        }
        return {key: value for key, value in values.items() if value or key == "tags"}


class Store(Protocol):
    """Where models are kept."""

    @property
    def place(self) -> str:
        """What it is, for messages."""

    def all(self) -> Sequence[Registered]:
        """Return all models, the newest first."""

    def relabel(self, model: Registered, labels: Mapping[str, str]) -> None:
        """Give a model these labels beside, or in place of, those that it has."""

    def delete(self, model: Registered) -> None:
        """Delete a model."""

    def archives(self, model: Registered) -> Iterator[Any]:
        """Yield open tar streams with the model's files at their places in the image."""


def find(store: Store, reference: str) -> Registered:
    """Return the newest model that `reference` names.

    Raises:
        Problem: there is none.
    """
    wanted = names.parse_model_reference(reference)
    for model in store.all():
        if fits(model, wanted):
            return model
    known = ", ".join(f"{model.known.name}:{model.known.version}" for model in store.all()[:10])
    hint = f" There are: {known}." if known else " There are none."
    raise Problem(f"no model {reference!r} is registered in {store.place}.{hint}")


def fits(model: Registered, wanted: names.ModelReference) -> bool:
    """Return whether a model is one that a reference may mean."""
    known = model.known
    named = names.same_repository(model.reference.rpartition(":")[0], wanted.repository)
    return named and wanted.version in ("", known.version) and models.has_tags(known, wanted.tags)


def retag(store: Store, model: Registered, add: Mapping[str, str], remove: Sequence[str] = ()) -> dict[str, str]:
    """Add tags to a model and remove others; return those that it has then.

    Raises:
        Problem: a tag that is to be removed is not there.
    """
    tags = {**model.known.tags}
    for key in remove:
        if key not in tags:
            raise Problem(f"{model.reference} has no tag {key!r}. It has: {', '.join(sorted(tags)) or 'none'}.")
        del tags[key]
    tags.update(add)
    # The model stays as old as it is, although its image is made anew.
    store.relabel(model, {models.TAGS: models.as_json(tags) or "{}", models.CREATED: model.created})
    return tags


def download(store: Store, model: Registered, target: Path) -> None:
    """Put a model's file or folder at `target`, and compare it with the digest that it was registered under.

    Raises:
        Problem: `target` is there already, or what was found is not what was registered.
    """
    if target.exists():
        raise Problem(f"{str(target)!r} is there already: remove it, or give another path with --output.")
    known = model.known
    below = PurePosixPath(dockerfile.MODELS_ROOT.lstrip("/"), known.name, known.version)
    target.parent.mkdir(parents=True, exist_ok=True)
    for archive in store.archives(model):
        for member in archive:
            place = PurePosixPath(member.name.removeprefix("/"))
            if below in place.parents:
                extract(archive, member, target.joinpath(*place.relative_to(below).parts[1:]))
    found = layers.content_digest(target, exclude=layers.keep_all)
    if known.sha256 and found != known.sha256:
        raise Problem(
            f"{model.reference} is not what was registered: its sha256 is {found}, registered was {known.sha256}. "
            f"It lies in {str(target)!r}."
        )


def extract(archive: Any, member: tarfile.TarInfo, place: Path) -> None:
    """Write one entry of a layer to `place`; its path was made below the target, whatever the archive says."""
    if ".." in PurePosixPath(member.name).parts or any(parent.is_symlink() for parent in place.parents):
        raise Problem(f"the image holds the path {member.name!r}, which leads out of the model: it is not extracted.")
    if member.isdir():
        place.mkdir(exist_ok=True)
    elif member.issym():
        place.symlink_to(member.linkname)
    elif member.isfile():
        content = archive.extractfile(member)
        with place.open("wb") as file:
            while chunk := content.read(1 << 20):
                file.write(chunk)
        place.chmod(member.mode & 0o777)
