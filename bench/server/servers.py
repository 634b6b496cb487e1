"""The servers that are compared: how each is started with the same script and model, and what it takes."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from components import model_files
from components.models import describe

APPS = Path(__file__).parent / "apps"
SERVER = Path(__file__).parents[2] / "scoring" / "server"
START_SECONDS = 120.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.003
KEY = secrets.token_urlsafe(32)
"""Sent to all servers; this project's own asks for it where all is on."""
RECORDED_SHARE = 0.01


@dataclass(frozen=True)
class Candidate:
    """A server that can be started.

    Attributes:
        name: as the table has it.
        command: how it is started; `{port}` stands for its port.
        environ: variables of its own.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)


def candidates(peers: Path) -> list[Candidate]:
    """Return the servers of others; `peers` is the Python that has their packages."""
    bin_folder = peers.parent
    uvicorn = ["uvicorn", "asgi_app:app", "--http", "httptools", "--loop", "uvloop", "--no-access-log"]
    granian = ["granian", "wsgi_app:app", "--interface", "wsgi", "--no-access-log", "--port", "{port}"]
    return [
        Candidate("reference", [str(bin_folder / "azmlinfsrv"), "--entry_script", "score.py", "--port", "{port}"]),
        Candidate("raw ASGI + uvicorn", [str(peers), "-m", *uvicorn, "--port", "{port}"]),
        Candidate("WSGI + granian", [str(peers), "-m", *granian, "--workers", "1", "--blocking-threads", "1"]),
    ]


def all_on(folder: Path, model: Path, sample: Path) -> dict[str, str]:
    """Return settings of this project's server with everything on that a request or the start may cost, but TLS.

    Args:
        folder: an app root is made there, with the model as images have it, and the requests are recorded there.
        model: the model's file, whose digest is compared at the start.
        sample: a request's body, run before the server is ready.
    """
    root, records, keys = folder / "app", folder / "records", folder / "keys"
    described = describe(model, name="mnist", version="1")
    held, record = root / "azureml-models/mnist/1" / model.name, records / "mnist/1" / model_files.RECORD
    shutil.copytree(APPS, root)
    for path, content in (
        (held, model.read_bytes()),
        (record, model_files.record(described.files, model.name, described.sha256).encode()),
    ):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    keys.write_text(f"{KEY}\nanother\n")
    return {
        "AML_APP_ROOT": str(root),
        "AZUREML_MODEL_DIR": str(held.parent),
        "SCORING_MODEL_DIGESTS": json.dumps({"mnist/1": described.sha256}),
        "SCORING_MODEL_RECORDS": str(records),
        "SCORING_KEYS_FILE": str(keys),
        "SCORING_LOG_FORMAT": "json",
        "SCORING_REQUEST_LOG_RATE": str(RECORDED_SHARE),
        "SCORING_REQUEST_LOG_PATH": str(folder / "requests.jsonl"),
        "SCORING_WARMUP_SAMPLE": str(sample),
    }


def own(name: str, script: str, **environ: str) -> Candidate:
    """Return this project's server with a script and settings."""
    known = {"PYTHONPATH": str(SERVER), "AML_APP_ROOT": str(APPS), "AZUREML_ENTRY_SCRIPT": script}
    command = [sys.executable, "-m", "scoring_server", "--port", "{port}"]
    return Candidate(name, command, {**known, "SCORING_HOST": "127.0.0.1", **environ})


class Server:
    """A server that answers."""

    def __init__(self, candidate: Candidate, model: Path, cpus: AbstractSet[int]) -> None:
        """Start it on `cpus` and wait for its first 200 on `/`.

        Raises:
            RuntimeError: it ends, or does not answer in time.
        """
        self.name = candidate.name
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        started = time.monotonic()
        self._process = subprocess.Popen(
            [part.format(port=self.port) for part in candidate.command],
            cwd=APPS,
            env={**kept, "AZUREML_MODEL_DIR": str(model.parent), **candidate.environ},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() - started > START_SECONDS:
                self.stop()
                raise RuntimeError(f"{self.name} does not answer:\n{self.log}")
            time.sleep(POLL_SECONDS)
        self.seconds_to_ready = time.monotonic() - started

    @property
    def url(self) -> str:
        """Where requests are posted to."""
        return f"http://127.0.0.1:{self.port}/score"

    def _healthy(self) -> bool:
        try:
            return self._ask("GET", "/")[0] == 200
        except OSError:
            return False

    def answer(self, body: bytes) -> object:
        """Return what the server says to one request, decoded.

        Raises:
            RuntimeError: it answers anything but 200.
        """
        status, content = self._ask("POST", "/score", body)
        if status != 200:
            raise RuntimeError(f"{self.name} answers {status}: {content!r}")
        return json.loads(content)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                method, path, body, {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
            )
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def processes(self) -> list[int]:
        """Return the ids of the server's process and all below it."""
        return tree(self._process.pid)

    def cpu_seconds(self) -> float:
        """Return the CPU time that all threads of the server's processes have used so far."""
        nanoseconds = 0
        for pid in self.processes():
            for thread in Path(f"/proc/{pid}/task").iterdir():
                nanoseconds += int((thread / "schedstat").read_text().split()[0])
        return nanoseconds / 1e9

    def worker_mb(self) -> float:
        """Return the resident memory of the largest process, the one with the model, in MB of 10**6 bytes."""
        return max(memory_mb(pid, "Rss") for pid in self.processes())

    def whole_mb(self) -> float:
        """Return the memory of all processes, what they share counted once, in MB of 10**6 bytes."""
        return sum(memory_mb(pid, "Pss") for pid in self.processes())

    @property
    def log(self) -> str:
        """The last of what the server wrote."""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")[-5000:]

    def stop(self) -> None:
        """End all of the server's processes."""
        left = self.processes()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """Stop, and forget the log."""
        self.stop()
        self._log.close()


def tree(root: int) -> list[int]:
    """Return the ids of a process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def memory_mb(pid: int, kind: str) -> float:
    """Return the `Rss` or `Pss` of a process in MB of 10**6 bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no {kind}")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
