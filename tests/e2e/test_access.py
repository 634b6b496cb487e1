"""A service with keys and TLS on a real daemon: who gets in, what changes under it, and that nobody sees a key.

The tests share one stack with one service and run in the order in which they stand.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from components import readiness
from components.daemon import connect
from scoring.endpoint import Endpoint, ServiceError
from scoring.stack import Stack
from scoring.webservice import Webservice
from tests.e2e.exported import found_in
from tests.e2e.meanwhile import repeating
from tests.e2e.project import Project, check_out
from tests.e2e.waiting import eventually
from tests.holdings import containers
from tests.pki import make_certificate
from tests.tls_versions import assert_tls_1_2_or_newer

pytestmark = pytest.mark.e2e

SERVICE = "e2e-guarded"
CNAME = "mnist.example.test"
"""A name that no resolver knows."""

SCRIPT = "scoring/mnist/score_guarded.py"
SCRIPT_LINE = "def run(data):\n    return 'first'"
NETWORK, LABEL = "e2e-guarded-network", "guarded"
SETTINGS = {
    "services": [
        {"name": SERVICE, "style": "modelFile", "cpuCores": 0.5, "memoryGb": 0.3, "dnsNameLabel": LABEL},
    ],
    "vnetName": NETWORK,
    "collectModelData": True,
    "properties": {"team": "crm"},
    "modelPath": "model.txt",
    "executionScript": SCRIPT,
    "waitTimeout": 60,
    "authEnabled": True,
    "sslEnabled": True,
    "sslCertPemFile": "tls/certificate.pem",
    "sslKeyPemFile": "tls/private-key.pem",
    "sslCname": CNAME,
}


@pytest.fixture(scope="module")
def network(daemon: docker.DockerClient) -> Iterator[None]:
    """An existing network of others."""
    made = daemon.networks.create(NETWORK)
    yield
    made.remove()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, network: None) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("guarded")
    made = Project(check_out(base / "checkout"), base / "state")
    (made.checkout / "model.txt").write_text("a model\n")
    (made.checkout / SCRIPT).write_text(f"def init():\n    pass\n\n\n{SCRIPT_LINE}\n")
    make_certificate(made.checkout / "tls", [CNAME])
    made.configure(SETTINGS)
    yield made
    done = made.destroy()
    assert not done.failed, done.output


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What Pulumi printed and the command lines that ran, for the last test to look through."""
    return []


def service_of(project: Project) -> Endpoint:
    stack = Stack(project.stack.name, project.checkout, project.variables)
    return Webservice(SERVICE, stack).endpoint


def status(service: Endpoint, key: str) -> int:
    """Return the status that a caller with this key alone gets."""
    try:
        replace(service, keys=(key,) if key else ()).run("{}")
    except ServiceError as error:
        return error.status or 0
    return 200


@contextmanager
def callers(service: Endpoint) -> Iterator[list[str]]:
    """Call a service over and over meanwhile; yields the list of what went wrong."""
    wrong: list[str] = []
    answered = threading.Event()

    def call() -> None:
        try:
            service.run("{}")
            answered.set()
        except ServiceError as error:
            wrong.append(str(error))

    with repeating(call, threads=2):
        assert answered.wait(30)
        yield wrong


def test_missing_keys_are_set_by_one_command(project: Project, said: list[str]) -> None:
    run = project.preview()
    assert run.failed
    assert f"make secrets STACK={project.stack.name}" in run.output
    with command_lines() as lines:
        done = project.scoring("secrets", "--json")
    assert any("pulumi config set" in line for line in lines), "command lines are seen"
    said.extend(lines)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["made"] == ["primaryKey", "secondaryKey"]
    assert seen["kept"] == ["sslCertPemFile", "sslKeyPemFile"]


def test_callers_need_a_key_and_the_certificates_name(
    project: Project, daemon: docker.DockerClient, said: list[str]
) -> None:
    with command_lines() as lines:
        run = project.up()
    assert any("pulumi --non-interactive up" in line for line in lines), "command lines are seen"
    said.extend([run.output, *lines])
    assert not run.failed, run.output
    service = service_of(project)
    assert service.scoring_uri.startswith(f"https://{CNAME}:")
    assert service.run("{}") == "first"
    assert [status(service, key) for key in (*service.keys, "", "x" * 64)] == [200, 200, 401, 401]
    assert service.state() == "Healthy"
    with pytest.raises(ServiceError, match="certificate verify failed"):
        replace(service, certificate_file="").run("{}")
    host, _, port = service.address.partition(":")
    assert_tls_1_2_or_newer(host, int(port))
    seen = daemon.containers.get(SERVICE)
    assert seen.exec_run(readiness.HEALTH_CHECK_BESIDE_TLS[1:]).exit_code == 0
    assert seen.exec_run(readiness.HEALTH_CHECK[1:]).exit_code != 0, "nothing but TLS is spoken on the service's port"


def test_limits_below_one_core_hold(daemon: docker.DockerClient) -> None:
    seen = daemon.containers.get(SERVICE)

    def read(newer: str, older: str) -> list[str]:
        script = f"cd /sys/fs/cgroup; cat {newer} 2>/dev/null || cat {older}"
        code, output = seen.exec_run(["bash", "-c", script])
        assert code == 0, output
        return output.decode().split()

    quota, period = read("cpu.max", "cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us")
    assert int(quota) / int(period) == 0.5
    assert read("memory.max", "memory/memory.limit_in_bytes") == [str(307 * 2**20)]


def test_its_network_and_its_name_there_are_given_back(project: Project, daemon: docker.DockerClient) -> None:
    """The next test calls it by that name."""
    daemon.networks.get(NETWORK).disconnect(SERVICE)
    run = project.up()
    assert not run.failed, run.output
    assert f"{SERVICE}: its container was off the network {NETWORK}; that is undone" in run.output
    assert service_of(project).run("{}") == "first"


def test_others_on_the_network_find_it_by_its_label(daemon: docker.DockerClient, base_image: str) -> None:
    assert any(seen.name == NETWORK and not seen.obstacle for seen in connect().networks())
    ask = f"import urllib.request as r; print(r.urlopen('http://{LABEL}:5000/', timeout=9).read().decode())"
    said = daemon.containers.run(base_image, ["python3", "-c", ask], network=NETWORK, remove=True)
    assert said == b"Healthy\n"
    seen = daemon.containers.get(SERVICE)
    assert seen.attrs["Config"]["Hostname"] == LABEL
    assert list(seen.attrs["NetworkSettings"]["Networks"]) == [NETWORK]
    assert seen.labels["model-webservice.service.properties"] == '{"team": "crm"}'


def test_metrics_need_a_key_and_requests_are_recorded_without_any(
    project: Project, daemon: docker.DockerClient
) -> None:
    service = service_of(project)
    uri = service.scoring_uri.replace("/score", "/metrics")
    assert service._request("GET", uri).status_code == 401
    answer = service._request("GET", uri, key=service.keys[1])
    assert (answer.status_code, "scoring_requests_total" in answer.text) == (200, True)
    records = daemon.containers.get(SERVICE).exec_run(["cat", "/tmp/requests.jsonl"]).output.decode()
    assert json.loads(records.splitlines()[0])["output"] == '"first"'
    assert [key for key in service.keys if key in records] == []


def test_nothing_drifts(project: Project) -> None:
    run = project.up()
    assert (run.failed, run.operations) == (False, {}), run.output


def test_regen_key_kills_that_key_alone_while_the_service_goes_on(
    project: Project, daemon: docker.DockerClient
) -> None:
    before, container = service_of(project), daemon.api.inspect_container(SERVICE)
    primary, secondary = before.keys
    # What else may have changed since is not deployed by the way.
    script = project.checkout / SCRIPT
    script.write_text(script.read_text().replace("first", "second"))
    with callers(replace(before, keys=(secondary,))) as wrong, command_lines() as seen:
        done = project.scoring("service", "regen-key", "primary", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        eventually(lambda: status(before, primary) == 401)
    assert json.loads(done.stdout) == {"key": "primary", "services": [SERVICE], "setting": "primaryKey"}
    assert wrong == []
    after = service_of(project)
    assert after.keys[0] != primary
    assert after.keys[1] == secondary
    assert [status(after, key) for key in (primary, *after.keys)] == [401, 200, 200]
    now = daemon.api.inspect_container(SERVICE)
    assert (now["Id"], now["State"]["StartedAt"]) == (container["Id"], container["State"]["StartedAt"])
    assert after.run("{}") == "first"
    assert after.image_id == now["Image"]
    shown = done.stdout + done.stderr + "\n".join(seen)
    assert "regen-key" in shown
    assert [key for key in (*before.keys, *after.keys) if key in shown] == []
    script.write_text(script.read_text().replace("second", "first"))


@contextmanager
def command_lines() -> Iterator[set[str]]:
    """Collect the command lines of all processes of this machine meanwhile."""
    seen: set[str] = set()

    def look() -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue

    with repeating(look):
        yield seen


def test_a_renewed_certificate_is_served_without_a_restart(
    project: Project, daemon: docker.DockerClient, said: list[str]
) -> None:
    service, container = service_of(project), daemon.api.inspect_container(SERVICE)
    host, _, port = service.address.partition(":")
    old = (project.checkout / "tls/certificate.pem").read_text()
    both = project.checkout / "tls/both.pem"
    make_certificate(project.checkout / "tls", [CNAME])
    new = (project.checkout / "tls/certificate.pem").read_text()
    both.write_text(old + new)
    with callers(replace(service, certificate_file=str(both))) as wrong:
        run = project.up(diff=True)
        assert not run.failed, run.output
        eventually(lambda: ssl.get_server_certificate((host, int(port))).split() == new.split())
    said.append(run.output)
    assert wrong == []
    assert list(run.operations) == [f"{SERVICE}-delivery"]
    now = daemon.api.inspect_container(SERVICE)
    assert (now["Id"], now["State"]["StartedAt"]) == (container["Id"], container["State"]["StartedAt"])
    assert service_of(project).run("{}") == "first"


def files_of(client: docker.DockerClient, folder: str) -> str:
    """Return all files of a folder in the container, from the image's layers and above them, as one text."""
    stream, _ = client.containers.get(SERVICE).get_archive(folder)
    return b"".join(stream).decode("latin-1")


def test_no_key_is_seen_but_by_the_server(project: Project, daemon: docker.DockerClient, said: list[str]) -> None:
    service = service_of(project)
    private_key = (project.checkout / "tls/private-key.pem").read_text().splitlines()[1]
    secrets = [*service.keys, private_key]
    made = [seen for seen in containers(daemon) if SERVICE in seen.name]
    assert len(made) == 2
    image = daemon.images.get(service.image)
    texts = {
        "inspect": json.dumps([daemon.api.inspect_container(seen.id) for seen in made]),
        "image": json.dumps([image.attrs, image.history()]),
        "volumes": json.dumps([volume.attrs for volume in daemon.volumes.list()]),
        "log": "".join(seen.logs().decode() for seen in made),
        "processes": json.dumps(daemon.containers.get(SERVICE).top()),
        "environment": daemon.containers.get(SERVICE).exec_run(["env"]).output.decode(),
        "files": "".join(files_of(daemon, folder) for folder in ("/var/azureml-app", "/opt/server", "/etc", "/tmp")),
        "output": "".join(said),
    }
    for path in [*project.backend.rglob("*"), *(project.checkout / ".staging").rglob("*")]:
        if path.is_file():
            texts[str(path)] = path.read_text("latin-1")
    stack_file = project.checkout / "stacks" / f"Pulumi.{project.stack.name}.yaml"
    texts["settings"] = stack_file.read_text()
    assert "secure:" in texts["settings"]
    assert "POST /score" in texts["log"], "requests are logged"
    words = [word.encode() for word in (*secrets, SCRIPT_LINE)]
    for one in {seen.attrs["Image"] for seen in made}:
        assert found_in(daemon.images.get(one).save(), words) == {SCRIPT_LINE.encode()}, "all but the secrets"
    assert [place for place, text in texts.items() if any(secret in text for secret in secrets)] == []


def test_destroy_leaves_no_key_behind(project: Project, daemon: docker.DockerClient) -> None:
    run = project.destroy()
    assert not run.failed, run.output
    assert [volume.name for volume in daemon.volumes.list() if SERVICE in volume.name] == []
    assert [seen.name for seen in containers(daemon) if SERVICE in seen.name] == []
