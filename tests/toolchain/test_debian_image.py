"""The image that is made of Debian's packages."""

import contextlib
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker.errors
import pytest

from tests import needs
from toolchain import daemon, debian_image
from toolchain.console import Console
from toolchain.daemon import Daemon
from toolchain.debian_image import mirror_lines, pack
from toolchain.machine import Machine

NAME = "model-webservice-base:test"
LARGEST = 110 * 10**6

DEBIAN = "Debian|Debian|http://mirror/debian/|"
SECURITY = "Debian|Debian-Security|http://mirror/security/|"
LINES = [
    "deb http://mirror/debian/ bookworm main",
    "deb http://mirror/debian/ bookworm-updates main",
    "deb http://mirror/security/ bookworm-security main",
]
SIGNED = [line.replace(" http://mirror/d", " [signed-by=/k.gpg] http://mirror/d") for line in LINES]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (f"{DEBIAN}\n{DEBIAN}\n{SECURITY}\n", LINES),
        (f"Other|Debian|http://other/|\n{SECURITY}$(SIGNED_BY)\n{DEBIAN}$(SIGNED_BY)\n", LINES),
        (f"{DEBIAN}/k.gpg\n{SECURITY}\n", SIGNED),
        (f"{DEBIAN}\n", []),
        ("Ubuntu|Ubuntu|http://archive/|\n", []),
        ("", []),
        ("odd\n|\n", []),
    ],
)  # fmt: skip
def test_the_mirrors_are_those_of_this_machines_apt(listed: str, expected: list[str]) -> None:
    assert mirror_lines(listed) == expected


def test_the_archive_depends_on_the_layer_alone(tmp_path: Path) -> None:
    layer = tmp_path / "layer.tar"
    layer.write_bytes(b"content")
    pack(layer, tmp_path / "image.tar", NAME, "amd64")
    with tarfile.open(tmp_path / "image.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json") or io.BytesIO())[0]
        text = (archive.extractfile(manifest["Config"]) or io.BytesIO()).read()
    configuration = json.loads(text)
    assert manifest["RepoTags"] == [NAME]
    assert manifest["Config"] == f"{hashlib.sha256(text).hexdigest()}.json"
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(b'content').hexdigest()}"]
    assert configuration["created"] == "2023-06-10T00:00:00Z"


@pytest.fixture
def running() -> Iterator[Daemon]:
    needs.root("the installation of Debian's packages into an image")
    needs.programs("mmdebstrap")
    found = daemon.ensure(Machine.from_environ(os.environ), Console(io.StringIO(), {}))
    yield found
    with contextlib.closing(found.client()) as client, contextlib.suppress(docker.errors.ImageNotFound):
        client.images.remove(NAME)


CHECK = """
import bz2, ctypes, hashlib, lzma, multiprocessing, ssl, sys, tempfile, uuid, zlib, zoneinfo
multiprocessing.Lock()
ctypes.CDLL("libstdc++.so.6")
ctypes.CDLL("libgomp.so.1")
assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 100
zoneinfo.ZoneInfo("Europe/Berlin")
assert not sys.flags.utf8_mode and sys.getfilesystemencoding() == "utf-8"
import json.decoder, importlib.util
cached = importlib.util.cache_from_source(json.decoder.__file__)
assert open(cached, "rb").read()[4:8] == bytes([1, 0, 0, 0]), "byte code is to be valid whatever the file's time"
print(*sys.version_info[:2], sep=".")
"""


@pytest.mark.e2e
@pytest.mark.beside
def test_the_image_is_small_and_has_what_python_programs_need(running: Daemon) -> None:
    size = debian_image.make(Machine.from_environ(os.environ), running, NAME)
    assert size <= LARGEST
    with contextlib.closing(running.client()) as client:
        for command in (["python", "-c", CHECK], ["python3", "-c", CHECK]):
            output = client.containers.run(
                NAME, command, remove=True, read_only=True, tmpfs={"/tmp": ""}, user="1000", network_mode="none"
            )
            assert output.decode().strip() == "3.11"
        assert client.containers.run(NAME, ["bash", "-c", "id -u | cat"], remove=True, network_mode="none") == b"0\n"
