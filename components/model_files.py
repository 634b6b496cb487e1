"""A model's files: which of a folder belong to it, the record of their digests, and the layer that holds both.

The record goes into the model's image, and with the model into every scoring image. Its digest is the one that the
model was registered under; before the server loads anything, it compares the files with the record, and the record with
that digest.
"""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from components import dockerfile, layers, staging
from components.problems import Problem

if TYPE_CHECKING:
    from components import models

LAYER, RECORD = "model.tar", "files.json"


def check_path(path: Path) -> Path:
    """Return `path` of a model's file or folder; raise `Problem` when it is missing or an empty folder."""
    if not path.exists():
        raise Problem(
            f"the model {str(path)!r} does not exist: train it, or give the path of a file or folder that does."
        )
    if path.is_dir() and not any(entry.is_file() for entry in path.rglob("*")):
        raise Problem(f"the model folder {str(path)!r} is empty: give one that holds the model's files.")
    return path


def check_children(path: Path, children: Sequence[str]) -> tuple[PurePosixPath, ...]:
    """Return the paths of `children` below the model's folder `path`, sorted.

    A child is given relative to the folder, or by a path that leads into it.

    Raises:
        Problem: the model is a file, or a child is not inside of its folder.
    """
    if not children:
        return ()
    if not path.is_dir():
        raise Problem(f"childPaths is given for {str(path)!r}, which is a file: drop it, or give the file's folder.")
    root = path.resolve()
    found = set()
    for child in children:
        inside = root / child
        place = (inside if inside.exists() else Path(child).absolute()).resolve()
        if not place.exists() or root not in place.parents:
            raise Problem(
                f"childPaths names {child!r}, which is not in the model's folder {str(path)!r}: "
                "give paths of files and folders in it."
            )
        found.add(PurePosixPath(place.relative_to(root).as_posix()))
    return tuple(sorted(found))


def selection(children: Sequence[PurePosixPath]) -> layers.Exclude:
    """Return what leaves out all but `children`, what they hold and the folders above them; nothing without any."""
    if not children:
        return layers.keep_all

    def exclude(path: PurePosixPath) -> bool:
        return not any(path == child or child in path.parents or path in child.parents for child in children)

    return exclude


def record(files: Sequence[layers.Content], entry: str, sha256: str) -> str:
    """Return the record of a model's files as JSON.

    Args:
        files: what counts of the model.
        entry: name of the file or folder in the model's version.
        sha256: the digest that the model is registered under.
    """
    lines = [json.dumps([each.kind, each.path, each.executable, each.content, each.size]) for each in files]
    head = f'{{"sha256": {json.dumps(sha256)},\n"entry": {json.dumps(entry)},\n"files": [\n'
    return head + ",\n".join(lines) + "\n]}\n"


def record_folder(name: str, version: str) -> str:
    """Return where a model's record lies in an image, without a leading slash."""
    return f"{dockerfile.RECORDS_ROOT.lstrip('/')}/{name}/{version}"


def write_layer(folder: Path, model: "models.Model") -> str:
    """Write the layer of a model into `folder`, with its files, their record and its samples; return its digest."""
    entry = model.path.resolve().name
    kept = folder / RECORD
    staging.write_if_changed(kept, record(model.files, entry, model.sha256))
    beside = record_folder(model.name, model.version)
    digest = layers.write_layer(
        folder / LAYER,
        {
            f"{dockerfile.MODELS_ROOT.lstrip('/')}/{model.name}/{model.version}/{entry}": model.path,
            f"{beside}/{RECORD}": kept,
            **{f"{beside}/{name}": source for name, source in model.samples.items()},
        },
        # Asked for what a folder holds; the record and the samples are single files.
        exclude=selection(model.children),
    )
    staging.keep_only(folder, [LAYER, "Dockerfile"])
    return digest
