"""The two places of registered models, a Docker daemon and a registry, as `components.model_store` asks for them."""

import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from components import dockerfile, models, names
from components.daemon import Daemon, cause_of
from components.model_store import Registered
from components.problems import Problem
from components.registry import Registry, StoredImage


class DaemonStore:
    """The models in a Docker daemon."""

    def __init__(self, host: Daemon) -> None:
        self.host = host

    @property
    def place(self) -> str:
        """What it is, for messages."""
        return self.host.place

    def all(self) -> Sequence[Registered]:
        """Return all models, the newest first; those that were pulled from a registry too."""
        found = []
        for image in self.host.client.api.images(filters={"label": models.NAME}):
            labels = image.get("Labels") or {}
            made = datetime.fromtimestamp(image["Created"], timezone.utc).isoformat().replace("+00:00", "Z")
            for reference in image.get("RepoTags") or []:
                if reference != "<none>:<none>" and models.VERSION in labels:
                    created = labels.get(models.CREATED) or made
                    found.append(Registered(reference, labels, created, image["Size"], image["Id"]))
        return sorted(found, key=lambda model: (model.created, model.reference), reverse=True)

    def relabel(self, model: Registered, labels: Mapping[str, str]) -> None:
        """Build an image on the model's that differs by its labels, in its place."""
        text = "\n".join([f"FROM {model.reference}", *dockerfile.label_lines(labels), ""])
        try:
            self.host.client.images.build(fileobj=io.BytesIO(text.encode()), tag=model.reference, rm=True)
        except Exception as error:
            raise Problem(f"{model.reference} cannot be tagged: {cause_of(error)}.") from None

    def delete(self, model: Registered) -> None:
        """Remove the model's name, and its image when it has no other."""
        import docker.errors

        try:
            self.host.client.api.remove_image(model.reference)
        except docker.errors.APIError as error:
            raise Problem(f"{model.reference} cannot be deleted: {error.explanation or cause_of(error)}.") from None

    def archives(self, model: Registered) -> Iterator[Any]:
        """Yield the model's files out of a container that is never started."""
        api = self.host.client.api
        known = model.known
        folder = f"{dockerfile.MODELS_ROOT}/{known.name}/{known.version}"
        container = api.create_container(model.reference, command=["none"])["Id"]
        try:
            stream, _ = api.get_archive(container, folder)
            with tarfile.open(fileobj=Chunks(iter(stream)), mode="r|") as inner:
                yield Below(inner, f"{folder.rpartition('/')[0]}/".lstrip("/"))
        finally:
            api.remove_container(container)


class RegistryStore:
    """The models in a registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    @property
    def place(self) -> str:
        """What it is, for messages."""
        return f"the registry {self.registry.address}"

    def all(self) -> Sequence[Registered]:
        """Return all models below the registry's address, the newest first."""
        found = []
        for reference in self.registry.labelled(models.NAME):
            image = self.image(reference)
            created = image.labels.get(models.CREATED) or image.created
            found.append(Registered(reference, image.labels, created, image.size, image.digest))
        return sorted(found, key=lambda model: (model.created, model.reference), reverse=True)

    def image(self, reference: str) -> StoredImage:
        """Return an image of the registry; raise `Problem` when it is gone."""
        image = self.registry.image(reference)
        if image is None:
            raise Problem(f"{reference} is gone from {self.place}.")
        return image

    def relabel(self, model: Registered, labels: Mapping[str, str]) -> None:
        """Put an image with the same layers in the model's place."""
        image = self.image(model.reference)
        self.registry.relabel(image, {**image.labels, **labels})

    def delete(self, model: Registered) -> None:
        """Delete the model's image."""
        self.registry.delete(self.image(model.reference))

    def archives(self, model: Registered) -> Iterator[Any]:
        """Yield the layers of the model's image."""
        repository, _ = names.repository_and_tag(model.reference)
        for layer in self.image(model.reference).manifest["layers"]:
            with (
                self.registry.blob(repository, layer["digest"]) as answer,
                tarfile.open(fileobj=Chunks(answer.iter_content(1 << 20)), mode="r|*") as archive,
            ):
                yield archive


class Chunks(io.RawIOBase):
    """A stream that comes in chunks, as a file to read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, fewer at the end only."""
        parts, missing = [], size
        while missing:
            self.rest = self.rest or next(self.chunks, b"")
            if not self.rest:
                break
            parts.append(self.rest[:missing] if missing > 0 else self.rest)
            self.rest = self.rest[missing:] if missing > 0 else b""
            missing -= len(parts[-1]) if missing > 0 else 0
        return b"".join(parts)


class Below:
    """A tar stream whose entries lie below a folder that their names do not say."""

    def __init__(self, archive: tarfile.TarFile, folder: str) -> None:
        self.archive = archive
        self.folder = folder

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        for member in self.archive:
            member.name = f"{self.folder}{member.name}"
            yield member

    def extractfile(self, member: tarfile.TarInfo) -> Any:
        """Return an entry's content."""
        return self.archive.extractfile(member)
