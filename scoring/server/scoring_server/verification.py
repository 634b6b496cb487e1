"""Models are served as they were registered, or not at all.

An image names the digest of each of its models (``SCORING_MODEL_DIGESTS``), and holds a record of the model's files.
The record must have that digest, and the files must be those of the record: nothing missing, changed or added.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .models import MODELS_FOLDER
from .settings import Settings

if TYPE_CHECKING:
    from concurrent.futures import Future

RECORD = "files.json"
_CHUNK = 1 << 20

Item = tuple[str, str, bool, str, int]
"""Kind (file, folder, link), path below the model's folder, whether it is executable, sha256 or target, bytes."""


class ModelChangedError(Exception):
    """A model in the container is not the registered one. The message names the file and both digests."""


def begin(settings: Settings) -> Future[ModelChangedError | None]:
    """verify() in a thread of its own, which keeps no process from its end; the result is what it raises."""
    from concurrent.futures import Future  # late, so that the first worker starts before it is loaded

    future: Future[ModelChangedError | None] = Future()
    future.set_running_or_notify_cancel()  # cannot be cancelled: this thread alone ends it

    def work() -> None:
        try:
            verify(settings)
        except ModelChangedError as error:
            future.set_result(error)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=work, name="verification", daemon=True).start()
    return future


def verify(settings: Settings) -> int:
    """Compare all models that the image names with what was registered.

    Returns:
        How many bytes were read.

    Raises:
        ModelChangedError: a model differs, or its record does.
    """
    if not settings.verify_models:
        return 0
    return sum(verify_model(settings, place, sha256) for place, sha256 in sorted(settings.model_digests.items()))


def verify_model(settings: Settings, place: str, registered: str) -> int:
    """Compare the model at ``place``, ``<name>/<version>``, with its record; returns the bytes read."""
    model = "version {1} of the model {0!r}".format(*place.rsplit("/", 1))
    path = os.path.join(settings.model_records, place, RECORD)
    entry, items = read_record(path, model)
    found = digest_of(items)
    if found != registered:
        raise ModelChangedError(
            f"the record {path} is not that of {model}: sha256 {registered} was registered, it has {found}. {_FIX}"
        )
    root = os.path.join(settings.app_root, MODELS_FOLDER, place)
    size = 0
    for item in items:
        size += check_item(os.path.join(root, entry, item[1]) if item[1] else os.path.join(root, entry), item, model)
    known = {os.path.normpath(os.path.join(entry, item[1])) for item in items} | {entry}
    for name in paths_below(root):
        if name not in known:
            raise ModelChangedError(f"{os.path.join(root, name)} is no part of {model} as it was registered. {_FIX}")
    return size


def read_record(path: str, model: str) -> tuple[str, list[Item]]:
    """The name of the model's file or folder, and what counts of it."""
    try:
        with open(path, encoding="utf-8") as file:
            content: dict[str, Any] = json.load(file)
        return str(content["entry"]), [(str(a), str(b), bool(c), str(d), int(e)) for a, b, c, d, e in content["files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelChangedError(f"the record {path} of {model} cannot be read: {error}. {_FIX}") from None


def digest_of(items: list[Item]) -> str:
    """The digest that a model with these items is registered under: see ``components/layers.py``."""
    if len(items) == 1 and not items[0][1]:
        return items[0][3]
    digest = hashlib.sha256()
    for kind, path, executable, content, _ in items:
        line = "\0".join([kind, path, "x" if executable else "-", content])
        digest.update(hashlib.sha256(line.encode()).digest())
    return digest.hexdigest()


def check_item(path: str, item: Item, model: str) -> int:
    """Compare one path with its item; returns the bytes read."""
    kind, _, executable, content, size = item
    try:
        seen = os.lstat(path)
        now = "link" if stat.S_ISLNK(seen.st_mode) else "folder" if stat.S_ISDIR(seen.st_mode) else "file"
        if now != kind:
            raise ModelChangedError(f"{path} of {model} was registered as a {kind}, and is a {now}. {_FIX}")
        if kind == "link":
            found = os.readlink(path)
        elif kind == "folder":
            return 0
        else:
            found = file_digest(path)
    except OSError as error:
        raise ModelChangedError(f"{path} of {model} cannot be read: {error.strerror}. {_FIX}") from None
    if found != content:
        what = "target" if kind == "link" else "sha256"
        raise ModelChangedError(
            f"{path} of {model} has changed: {what} {content} was registered ({size} bytes), it has {found} "
            f"({seen.st_size} bytes). {_FIX}"
        )
    if kind == "file" and bool(seen.st_mode & stat.S_IXUSR) != executable:
        raise ModelChangedError(f"{path} of {model} has changed: its executable bit is another. {_FIX}")
    return seen.st_size if kind == "file" else 0


def file_digest(path: str) -> str:
    """The sha256 (hex) of a file, read a piece at a time."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest()


def paths_below(root: str) -> Iterator[str]:
    """All paths below a folder, relative to it."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield os.path.relpath(os.path.join(folder, name), root)


_FIX = (
    "The container is not started. Deploy an image that was built from the registered model, or register what there is "
    "as a new version."
)
