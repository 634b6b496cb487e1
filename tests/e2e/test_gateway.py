"""A service that gets a gateway and gives it up again, and what passes through one meanwhile.

The tests share one stack with one service and run in the order in which they stand.
"""

import http.client
import json
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import docker
import pytest
import requests
from docker.models.containers import Container

from tests.e2e.load import load
from tests.e2e.networks import host_in
from tests.e2e.project import Project, Run, check_out, plain_service
from tests.holdings import containers

pytestmark = pytest.mark.e2e

SERVICE = "e2e-front"
GATED = [SERVICE, f"{SERVICE}-gateway-delivery", f"{SERVICE}-replica-1", f"{SERVICE}-replica-2"]
KILLED = 128 + signal.SIGKILL
"""The exit status of a container that did not end in time."""
SCRIPT = """\
import json, os, socket, time
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init():
    global word
    word = "WORD"

def chunks():
    for number in range(3):
        yield f"{number}\\n"
        time.sleep(1)

@rawhttp
def run(request):
    asked = json.loads(request.get_data() or b"{}")
    time.sleep(asked.get("sleep", 0) if isinstance(asked, dict) else 0)
    if request.args.get("stream"):
        return AMLResponse(chunks(), 200)
    return {"word": word, "host": socket.gethostname(), "caller": request.remote_addr, "scheme": request.scheme,
            "forwarded": request.headers.get("X-Forwarded-For", "")}
"""


class Fronted:
    """The stack, and what it is asked for."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.settings = plain_service(project.checkout, SERVICE, executionScript="front.py")
        self.write("first")

    def write(self, word: str) -> None:
        """Write a script that answers with a word."""
        (self.project.checkout / "front.py").write_text(SCRIPT.replace("WORD", word))

    def up(self, **settings: object) -> Run:
        """Change settings and deploy them, which must not fail."""
        self.settings |= settings
        self.project.configure(self.settings)
        run = self.project.up()
        assert not run.failed, run.output
        return run

    @property
    def uri(self) -> str:
        return str(self.project.services()[SERVICE]["scoringUri"])

    def ask(self, **headers: str) -> dict[str, str]:
        answer = requests.post(self.uri, data="{}", headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()
        return found


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    base = tmp_path_factory.mktemp("front")
    project = Project(check_out(base / "checkout"), base / "state")
    yield Fronted(project)
    done = project.destroy()
    assert not done.failed, done.output


def of_service(daemon: docker.DockerClient) -> list[Container]:
    """Return all containers of the service, those that never start too."""
    return [found for found in containers(daemon) if found.name.startswith(SERVICE)]


def standing(daemon: docker.DockerClient) -> list[str]:
    """Return what they are named, without random digits."""
    return sorted(re.sub("-[0-9a-f]{7}$", "", found.name) for found in of_service(daemon))


def test_a_running_service_gets_a_gateway_at_its_port(front: Fronted, daemon: docker.DockerClient) -> None:
    front.up()
    before = front.uri
    front.up(zeroDowntime=True, replicas=2)
    assert standing(daemon) == GATED
    service = front.project.services()[SERVICE]
    assert (service["scoringUri"], service["state"]) == (before, "Healthy")
    run = front.up()
    assert run.operations == {}, run.output


def test_replicas_share_the_requests_and_one_that_is_stopped_loses_none(
    front: Fronted, daemon: docker.DockerClient
) -> None:
    scoring = [found for found in of_service(daemon) if "-replica-" in found.name]
    assert {front.ask()["host"] for _ in range(20)} == {found.id[:12] for found in scoring}
    with load(front.uri) as made:
        made.wait_for()
        scoring[0].stop(timeout=30)
        made.wait_for()
        run = front.up()
        assert list(run.operations) == [f"{SERVICE}-replica-{scoring[0].name.split('-')[-2]}"], run.output
        made.wait_for()
    assert made.lost == []
    assert len({front.ask()["host"] for _ in range(20)}) == 2


def test_the_script_sees_the_caller_and_nobody_may_say_he_is_another(
    front: Fronted, daemon: docker.DockerClient
) -> None:
    (network,) = (found for found in daemon.networks.list() if found.name.startswith(SERVICE))
    ours = host_in(network)
    seen = front.ask(**{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    assert (seen["forwarded"], seen["caller"], seen["scheme"]) == (ours, ours, "http")


def test_a_streamed_answer_passes_as_it_is_made(front: Fronted) -> None:
    parts = urlsplit(front.uri)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    started = time.monotonic()
    connection.request("POST", f"{parts.path}?stream=1", "{}")
    answer = connection.getresponse()
    assert answer.getheader("Transfer-Encoding") == "chunked"
    assert answer.readline() == b"0\n"
    first = time.monotonic() - started
    assert answer.read() == b"1\n2\n"
    assert time.monotonic() - started > first + 1
    connection.close()


RELOAD = """
for folder in /proc/[0-9]*; do
    read -r name <$folder/comm; read -r pid _ _ parent _ <$folder/stat
    [[ $name == haproxy && $(</proc/$parent/comm) != haproxy ]] && kill -USR2 $pid && exit
done 2>/dev/null
exit 1
"""


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_gateway_that_is_stopped_answers_what_is_open_and_ends(
    front: Fronted, daemon: docker.DockerClient, reloaded: bool
) -> None:
    gateway = daemon.containers.get(SERVICE)
    with ThreadPoolExecutor(1) as pool, requests.post(f"{front.uri}?stream=1", stream=True, timeout=30) as answer:
        lines = answer.iter_lines()
        assert next(lines) == b"0"
        if reloaded:  # the request is now another process' than new ones are
            assert gateway.exec_run(["bash", "-c", RELOAD]).exit_code == 0
        stopped = pool.submit(gateway.stop, timeout=20)
        assert list(lines) == [b"1", b"2"]
        stopped.result()
    gateway.reload()
    assert gateway.attrs["State"]["ExitCode"] != KILLED
    front.up()
    assert front.ask()["word"] == "first"


def test_a_request_that_takes_long_survives_an_update(front: Fronted, daemon: docker.DockerClient) -> None:
    front.write("second")
    with ThreadPoolExecutor(1) as pool, load(front.uri) as made:
        made.wait_for()
        slow = pool.submit(requests.post, front.uri, data=json.dumps({"sleep": 20}), timeout=60)
        run = front.up()
        assert {name for name in run.operations if "image" not in name and "stored" not in name} == {
            f"{SERVICE}-gateway-delivery",
            f"{SERVICE}-replica-1",
            f"{SERVICE}-replica-2",
        }
        assert slow.result().json()["word"] == "first"
        assert front.ask()["word"] == "second"
    assert made.lost == []
    assert standing(daemon) == GATED


def test_what_somebody_removed_is_there_again(front: Fronted, daemon: docker.DockerClient) -> None:
    before = front.uri
    for part in (f"{SERVICE}-replica-2", SERVICE, f"{SERVICE}-gateway-delivery"):
        (gone,) = (found for found in of_service(daemon) if re.fullmatch(rf"{part}(-[0-9a-f]{{7}})?", found.name))
        gone.remove(force=True)
        front.up()
        assert standing(daemon) == GATED
        assert front.ask()["word"] == "second"
    assert front.uri.rpartition(":")[0] == before.rpartition(":")[0]
    assert front.up().operations == {}


def test_what_somebody_paused_or_took_off_its_network_is_back(front: Fronted, daemon: docker.DockerClient) -> None:
    scoring = [found for found in of_service(daemon) if "-replica-" in found.name]
    scoring[0].pause()
    (network,) = (found for found in daemon.networks.list() if found.name.startswith(SERVICE))
    network.disconnect(daemon.containers.get(SERVICE))
    run = front.up()
    for part in ("paused", f"off the network {network.name}"):
        assert f"{SERVICE}: its container was {part}; that is undone" in run.output
    assert len({front.ask()["host"] for _ in range(20)}) == 2
    assert front.up().operations == {}


def test_fewer_replicas_lose_nothing(front: Fronted, daemon: docker.DockerClient) -> None:
    with load(front.uri) as made:
        made.wait_for()
        front.up(replicas=1)
        made.wait_for()
    assert made.lost == []
    assert standing(daemon) == GATED[:3]


def test_a_service_gives_up_its_gateway(front: Fronted, daemon: docker.DockerClient) -> None:
    front.settings.pop("replicas")
    front.up(zeroDowntime=False)
    assert standing(daemon) == [SERVICE]
    assert front.ask()["word"] == "second"
    assert front.up().operations == {}


def test_destroy_works_whatever_was_removed_by_hand(front: Fronted, daemon: docker.DockerClient) -> None:
    front.up(zeroDowntime=True)
    for found in of_service(daemon):
        found.remove(force=True)
    for volume in daemon.volumes.list():
        if volume.name.startswith(SERVICE):
            volume.remove()
    for network in daemon.networks.list():
        if network.name.startswith(SERVICE):
            network.remove()
    done = front.project.destroy()
    assert not done.failed, done.output
    left = [*daemon.networks.list(), *daemon.volumes.list(), *containers(daemon)]
    assert [one.name for one in left if one.name.startswith(SERVICE)] == []
