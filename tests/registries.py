"""A real registry for a while: Debian's `docker-registry`, with a user and a password, in plain HTTP or TLS."""

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests import needs
from tests.ports import free_port
from tests.started import await_answer
from toolchain import registry_program
from toolchain.machine import Machine

USER, PASSWORD = "team", "correct horse"
# As `htpasswd -B` makes it of the two.
HTPASSWD = "team:$2b$04$0OsjVhI.8GznkfsGzXmo7uddiGsJIBiA1fSyNScmphlDmhphpptcW"
START_SECONDS = 20
CERTIFICATES = Path("/etc/docker/certs.d")


@dataclass(frozen=True)
class RunningRegistry:
    """A registry that answers."""

    address: str
    log: Path
    authority: Path | None = None
    """The certificate to trust."""


def program() -> Path:
    """Return the registry's program, which `make test` finds or makes."""
    machine = Machine.from_environ(dict(os.environ))
    found = next((way.value for way in registry_program.ways(machine) if not way.obstacle and way.name == "there"), "")
    assert found, "there is no docker-registry: run 'python -m toolchain registry'"
    return Path(found)


@contextmanager
def registry(host: str = "127.0.0.1", *, tls: bool = False, deletes: bool = True) -> Iterator[RunningRegistry]:
    """Start a registry at a free port of `host`, with TLS by an authority of its own where that is wanted."""
    if tls:
        needs.programs("openssl")
    with tempfile.TemporaryDirectory(prefix="registry-") as name:
        folder = Path(name)
        (folder / "htpasswd").write_text(HTPASSWD)
        address = f"{host}:{free_port(host)}"
        lines = [
            "version: 0.1",
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: {str(deletes).lower()}}}}}",
            f"auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}",
            f"http:\n  addr: {address}\n  relativeurls: true",
        ]
        if tls:
            make_certificate(folder, host)
            lines.append(f"  tls: {{certificate: {folder}/server.crt, key: {folder}/server.key}}")
        (folder / "config.yml").write_text("\n".join([*lines, ""]))
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program(), "serve", folder / "config.yml"], stdout=output, stderr=subprocess.STDOUT
            )
        try:
            wait_for(address, process, log)
            yield RunningRegistry(address, log, folder / "ca.crt" if tls else None)
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def trust(address: str, authority: Path) -> None:
    """Let Docker trust the registry at `address`, whose certificate is this authority's."""
    needs.root(f"trust of Docker's in a registry ({CERTIFICATES})")
    (CERTIFICATES / address).mkdir(parents=True)
    (CERTIFICATES / address / "ca.crt").write_bytes(authority.read_bytes())


def distrust(address: str) -> None:
    """Take that back, if it was given."""
    if (CERTIFICATES / address).exists():
        (CERTIFICATES / address / "ca.crt").unlink(missing_ok=True)
        (CERTIFICATES / address).rmdir()


def wait_for(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when something listens at `address`; raise `RuntimeError` with the log when it does not."""
    host, port = address.split(":")

    def ask() -> None:
        socket.create_connection((host, int(port)), timeout=1).close()

    await_answer(ask, process, log, "registry", START_SECONDS)


def make_certificate(folder: Path, host: str) -> None:
    """Make an authority and a certificate of it for the IP address `host`."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=tests' authority")
    (folder / "names").write_text(f"subjectAltName=IP:{host}\n")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={host}")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.crt", *signed)


def put_image(address: str, reference: str, labels: dict[str, str], created: str) -> str:
    """Put an image of one empty layer into a registry by its API; returns the manifest's digest."""
    import hashlib
    import json

    layer = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    diff = hashlib.sha256(b"").hexdigest()
    config = {"created": created, "architecture": "amd64", "os": "linux", "config": {"Labels": labels}}
    config["rootfs"] = {"type": "layers", "diff_ids": [f"sha256:{diff}"]}
    repository, _, tag = reference.removeprefix(f"{address}/").rpartition(":")
    base = f"http://{address}/v2/{repository}"
    described = []
    for content in (json.dumps(config).encode(), layer):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        start = requests.post(f"{base}/blobs/uploads/", auth=(USER, PASSWORD), timeout=10)
        place = f"http://{address}{start.headers['Location']}&digest={digest}"
        requests.put(place, data=content, auth=(USER, PASSWORD), timeout=10).raise_for_status()
        described.append({"digest": digest, "size": len(content)})
    types = ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip")
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {"mediaType": types[0], **described[0]},
        "layers": [{"mediaType": types[1], **described[1]}],
    }
    answer = requests.put(
        f"{base}/manifests/{tag}",
        data=json.dumps(manifest),
        headers={"Content-Type": kind},
        auth=(USER, PASSWORD),
        timeout=10,
    )
    answer.raise_for_status()
    return str(answer.headers["Docker-Content-Digest"])
