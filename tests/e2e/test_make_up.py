"""`make up` and `make down`, as on a user's machine: the toolchain's verbs in a checkout, with its stacks and state.

The packages are those that run the tests; all else is looked for, and made where it is missing. The tests share the
checkout and run in the order in which they stand.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from components.image_config import BASE_IMAGE, BASE_IMAGE_VARIABLE
from scoring.digits import GAP, SIDE
from tests import ssh
from tests.e2e.own_daemon import copy_images, own_daemon
from tests.e2e.project import UNTRACKED, check_out
from tests.holdings import containers, image_tags, networks_and_volumes
from toolchain import bootstrap, state
from toolchain.layout import Layout
from toolchain.machine import users_environ

pytestmark = pytest.mark.e2e

NAMES = ("aci-mnist-1", "aci-mnist-2", "aci-mnist-3")
IMAGES = ("aci-mnist-1", "aci-mnist-2", "myimage1", "models/sklearn_mnist", "models/sklearn_mnist_model.pkl")
OWN = "e2e-churn"
OWN_SETTINGS: dict[str, object] = {
    "services": [{"name": OWN, "style": "registeredModel"}],
    "modelPath": "../churn/model.txt",
    "modelName": "churn",
    "executionScript": "../churn/score.py",
    "condaFile": "../churn/environment.yml",
}
PARTS = ("packages", "engine", "language host", "plugin", "daemon", "base image", "model", "state")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Told:
    """What a verb said."""

    code: int
    text: str

    @property
    def parts(self) -> dict[str, str]:
        """The word `found` or `made` of each part."""
        lines = re.findall(rf"^({'|'.join(PARTS)}) +(found|made): ", self.text, re.MULTILINE)
        assert len(lines) == len(dict(lines)), "a line for each"
        return dict(lines)

    def part(self, name: str) -> str:
        """What is said of a part."""
        found = re.search(rf"^{name} +(?:found: |made: )?(.*)$", self.text, re.MULTILINE)
        assert found, self.text
        return found.group(1)


@dataclass(frozen=True)
class Checkout:
    """A checkout on the machine of a user without a login."""

    folder: Path
    environ: dict[str, str]

    def make(self, verb: str, stack: str = "dev", **variables: str) -> Told:
        """Do what `make up` and its like do."""
        return self.run([sys.executable, "-m", "toolchain", verb, "--stack", stack], **variables)

    def kill_up(self, stack: str, moment: str) -> str:
        """Do `make up` and kill all its processes once it says something; returns what it said until then.

        Args:
            stack: the stack's name.
            moment: what it says, as a regular expression.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", "toolchain", "up", "--stack", stack],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said = ""
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                said += line
                if re.search(moment, ANSI.sub("", line)):
                    os.killpg(process.pid, signal.SIGKILL)
                    break
        assert process.wait() == -signal.SIGKILL, said
        return said

    def run(self, command: Sequence[str], **variables: str) -> Told:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Told(done.returncode, ANSI.sub("", done.stdout))

    def write_stack(self, name: str, settings: dict[str, object]) -> None:
        config = {f"model-webservice:{key}": value for key, value in settings.items()}
        (self.folder / "stacks" / f"Pulumi.{name}.yaml").write_text(json.dumps({"config": config}))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, daemon: docker.DockerClient) -> Checkout:
    there = {container.name for container in containers(daemon)} & {*NAMES, OWN}
    assert not there, f"the containers {', '.join(sorted(there))} are in the way of this test: make down"
    base = tmp_path_factory.mktemp("make")
    folder = check_out(base / "checkout")
    lend_packages(folder)
    (base / "credentials").mkdir()
    environ = users_environ(os.environ, Layout(Path(sys.prefix).parent.parent, base))
    for name in (*state.LOGINS, *state.PASSPHRASES):
        environ.pop(name, None)
    own = {"PULUMI_CREDENTIALS_PATH": str(base / "credentials"), "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
    return Checkout(folder, environ | own)


def lend_packages(checkout: Path) -> None:
    """Give a checkout the packages that run this test, as a virtual environment of its own."""
    folder, lent = checkout / ".toolchain", Path(sys.prefix)
    folder.unlink(missing_ok=True)
    (folder / "venv").mkdir(parents=True)
    stamp = bootstrap.read_stamp(lent / bootstrap.STAMP)
    lock = hashlib.sha256((checkout / bootstrap.LOCK).read_bytes()).hexdigest()
    assert stamp.get("lock") == lock, f"{lent} has not what {bootstrap.LOCK} pins: make toolchain"
    for entry in lent.iterdir():
        if entry.name not in ("pyvenv.cfg", bootstrap.STAMP):
            (folder / "venv" / entry.name).symlink_to(entry)
    shutil.copyfile(lent / "pyvenv.cfg", folder / "venv" / "pyvenv.cfg")
    (folder / "venv" / bootstrap.STAMP).write_text(json.dumps({**stamp, "venv": str(folder / "venv")}))


@pytest.fixture(scope="module")
def before(checkout: Checkout, daemon: docker.DockerClient) -> Iterator[set[str]]:
    """What the daemon holds before the first `make up`; what is left of the stack goes in any case."""
    yield held(daemon)
    assert checkout.make("down").code == 0


def held(client: docker.DockerClient) -> set[str]:
    """What the stack could leave behind."""
    return {
        *(f"container {one.name}" for one in containers(client) if one.name in NAMES),
        *networks_and_volumes(client),
        *(f"image {tag}" for tag in image_tags(client) if tag.rpartition(":")[0] in IMAGES),
    }


def running(client: docker.DockerClient) -> dict[str, str]:
    """The running containers of the services, each with its id."""
    return {one.name: one.id for one in containers(client, stopped=False) if one.name in NAMES}


def readings(told: Told) -> dict[str, tuple[list[str], list[str]]]:
    """What the closing table says that each service read, and the true labels."""
    found = {}
    for name in NAMES:
        row = re.search(
            rf"^ *{name} +(\S+) +(\S+) +Healthy +http://127\.0\.0\.1:\d+/score +(.*)$", told.text, re.MULTILINE
        )
        assert row, told.text
        labels = re.findall(r"\d", row.group(3))
        found[name] = (labels[:5], labels[5:])
    return found


def test_up_brings_up_three_services_that_answer_alike(
    checkout: Checkout, daemon: docker.DockerClient, before: set[str]
) -> None:
    told = checkout.make("up")
    assert told.code == 0, told.text
    assert set(told.parts) == set(PARTS)
    assert {part for part, word in told.parts.items() if word == "made"} <= {"plugin", "state"}
    assert told.parts["state"] == "made"
    assert running(daemon).keys() == set(NAMES)
    seen = readings(told)
    predicted, true = zip(*seen.values(), strict=True)
    assert predicted[0] == predicted[1] == predicted[2]
    assert true[0] == true[1] == true[2]
    assert len(true[0]) == len(predicted[0]) == 5
    assert "The 3 services answer alike" in told.text
    assert re.findall(r"\btrue (\d)\b", told.text) == true[0]
    drawn = [line for line in told.text.splitlines() if re.search("[▀▄█]", line)]
    places = [number * (SIDE + GAP) for number in range(5)]
    assert all(any(line[place : place + SIDE].strip() for line in drawn) for place in places), "each digit is drawn"
    assert held(daemon) - before >= {f"container {name}" for name in NAMES}


def test_up_again_changes_nothing(checkout: Checkout, daemon: docker.DockerClient) -> None:
    before = running(daemon)
    told = checkout.make("up")
    assert told.code == 0, told.text
    assert set(told.parts.items()) == {(part, "found") for part in PARTS}
    summary = told.text.partition("\nResources:\n")[2].partition("\n\n")[0]
    assert re.fullmatch(r" +\d+ unchanged", summary), told.text
    assert running(daemon) == before
    assert readings(told).keys() == set(NAMES)


def test_plain_pulumi_works_once_the_file_is_sourced(checkout: Checkout) -> None:
    sourced = ". ./.toolchain/env && . ./.toolchain/env && pulumi"
    preview = checkout.run(["sh", "-c", f"{sourced} preview --stack dev --expect-no-changes"])
    assert preview.code == 0, preview.text
    services = checkout.run(["sh", "-c", f"{sourced} stack output services --json --stack dev"])
    assert set(json.loads(services.text)) == set(NAMES)


def test_the_users_pulumi_is_not_touched(checkout: Checkout) -> None:
    assert list(Path(checkout.environ["PULUMI_CREDENTIALS_PATH"]).iterdir()) == []
    assert (checkout.folder / ".pulumi" / "stacks" / "model-webservice" / "dev.json").exists()


def test_down_leaves_nothing(checkout: Checkout, daemon: docker.DockerClient, before: set[str]) -> None:
    told = checkout.make("down")
    assert told.code == 0, told.text
    assert held(daemon) - before == set()
    again = checkout.make("down")
    assert again.code == 0, again.text


@pytest.mark.parametrize("verb", ["up", "preview", "secrets"])
def test_a_stack_that_nobody_wrote_is_not_made(checkout: Checkout, verb: str) -> None:
    told = checkout.make(verb, "dve")
    assert told.code == 2
    assert "there is no stacks/Pulumi.dve.yaml; there are dev, prod, staging. Did you mean 'dev'?" in told.text
    listed = checkout.run(["sh", "-c", ". ./.toolchain/env && pulumi stack ls --json"])
    assert [stack["name"] for stack in json.loads(listed.text)] == ["dev"]
    assert not (checkout.folder / "stacks" / "Pulumi.dve.yaml").exists()


@pytest.fixture(scope="module")
def own_model(checkout: Checkout) -> Iterator[Path]:
    """A model of the user's beside the checkout, in which there is none of the sample."""
    folder = checkout.folder.parent / "churn"
    folder.mkdir()
    (folder / "score.py").write_text(
        "from azureml.core.model import Model\n\n\n"
        'def init():\n    global text\n    text = open(Model.get_model_path("churn")).read()\n\n\n'
        "def run(data):\n    return [text, data]\n"
    )
    (folder / "model.txt").write_text("stays")
    (folder / "environment.yml").write_text("dependencies:\n  - python=3.11\n")
    (checkout.folder / UNTRACKED[0]).unlink()
    checkout.write_stack("own", OWN_SETTINGS)
    yield folder
    assert checkout.make("down", "own").code == 0


def test_up_goes_on_after_one_that_was_killed(checkout: Checkout, own_model: Path) -> None:
    said = checkout.kill_up("own", rf"{OWN}-container creating")
    locks = checkout.folder / ".pulumi/locks/organization/model-webservice/own"
    (lock,) = locks.iterdir()
    pid = json.loads(lock.read_text())["pid"]
    told = checkout.make("up", "own")
    assert told.code == 0, f"{said}\n{told.text}"
    assert f"gave back its lock, held by a pulumi that was killed (pid {pid})" in told.text
    assert list(locks.iterdir()) == []
    assert f"{OWN} is healthy" in told.text


def test_a_model_of_ones_own_is_deployed_and_tried(checkout: Checkout, own_model: Path) -> None:
    told = checkout.make("up", "own")
    assert told.code == 0, told.text
    assert told.part("model") == "../churn/model.txt"
    assert not (checkout.folder / UNTRACKED[0]).exists(), "the sample is not trained"
    assert f"{OWN} is healthy; it has no sample to send" in told.text
    (own_model / "sample_input.json").write_text('{"months": 3}')
    told = checkout.make("up", "own")
    assert told.code == 0, told.text
    assert f"{OWN} answers its own sample." in told.text
    assert r'["stays", "{\"months\": 3}"]' in told.text


@pytest.fixture
def far() -> Iterator[str]:
    """A Docker host of its own, with the base image; return its address."""
    with own_daemon() as host:
        copy_images([os.environ.get(BASE_IMAGE_VARIABLE, BASE_IMAGE)], host)
        yield host


@pytest.fixture
def by_ssh(checkout: Checkout, far: str, tmp_path: Path) -> dict[str, str]:
    """The variables of a user who reaches that host by ssh alone, and whose own daemon does not answer."""
    ssh.put(tmp_path, far.removeprefix("unix://"))
    return {"PATH": f"{tmp_path}:{checkout.environ['PATH']}", "DOCKER_HOST": "unix:///nowhere.sock"}


@pytest.fixture
def far_stack(checkout: Checkout, own_model: Path, far: str, by_ssh: dict[str, str]) -> Iterator[str]:
    """A stack that names that host; return its name."""
    checkout.write_stack("far", {**OWN_SETTINGS, "dockerHost": "ssh://far"})
    yield "far"
    down = checkout.make("down", "far", **by_ssh)
    assert down.code == 0, down.text
    assert names_at(far) == []


def names_at(host: str) -> list[str]:
    """The containers of a Docker host."""
    with contextlib.closing(docker.DockerClient(base_url=host)) as client:
        return [container.name for container in containers(client)]


def test_a_stack_with_a_daemon_of_its_own_needs_no_other(
    checkout: Checkout, far: str, far_stack: str, by_ssh: dict[str, str]
) -> None:
    told = checkout.make("up", far_stack, **by_ssh)
    assert told.code == 0, told.text
    assert told.part("daemon").endswith(", ssh://far (the setting dockerHost in stacks/Pulumi.far.yaml)")
    assert names_at(far) == [OWN]
    assert f"{OWN} answers its own sample." in told.text


def test_a_daemon_that_a_stack_names_is_not_replaced(checkout: Checkout, tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/none.sock"
    checkout.write_stack("gone", {"dockerHost": host})
    told = checkout.make("preview", "gone")
    assert told.code == 1
    assert f"tried {host} (the setting dockerHost in stacks/Pulumi.gone.yaml): no such socket" in told.text
