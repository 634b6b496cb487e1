"""A registry with a login and TLS: what one stack registers, another stack and another Docker host deploy.

The tests share the registry and a first stack, and run in the order in which they stand.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
import requests

from tests.e2e.networks import host_in
from tests.e2e.project import Project, check_out
from tests.holdings import image_tags
from tests.registries import CERTIFICATES, PASSWORD, USER, RunningRegistry, distrust, registry, trust

pytestmark = pytest.mark.e2e

MODEL, IMAGE, SERVICE = "e2e_registered", "e2e-pushed", "e2e-registry"
SCRIPT = f"""from azureml.core.model import Model

def init():
    global text
    with open(Model.get_model_path("{MODEL}")) as file:
        text = file.read()

def run(data):
    return text
"""


@pytest.fixture(scope="module")
def secure(daemon: docker.DockerClient) -> Iterator[RunningRegistry]:
    """A registry at an address that Docker wants to trust before it uses it; not trusted yet."""
    with registry(host_in(daemon.networks.get("bridge")), tls=True) as made:
        yield made
        distrust(made.address)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, secure: RunningRegistry) -> Iterator[Project]:
    """A stack that registers a model and an image in the registry."""
    made = new_project(tmp_path_factory.mktemp("first"), secure, style="image")
    yield made
    done = made.destroy()
    assert not done.failed, done.output


def new_project(base: Path, at: RunningRegistry, *, password: str = PASSWORD, **others: str) -> Project:
    """Return a project with one service, its registry's password set as users do."""
    made = Project(check_out(base / "checkout"), base / "state")
    (made.checkout / "model.txt").write_text("registered once\n")
    (made.checkout / "score_text.py").write_text(SCRIPT)
    (made.checkout / "nothing.yml").write_text("dependencies: []\n")
    (made.checkout / "steps").write_text("RUN echo by a step > /made\nLABEL made=by-a-step\n")
    (made.checkout / "schema.json").write_text('{"input": {"data": {"swagger": {"type": "array"}}}}')
    (made.checkout / "sample.json").write_text('{"data": [1, 2]}')
    made.configure(
        {
            "services": [{"name": SERVICE, "style": others.pop("style")}],
            "modelPath": "model.txt",
            "modelName": MODEL,
            "modelVersion": "5",
            "modelTags": {"stage": "prod"},
            "imageName": IMAGE,
            "executionScript": "score_text.py",
            "condaFile": "nothing.yml",
            "dockerFile": "steps",
            "schemaFile": "schema.json",
            "sampleInputDataset": "sample.json",
            "registry": f"{at.address}/team",
            "registryUsername": USER,
            **others,
        }
    )
    command = ["pulumi", "config", "set", "--secret", "registryPassword", password, "--stack", made.stack.name]
    subprocess.run(command, cwd=made.checkout, env=made.variables, check=True)
    return made


def answer(project: Project) -> str:
    answered = requests.post(project.services()[SERVICE]["scoringUri"], data="{}", timeout=10)
    assert answered.status_code == 200, answered.text
    return str(answered.json())


def test_a_certificate_that_nobody_trusts_is_said_at_preview(first: Project, secure: RunningRegistry) -> None:
    run = first.preview()
    assert run.failed
    assert f"the certificate of the registry {secure.address} is not trusted" in run.output
    assert f"{CERTIFICATES}/{secure.address}/ca.crt" in run.output


def test_a_stack_pushes_what_it_makes(first: Project, secure: RunningRegistry, daemon: docker.DockerClient) -> None:
    assert secure.authority
    trust(secure.address, secure.authority)
    run = first.up()
    assert not run.failed, run.output
    assert answer(first) == "registered once\n"
    tags = f"https://{secure.address}/v2/team/models/{MODEL}/tags/list"
    known = requests.get(tags, auth=(USER, PASSWORD), verify=str(secure.authority), timeout=10)
    assert known.json()["tags"] == ["5"]
    again = first.up()
    assert (again.failed, again.operations) == (False, {}), again.output

    state = "".join(path.read_text() for path in first.backend.rglob("*.json*") if path.is_file())
    assert f'"username":"{USER}"' in state.replace(" ", "")
    container = daemon.api.inspect_container(SERVICE)
    described = json.dumps([container, daemon.api.inspect_image(container["Image"])])
    stack_file = (first.checkout / f"stacks/Pulumi.{first.stack.name}.yaml").read_text()
    assert not [text for text in (run.output, state, described, stack_file) if PASSWORD in text]


def test_the_images_steps_and_its_description_are_there(first: Project, daemon: docker.DockerClient) -> None:
    container = daemon.containers.get(SERVICE)
    assert container.exec_run(["cat", "/made"]).output == b"by a step\n"
    assert container.labels["made"] == "by-a-step"
    assert container.exec_run(["id", "-u"]).output == b"10001\n"
    described = requests.get(first.services()[SERVICE]["swaggerUri"], timeout=10).json()
    assert described["definitions"]["ServiceInput"] == {
        "type": "object",
        "properties": {"data": {"type": "array"}},
        "example": {"data": [1, 2]},
    }


def test_a_wrong_password_is_said_at_preview(first: Project, secure: RunningRegistry, tmp_path: Path) -> None:
    other = new_project(tmp_path, secure, password="wrong", style="registeredModel", modelReference=MODEL)
    run = other.preview()
    assert run.failed
    assert f"the registry {secure.address} refuses the user 'team'" in run.output


def test_a_model_that_was_changed_in_its_image_is_not_served(
    first: Project, secure: RunningRegistry, tmp_path: Path, daemon: docker.DockerClient
) -> None:
    image = first.services()[SERVICE]["image"]
    place = f"/var/azureml-app/azureml-models/{MODEL}/5/model.txt"
    (tmp_path / "Dockerfile").write_text(f"FROM {image}\nUSER 0\nRUN echo changed > {place}\nUSER 10001\n")
    daemon.images.build(path=str(tmp_path), tag="e2e-changed:1", rm=True)
    try:
        other = new_project(tmp_path, secure, style="image", imageReference="e2e-changed:1")
        settings_file = other.checkout / f"stacks/Pulumi.{other.stack.name}.yaml"
        settings_file.write_text(settings_file.read_text().replace(SERVICE, f"{SERVICE}-2"))
        run = other.up()
        assert run.failed
        assert f"{place} of version 5 of the model '{MODEL}' has changed: sha256 " in run.output
        assert "exited with code 3" in run.output
        done = other.destroy()
        assert not done.failed, done.output
    finally:
        daemon.images.remove("e2e-changed:1", force=True)


def test_another_stack_deploys_the_model_that_the_first_registered(
    first: Project, secure: RunningRegistry, tmp_path: Path, daemon: docker.DockerClient
) -> None:
    assert not first.destroy().failed
    reference = f"{secure.address}/team/models/{MODEL}:5"
    assert not daemon.images.list(reference)
    other = new_project(tmp_path, secure, style="registeredModel", modelReference=f"{MODEL}?stage=prod")
    (other.checkout / "model.txt").unlink()
    try:
        run = other.up()
        assert not run.failed, run.output
        assert answer(other) == "registered once\n"
    finally:
        done = other.destroy()
        assert not done.failed, done.output
    daemon.images.remove(reference)  # what was pulled stays, as it does with Docker's own pulls


def test_another_docker_host_deploys_the_image_that_the_first_pushed(
    first: Project, secure: RunningRegistry, tmp_path: Path, other_daemon: docker.DockerClient
) -> None:
    catalogue = f"https://{secure.address}/v2/team/{IMAGE}/tags/list"
    known = requests.get(catalogue, auth=(USER, PASSWORD), verify=str(secure.authority), timeout=10)
    reference = f"{secure.address}/team/{IMAGE}:{known.json()['tags'][0]}"
    other = new_project(tmp_path, secure, style="image", imageReference=reference)
    try:
        run = other.up()
        assert not run.failed, run.output
        assert answer(other) == "registered once\n"
        assert other.services()[SERVICE]["image"] == reference
        assert [tag for tag in image_tags(other_daemon) if MODEL in tag] == []
    finally:
        done = other.destroy()
        assert not done.failed, done.output
