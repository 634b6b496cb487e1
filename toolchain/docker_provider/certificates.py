"""TLS certificates that the provider's configuration gives as text (`caMaterial`, `certMaterial`, `keyMaterial`)."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

FILES = {"ca.pem": "caMaterial", "cert.pem": "certMaterial", "key.pem": "keyMaterial"}


def materials(config: Mapping[str, str]) -> dict[str, str]:
    """The texts of a provider's configuration by the file's name that Docker gives them."""
    return {file: config[name] for file, name in FILES.items() if config.get(name)}


def open_files(texts: Mapping[str, str]) -> dict[str, str]:
    """Paths under which this process reads the texts, for as long as it lives.

    On Linux they never reach a disk: the engine ends a plugin by SIGKILL, so that nothing could be removed then.
    """
    if hasattr(os, "memfd_create"):
        return {file: _in_memory(file, text) for file, text in texts.items()}
    folder = tempfile.mkdtemp(prefix="pulumi-docker-tls-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {file: str(_write(Path(folder) / file, text)) for file, text in texts.items()}


@contextlib.contextmanager
def certificate_folder(texts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Lay the texts in a folder for one command, readable by the user alone, and remove it afterwards.

    Yields:
        The variables that point the docker command line to the folder; none without texts.
    """
    if not texts:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="pulumi-docker-tls-") as folder:
        for file, text in texts.items():
            _write(Path(folder) / file, text)
        yield {"DOCKER_CERT_PATH": folder, "DOCKER_TLS_VERIFY": "1"}


def _in_memory(name: str, text: str) -> str:
    descriptor = os.memfd_create(name)
    with os.fdopen(os.dup(descriptor), "w") as stream:
        stream.write(text)
    return f"/proc/self/fd/{descriptor}"


def _write(file: Path, text: str) -> Path:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
        stream.write(text)
    return file
