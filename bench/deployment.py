"""The measurements: cold, unchanged and edited deployments, and what stands beside them."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import requests
from docker.models.containers import Container

from components.image_config import BASE_IMAGE, BASE_IMAGE_VARIABLE
from scoring.mnist import data
from tests.e2e.project import check_out
from toolchain.state import file_address

EMPTY = {
    "Pulumi.yaml": "name: empty\nruntime:\n  name: python\n  options:\n    virtualenv: .toolchain/venv\n",
    "__main__.py": "import pulumi\n\npulumi.export('nothing', 0)\n",
}
ONE_SERVICE = {
    "model-webservice:services": [
        {"name": "bench-1", "style": "modelFile", "executionScript": "scoring/mnist/score_file.py"}
    ]
}
ANSWER_SECONDS = 60
SCRIPT = "scoring/mnist/score_file.py"
SCORING_URI = re.compile(r'scoringUri *: "([^"]+)"')


class Bench:
    """A checkout, an empty program and a daemon to measure with."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.say = say
        self.client = docker.from_env(timeout=300)
        self.checkout = check_out(folder / "checkout")
        self.empty = folder / "empty"
        self.empty.mkdir()
        for name, text in EMPTY.items():
            (self.empty / name).write_text(text)
        (self.empty / ".toolchain").symlink_to(self.checkout / ".toolchain")
        (folder / "state").mkdir()
        self.environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": file_address(folder / "state"),
            "PULUMI_CONFIG_PASSPHRASE": "of the bench",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }
        digits, labels = data.held_out()
        self.body = json.dumps({"data": digits[:5].tolist()})
        self.labels = labels[:5].tolist()
        (self.checkout / "stacks/Pulumi.one.yaml").write_text(f"config: {json.dumps(ONE_SERVICE)}\n")
        for stack in ("one", "dev"):
            self.pulumi("stack", "init", stack)
        self.pulumi("stack", "init", "dev", folder=self.empty)
        self.pulumi("up", "--yes", "--stack", "dev", folder=self.empty)  # its first `up` makes the stack
        self.pulumi("preview", "--stack", "one")  # locks and installs, as 'wheels cached' has it

    def round(self, number: int, of: int) -> dict[str, float]:
        """Measure everything once, the compared things next to each other; times in seconds."""
        empty = self.seconds(lambda: self.pulumi("up", "--yes", "--stack", "dev", folder=self.empty))
        self.forget_images()
        cold = self.seconds(self.up_and_answer)
        context = self.checkout / ".staging" / "one" / "bench-1-image"
        self.forget_images(keep="models/")
        bare = self.seconds(lambda: self.bare(context))
        self.pulumi("destroy", "--yes", "--stack", "one")
        everything = self.seconds(self.three_and_answers)
        unchanged = self.seconds(lambda: self.pulumi("up", "--yes", "--stack", "dev"))
        edited = self.seconds(lambda: self.edit_and_answer(number))
        self.pulumi("destroy", "--yes", "--stack", "dev")
        self.say(
            f"round {number} of {of}: empty up {empty:.1f} s, cold up {cold:.1f} s, bare docker {bare:.1f} s, "
            f"three services {everything:.1f} s, unchanged up {unchanged:.1f} s, edit to answer {edited:.1f} s"
        )
        return {
            "cold_up_ratio": (cold - empty) / bare,
            "noop_ratio": (unchanged - 2) / empty,
            "edit_to_answer_s": edited,
            "make_up_s": everything,
        }

    def up_and_answer(self) -> None:
        """Bring one service up and wait for its first correct answer, where `up` says that the service is."""
        printed = self.pulumi("up", "--yes", "--stack", "one")
        self.answer(SCORING_URI.findall(printed)[-1])

    def three_and_answers(self) -> None:
        """Bring three services up, everything cached, and wait for the answers of all."""
        self.pulumi("up", "--yes", "--stack", "dev")
        self.answers("dev")

    def edit_and_answer(self, number: int) -> None:
        """Change one line of a script and wait for the first answer of the container that has it."""
        path = self.checkout / SCRIPT
        path.write_text(path.read_text() + f"# edit {number}\n")
        self.three_and_answers()

    def bare(self, context: Path) -> None:
        """Build the same context and run it with Docker's client alone, up to the first correct answer."""
        cli, tag = {**self.environment, "DOCKER_BUILDKIT": "1"}, "bench-bare"
        subprocess.run(
            [docker_client(), "build", "--quiet", "--tag", tag, str(context)],
            check=True,
            env=cli,
            capture_output=True,
        )
        started = subprocess.run(
            [docker_client(), "run", "--detach", "--publish", "127.0.0.1::5001", "--cpus", "1", "--memory", "1g", tag],
            check=True,
            env=cli,
            capture_output=True,
            text=True,
        )
        container = self.client.containers.get(started.stdout.strip())
        try:
            published = container.attrs["NetworkSettings"]["Ports"]["5001/tcp"][0]["HostPort"]
            self.answer(f"http://127.0.0.1:{published}/score")
        finally:
            container.remove(force=True)

    def answers(self, stack: str) -> None:
        """Ask every service of a stack for five digits."""
        shown = self.pulumi("stack", "output", "services", "--json", "--stack", stack)
        for service in json.loads(shown).values():
            self.answer(service["scoringUri"])

    def answer(self, uri: str) -> None:
        """Ask until the service answers; raise `RuntimeError` when what it says is wrong."""
        end = time.monotonic() + ANSWER_SECONDS
        while (said := self.said(uri)) is None:
            if time.monotonic() > end:
                raise RuntimeError(f"{uri} does not answer within {ANSWER_SECONDS} s")
            time.sleep(0.02)
        right = sum(a == b for a, b in zip(said, self.labels, strict=True))
        if right < 4:
            raise RuntimeError(f"{uri} said {said}, the labels are {self.labels}")

    def said(self, uri: str) -> list[int] | None:
        """Return what the service predicts; None while it does not answer or still loads (503)."""
        try:
            answer = requests.post(uri, data=self.body, timeout=10)
        except requests.ConnectionError:
            return None
        if answer.status_code == 503:
            return None
        answer.raise_for_status()
        predicted: list[int] = answer.json()
        return predicted

    def image_mb(self) -> float:
        """Return the size of the sample's image, base included, in MB of 10**6 bytes."""
        self.three_and_answers()
        image = self.client.images.get(self.running().attrs["Image"])
        return float(image.attrs["Size"]) / 1e6

    def idle_cpu_percent(self, seconds: float) -> float:
        """Return the CPU that a healthy idle container uses, its health check included, in percent of one CPU."""
        container = self.running()

        def used() -> float:
            seen: Any = container.stats(stream=False)
            return float(seen["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9

        started, before = time.monotonic(), used()
        time.sleep(seconds)
        return (used() - before) / (time.monotonic() - started) * 100

    def running(self) -> Container:
        """Return the container of the first service."""
        return self.client.containers.get("aci-mnist-1")

    def forget_images(self, keep: str = "") -> None:
        """Remove every image but the base, those that begin with `keep`, and every build cache."""
        base = os.environ.get(BASE_IMAGE_VARIABLE, BASE_IMAGE)
        for image in self.client.images.list(all=False):
            for tag in image.tags:
                if tag != base and not (keep and tag.startswith(keep)):
                    self.client.images.remove(tag, force=True)
        self.client.images.prune(filters={"dangling": True})
        self.client.api.prune_builds(all=True)

    def close(self) -> None:
        """Remove what was deployed."""
        self.pulumi("destroy", "--yes", "--stack", "dev")
        self.client.close()

    def pulumi(self, *arguments: str, folder: Path | None = None) -> str:
        """Run the Pulumi CLI in a project and return what it prints; raise with its output when it fails."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=folder or self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"pulumi {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    @staticmethod
    def seconds(action: Callable[[], object]) -> float:
        """Return how long `action` takes."""
        started = time.monotonic()
        action()
        return time.monotonic() - started


def docker_client() -> str:
    """Return a Docker client that builds with BuildKit."""
    return "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
