"""Where a registered model lies in the container: ``$AML_APP_ROOT/azureml-models/<name>/<version>/<file>``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .logs import TREE_LINES, tree
from .settings import DEFAULT_APP_ROOT, Settings

MODELS_FOLDER = "azureml-models"


class ServedModel(NamedTuple):
    """A model in the container; `sha256` is the registered one, in hex digits, or empty where that is not known."""

    name: str
    version: str
    sha256: str = ""

    @property
    def id(self) -> str:
        return f"{self.name}:{self.version}"


class ModelNotFoundError(Exception):
    """No such model in the container. The message shows what is there."""


def models_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder with a folder per model: on the way to ``AZUREML_MODEL_DIR`` if it is there, else in the app root."""
    model_dir = Path(environ.get("AZUREML_MODEL_DIR", ""))
    for folder in (model_dir, *model_dir.parents):
        if folder.name == MODELS_FOLDER:
            return folder
    return Path(environ.get("AML_APP_ROOT") or DEFAULT_APP_ROOT) / MODELS_FOLDER


def served_models(settings: Settings) -> list[ServedModel]:
    """The models that lie in the container, with the digests that the image names."""
    root = models_root({"AZUREML_MODEL_DIR": settings.model_dir, "AML_APP_ROOT": settings.app_root})
    places = {f"{folder.parent.name}/{folder.name}" for folder in root.glob("*/*/")} | set(settings.model_digests)
    found = []
    for place in sorted(places):
        name, _, version = place.rpartition("/")
        found.append(ServedModel(name, version, settings.model_digests.get(place, "")))
    return found


def _version_key(name: str) -> tuple[int, int, str]:
    """Numbers sort as numbers, after names."""
    return (1, int(name), "") if name.isdecimal() else (0, 0, name)


def get_model_path(model_name: str, version: int | str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The path of a model's file or folder.

    That is the one entry in the folder of the version given, or of the newest; without such a model, ``./<name>``.
    Raises ModelNotFoundError.
    """
    root = models_root(environ)
    model = root / model_name
    if model.is_dir():
        versions = sorted((child.name for child in model.iterdir() if child.is_dir()), key=_version_key)
        wanted = str(version) if version is not None else (versions[-1] if versions else "")
        if wanted not in versions:
            raise _not_found(f"Model {model_name!r} has no version{f' {wanted!r}' if wanted else ''}", model)
        entries = sorted((model / wanted).iterdir())
        if len(entries) != 1:
            raise _not_found(
                f"Version {wanted} of model {model_name!r} holds {len(entries)} entries, and must hold exactly one",
                model / wanted,
            )
        return str(entries[0])
    local = Path.cwd() / model_name
    if version is None and local.exists():
        return str(local)
    raise _not_found(f"Model {model_name!r} is neither in {root} nor at {local}", root)


def _not_found(message: str, folder: Path) -> ModelNotFoundError:
    if not folder.is_dir():
        return ModelNotFoundError(f"{message}. The folder {folder} does not exist.")
    lines = [line for _, line in zip(range(TREE_LINES), tree(str(folder)), strict=False)]
    return ModelNotFoundError(f"{message}. {folder} holds:\n" + "\n".join(lines))
