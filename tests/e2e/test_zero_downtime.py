"""Updates of a service with `zeroDowntime`, under a steady load of which nothing may be lost.

The tests share one stack and run in the order in which they stand. Its first service has keys and TLS, as in staging;
the second is made of two versions.
"""

import json
import re
import secrets
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import docker
import pytest
import requests
from pulumi import automation

from tests.e2e.changing import MODEL, Changing
from tests.e2e.load import Load, load
from tests.e2e.project import Project, Run, check_out
from tests.holdings import BESIDE, containers, image_tags, nameless_images
from tests.tls_versions import assert_tls_1_2_or_newer

pytestmark = [pytest.mark.e2e, pytest.mark.beside]

STEADY, SHARED = BESIDE
SCRIPT = "scoring/mnist/score_steady.py"
CERTIFICATES = "certificates"


class Stack(Changing):
    """The stack with its keys, certificates and scripts, all of which the tests change."""

    def __init__(self, project: Project) -> None:
        super().__init__(project.checkout, SCRIPT, CERTIFICATES)
        self.project = project
        self.keys = {name: secrets.token_hex(32) for name in ("primaryKey", "secondaryKey")}
        self.shares = {"blue": 80, "green": 20}
        self.limits: dict[str, object] = {}
        for name in self.shares:
            (project.checkout / f"{name}.py").write_text(
                "import json\nimport time\n\n\ndef init():\n    pass\n\n\n"
                f"def run(data):\n    time.sleep(json.loads(data)['data'][0])\n    return '{name}'\n"
            )

    def up(self) -> Run:
        versions = [
            {"name": name, "executionScript": f"{name}.py", "trafficPercentile": share}
            for name, share in self.shares.items()
        ]
        self.project.configure(
            {
                "services": [
                    {"name": STEADY, "style": "modelFile", **self.access},
                    {"name": SHARED, "style": "image", "versions": versions, **self.limits},
                ],
                "modelPath": MODEL,
                "modelName": "e2e-shared",
                "executionScript": SCRIPT,
                "condaFile": "",
                "zeroDowntime": True,
                "waitTimeout": 60,
            }
        )
        for name, key in self.keys.items():
            self.project.stack.set_config(f"model-webservice:{name}", automation.ConfigValue(key, secret=True))
        return self.project.up()

    def uri(self, service: str) -> str:
        return self.project.services()[service]["scoringUri"]

    @contextmanager
    def load(self, key: str = "secondaryKey") -> Iterator[Load]:
        """Keep the first service busy; in the end, nothing may be lost."""
        with load(self.uri(STEADY), {"Authorization": f"Bearer {self.keys[key]}"}) as made:
            yield made
        assert made.lost == [], f"{len(made.lost)} of {made.total}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    base = tmp_path_factory.mktemp("steady")
    project = Project(check_out(base / "checkout"), base / "state")
    yield Stack(project)
    done = project.destroy()
    assert not done.failed, done.output


def standing(daemon: docker.DockerClient) -> list[str]:
    """Return what all containers of both services are named, those that never start too, without random digits."""
    names = [found.name for found in containers(daemon) if found.name.startswith((STEADY, SHARED))]
    return sorted(re.sub("-[0-9a-f]{7}$", "", name) for name in names)


OF_STEADY = [STEADY, f"{STEADY}-delivery", f"{STEADY}-gateway-delivery", f"{STEADY}-replica-1"]
OF_SHARED = [SHARED, f"{SHARED}-blue-1", f"{SHARED}-gateway-delivery", f"{SHARED}-green-1"]
ALL = sorted([*OF_STEADY, *OF_SHARED])


def gateways(daemon: docker.DockerClient) -> list[tuple[str, str]]:
    """Return what tells one gateway, and one start of it, from another."""
    seen = [daemon.api.inspect_container(name) for name in (STEADY, SHARED)]
    return [(one["Id"], one["State"]["StartedAt"]) for one in seen]


@pytest.fixture
def same_gateways(stack: Stack, daemon: docker.DockerClient) -> Iterator[None]:
    """Check that a test leaves both gateways running, and where they are."""
    before, uris = gateways(daemon), [stack.uri(name) for name in (STEADY, SHARED)]
    yield
    assert gateways(daemon) == before
    assert [stack.uri(name) for name in (STEADY, SHARED)] == uris


def test_gateways_stand_before_containers_that_nobody_else_reaches(stack: Stack, daemon: docker.DockerClient) -> None:
    run = stack.up()
    assert not run.failed, run.output
    assert standing(daemon) == ALL
    for found in containers(daemon, stopped=False):
        if found.name.startswith((STEADY, SHARED)):
            seen = found.attrs
            assert bool(seen["HostConfig"]["PortBindings"]) == (found.name in (STEADY, SHARED))
            assert (seen["Config"]["User"], seen["HostConfig"]["CapDrop"]) == ("10001:10001", ["ALL"])
            assert seen["HostConfig"]["ReadonlyRootfs"]


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    run = stack.up()
    assert (run.failed, run.operations) == (False, {}), run.output


@pytest.mark.usefixtures("same_gateways")
def test_requests_pass_as_they_are(stack: Stack) -> None:
    uri, headers = stack.uri(SHARED), {"x-request-id": "mine", "Content-Type": "application/json"}
    answer = requests.post(uri, data='{"data": [0]}', headers=headers, timeout=10)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "mine")
    large = b'{"data": [0], "more": "' + b"x" * (90 * 2**20) + b'"}'
    assert requests.post(uri, data=large, timeout=60).json() in ("blue", "green")
    assert requests.get(uri.replace("/score", "/stats"), timeout=10).status_code == 404
    guarded = requests.post(
        stack.uri(STEADY), data="{}", timeout=10, verify=f"{stack.checkout}/{CERTIFICATES}/certificate.pem"
    )
    assert guarded.status_code == 401
    parts = urlsplit(stack.uri(STEADY))
    assert_tls_1_2_or_newer(parts.hostname or "", parts.port or 0)


@pytest.mark.usefixtures("same_gateways")
def test_an_update_of_the_model_loses_nothing(stack: Stack, daemon: docker.DockerClient) -> None:
    stack.write_model("newer")
    with stack.load() as made:
        made.wait_for()
        run = stack.up()
        assert not run.failed, run.output
        made.wait_for('"first newer"')
    steps = run.operations[f"{STEADY}-replica-1"]
    assert steps.index("create-replacement") < steps.index("delete-replaced")
    assert standing(daemon) == ALL


@pytest.mark.usefixtures("same_gateways")
def test_an_update_of_the_script_loses_nothing(stack: Stack, daemon: docker.DockerClient) -> None:
    stack.write_script("second")
    with stack.load() as made:
        made.wait_for()
        run = stack.up()
        assert not run.failed, run.output
        made.wait_for('"second newer"')
    assert standing(daemon) == ALL


@pytest.mark.usefixtures("same_gateways")
def test_a_renewed_certificate_loses_nothing(stack: Stack) -> None:
    parts = urlsplit(stack.uri(STEADY))
    before = ssl.get_server_certificate((parts.hostname or "", parts.port or 0))
    stack.renew_certificate()
    with stack.load() as made:
        made.wait_for()
        run = stack.up()
        assert not run.failed, run.output
        made.wait_for()
    now = ssl.get_server_certificate((parts.hostname or "", parts.port or 0))
    assert now != before
    assert now.strip() == (stack.checkout / CERTIFICATES / "certificate.pem").read_text().strip()
    assert set(run.operations) == {f"{STEADY}-gateway-delivery"}


@pytest.mark.usefixtures("same_gateways")
def test_a_new_key_loses_nothing(stack: Stack) -> None:
    with stack.load() as made:
        made.wait_for()
        done = stack.project.scoring("service", "regen-key", "primary")
        assert done.returncode == 0, done.stdout + done.stderr
        made.wait_for()
    new = stack.project.stack.get_config("model-webservice:primaryKey").value
    assert new != stack.keys["primaryKey"]
    stack.keys["primaryKey"] = new
    with stack.load("primaryKey") as made:
        made.wait_for()


@pytest.mark.usefixtures("same_gateways")
def test_nothing_secret_is_seen_but_by_gateway_and_server(stack: Stack, daemon: docker.DockerClient) -> None:
    private_key = (stack.checkout / CERTIFICATES / "private-key.pem").read_text().splitlines()[1]
    found = [seen for seen in containers(daemon) if seen.name.startswith(STEADY)]
    images = [daemon.images.get(seen.attrs["Image"]) for seen in found]
    texts = {
        "inspect": json.dumps([daemon.api.inspect_container(seen.id) for seen in found]),
        "images": json.dumps([[image.attrs, image.history()] for image in images]),
        "volumes": json.dumps([volume.attrs for volume in daemon.volumes.list()]),
        "log": "".join(seen.logs().decode() for seen in found),
        "processes": json.dumps([seen.top() for seen in found if seen.status == "running"]),
    }
    for path in [*stack.project.backend.rglob("*"), *(stack.checkout / ".staging").rglob("*")]:
        if path.is_file():
            texts[str(path)] = path.read_text("latin-1")
    assert "haproxy" in texts["processes"]
    secret = [*stack.keys.values(), private_key]
    assert [place for place, text in texts.items() if any(each in text for each in secret)] == []


def first_exit(daemon: docker.DockerClient, since: float) -> float:
    """When the first container of the first service ended with an error: Docker has started it again meanwhile."""
    died = daemon.events(
        since=f"{since:.6f}", until=f"{time.time():.6f}", filters={"type": "container", "event": "die"}, decode=True
    )
    of_steady = [event for event in died if event["Actor"]["Attributes"]["name"].startswith(f"{STEADY}-replica")]
    (first, *_) = (event for event in of_steady if event["Actor"]["Attributes"]["exitCode"] != "0")
    return float(first["timeNano"]) / 1e9


@pytest.mark.usefixtures("same_gateways")
def test_an_update_that_fails_loses_nothing_and_the_next_good_one_cleans_up(
    stack: Stack, daemon: docker.DockerClient
) -> None:
    stack.write_script("third", "raise ValueError('no such weights')")
    with stack.load() as made:
        made.wait_for()
        started = time.time()
        run = stack.up()
        ended = time.time()
        assert run.failed
        assert ended - first_exit(daemon, started) < 30, "not the minutes that it may take to become ready"
        assert f"the container of {STEADY} exited" in run.output
        assert "ValueError: no such weights" in run.output
        made.wait_for()
        stack.write_script("second")
        run = stack.up()
        assert not run.failed, run.output
        made.wait_for()
    assert standing(daemon) == ALL
    run = stack.up()
    assert not run.failed, run.output
    assert standing(daemon) == ALL
    assert not [name for name in run.operations if "replica" in name], run.operations


@pytest.mark.usefixtures("same_gateways")
def test_no_version_is_taken_up_where_another_fails(stack: Stack, daemon: docker.DockerClient) -> None:
    scripts = {name: (stack.checkout / f"{name}.py").read_text() for name in stack.shares}
    (stack.checkout / "blue.py").write_text(scripts["blue"].replace("'blue'", "'newer'"))
    (stack.checkout / "green.py").write_text(scripts["green"].replace("    pass", "    raise ValueError('no weights')"))
    with load(stack.uri(SHARED), data=0) as made:
        made.wait_for()
        run = stack.up()
        assert run.failed
        assert "ValueError: no weights" in run.output
        made.wait_for()
    assert (made.lost, set(made.answers)) == ([], {'"blue"', '"green"'})
    for name, text in scripts.items():
        (stack.checkout / f"{name}.py").write_text(text)
    run = stack.up()
    assert not run.failed, run.output
    assert standing(daemon) == ALL
    run = stack.up()
    assert not run.failed, run.output
    assert not [name for name in run.operations if not name.endswith("-stored")], run.operations


def shares(stack: Stack, count: int = 400) -> Counter[str]:
    """Return which version answered how many of `count` requests."""
    uri = stack.uri(SHARED)
    with requests.Session() as session:
        return Counter(session.post(uri, json={"data": [0]}, timeout=10).json() for _ in range(count))


@pytest.mark.usefixtures("same_gateways")
def test_versions_get_their_shares_and_change_them_without_a_loss(stack: Stack) -> None:
    assert 40 < shares(stack)["green"] < 120, "20 of 100, and five times the deviation"
    stack.shares = {"blue": 20, "green": 80}
    with load(stack.uri(SHARED), data=0) as made:
        made.wait_for()
        run = stack.up()
        assert not run.failed, run.output
        made.wait_for('"green"')
    assert made.lost == []
    assert set(run.operations) == {f"{SHARED}-gateway-delivery"}
    assert 280 < shares(stack)["green"] < 360


@pytest.mark.usefixtures("same_gateways")
def test_requests_that_wait_too_long_for_a_container_are_told_to_come_again(stack: Stack) -> None:
    stack.limits = {"replicaMaxConcurrentRequests": 1, "maxRequestWaitTime": 1000}
    run = stack.up()
    assert not run.failed, run.output
    assert set(run.operations) == {f"{SHARED}-gateway-delivery"}
    uri = stack.uri(SHARED)

    def ask(seconds: float) -> requests.Response:
        return requests.post(uri, json={"data": [seconds]}, timeout=20)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [4] * 8))
    good = [answer for answer in answers if answer.status_code == 200]
    busy = [answer for answer in answers if answer.status_code != 200]
    assert 1 <= len(good) <= 2, "one for each version"
    for answer in busy:
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json() == {"message": "The service is busy or not ready. Try again later."}
        assert answer.headers["x-request-id"]


def test_destroy_leaves_nothing(stack: Stack, daemon: docker.DockerClient) -> None:
    run = stack.project.destroy()
    assert not run.failed, run.output
    assert standing(daemon) == []
    left = [*daemon.networks.list(), *daemon.volumes.list()]
    assert [one.name for one in left if one.name.startswith((STEADY, SHARED))] == []
    images = image_tags(daemon)
    assert [tag for tag in images if tag.startswith((STEADY, SHARED))] == []
    dangling = [labels for _, labels in nameless_images(daemon)]
    assert not [labels for labels in dangling if any(STEADY in str(value) for value in labels.values())]
