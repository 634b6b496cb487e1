"""Small images of Debian 12, out of Debian's packages, for daemons that cannot pull any."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import docker.errors
import requests

from toolchain import apt
from toolchain.daemon import Daemon, reason
from toolchain.machine import Machine, run
from toolchain.step import Unavailable

RELEASE = "bookworm"
MAKE_SECONDS = 900.0
# Files get no later time than this, the release of Debian 12, so that the same packages give the same layer.
EPOCH = 1686355200
CREATED = "2023-06-10T00:00:00Z"
MERGED_USR_HOOKS = Path("/usr/share/mmdebstrap/hooks/merged-usr")
LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/lintian/*",
    "/usr/share/zoneinfo/right/*",
    "/usr/share/zoneinfo/posix/*",
    "/usr/lib/*/gconv/*",
)
KEPT = ("/usr/share/doc/*/copyright",)
ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")


@dataclass(frozen=True)
class Recipe:
    """What an image is made of.

    Attributes:
        title: what it is, for people.
        packages: Debian's packages, besides the essential ones.
        command: what runs by default.
        finish: shell commands that run inside before it is cleaned up.
    """

    title: str
    packages: tuple[str, ...]
    command: str
    finish: str = ""


# usr-is-merged takes the place of usrmerge, which would bring all of Perl. The byte code is valid whatever the file
# times, as those are moved to the epoch.
PYTHON = Recipe(
    "Debian 12 with Python 3.11",
    ("usr-is-merged", "python3", "ca-certificates", "libstdc++6", "libgomp1", "tzdata"),
    "python3",
    """
ln -s python3 /usr/bin/python
python3 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.11 /usr/lib/python3
""",
)
GATEWAY = Recipe("Debian 12 with HAProxy 2.6", ("usr-is-merged", "haproxy"), "haproxy")
# Perl runs the packages' installation scripts and nothing else, so it goes when all are installed.
CLEAN = """
dpkg --purge --force-all perl-base debconf >/dev/null 2>&1
rm -rf /usr/share/perl* /usr/lib/*-linux-gnu/perl* /etc/apt/sources.list* /var/lib/apt /var/cache/apt
rm -rf /var/cache/debconf /var/cache/ldconfig /var/lib/dpkg/*-old /var/log/* /tmp/*
"""


def make(machine: Machine, daemon: Daemon, name: str, recipe: Recipe = PYTHON) -> int:
    """Make an image, under its name in the daemon, in place of an older one of that name.

    Returns:
        Its size in bytes.

    Raises:
        Unavailable: Debian's packages cannot be downloaded or installed, or the daemon refuses the image.
    """
    with tempfile.TemporaryDirectory(prefix="model-webservice-") as folder:
        layer, image = Path(folder) / "layer.tar", Path(folder) / "image.tar"
        path = f"/usr/local/sbin:/usr/sbin:/sbin:{machine.environ.get('PATH', '')}"
        environ = {**machine.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "PATH": path, "LC_ALL": "C.UTF-8"}
        run(command(layer, sources(machine), recipe), environ=environ, timeout=MAKE_SECONDS)
        pack(layer, image, name, machine.architecture(), recipe)
        return load(daemon, image, name)


def command(layer: Path, mirrors: Sequence[str], recipe: Recipe = PYTHON) -> list[str]:
    """The call of mmdebstrap that writes the image's only layer.

    Args:
        layer: the file to write.
        mirrors: lines as in apt's sources.list; mmdebstrap takes Debian's own when there are none.
        recipe: what goes in.
    """
    words = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(recipe.packages)}", "--format=tar"]
    words += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    words += [f"--dpkgopt=path-include={pattern}" for pattern in KEPT]
    words += ["--dpkgopt=no-debsig", "--aptopt=Acquire::Languages none"]
    if MERGED_USR_HOOKS.is_dir():
        words.append(f"--hook-dir={MERGED_USR_HOOKS}")
    words.append(f"--customize-hook=chroot \"$1\" sh -c 'set -eu\n{recipe.finish}{CLEAN}'")
    return [*words, RELEASE, str(layer), *mirrors]


def sources(machine: Machine) -> list[str]:
    """Debian's mirrors as this machine's apt has them, for the image's release; none where apt has none of Debian's."""
    form = "$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(SIGNED_BY)"
    try:
        if not apt.obstacle(machine):
            apt.ensure_lists(machine)
        listed = machine.output(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    except Unavailable:
        return []
    return mirror_lines(listed)


def mirror_lines(listed: str) -> list[str]:
    """Turn apt's list of repositories, `origin|label|address|keyring` a line, into lines of a sources.list."""
    suites = {"Debian": (RELEASE, f"{RELEASE}-updates"), "Debian-Security": (f"{RELEASE}-security",)}
    lines = []
    for label, names in suites.items():
        for line in listed.splitlines():
            origin, its_label, address, keyring = (*line.split("|"), "", "", "", "")[:4]
            if origin == "Debian" and its_label == label:
                signed = f"[signed-by={keyring}] " if keyring.startswith("/") else ""
                lines += [f"deb {signed}{address} {name} main" for name in names]
                break
        else:
            return []
    return lines


def pack(layer: Path, image: Path, name: str, architecture: str, recipe: Recipe = PYTHON) -> None:
    """Put a layer into an archive as `docker save` writes it; the id depends on the layer alone."""
    with layer.open("rb") as file:
        digest = _sha256(file)
    configuration = {
        "architecture": architecture,
        "os": "linux",
        "created": CREATED,
        "config": {"Env": ENVIRONMENT, "Cmd": [recipe.command], "Labels": labels(recipe)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": CREATED, "created_by": f"mmdebstrap {RELEASE}"}],
    }
    text = json.dumps(configuration, sort_keys=True).encode()
    file_name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = json.dumps([{"Config": file_name, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(image, "w") as archive:
        for member, content in ((file_name, text), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        archive.add(layer, "layer.tar")


def labels(recipe: Recipe) -> dict[str, str]:
    """What an image says of itself."""
    return {"org.opencontainers.image.title": recipe.title, "org.opencontainers.image.base.name": "scratch"}


def _sha256(file: io.BufferedReader) -> str:
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def load(daemon: Daemon, image: Path, name: str) -> int:
    """Load an archive into the daemon, and remove the image that had its name, unless something uses it."""
    try:
        with contextlib.closing(daemon.client(600)) as client, image.open("rb") as file:
            before = {str(found.id) for found in client.images.list(name)}
            client.images.load(file)
            loaded = client.images.get(name)
            for old in before - {str(loaded.id)}:
                with contextlib.suppress(docker.errors.APIError):
                    client.images.remove(old)
            return int(loaded.attrs["Size"])
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise Unavailable(f"the daemon does not take the image: {reason(error)}") from None
