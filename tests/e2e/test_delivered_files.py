"""Delivered files on a real daemon: a running container reads what changed, and nobody else sees it.

The tests share one stack and run in the order in which they stand.
"""

import json
from collections.abc import Iterator

import docker
import pytest

from tests.e2e.project import ROOT, Project
from tests.holdings import containers

pytestmark = pytest.mark.e2e

READER = "e2e-files-reader"
FOLDER = "/run/secrets/service"
PROGRAM = f"""
import json, pathlib, sys

sys.path.insert(0, {str(ROOT)!r})
import pulumi
import pulumi_docker as docker

from components.delivered_files import deliver

image, files = json.loads(pathlib.Path("files.json").read_text())
delivered = deliver("e2e", files, folder={FOLDER!r}, image=image, opts=pulumi.ResourceOptions())
docker.Container(
    "reader", name={READER!r}, image=image, command=["sleep", "600"], user="10001:10001", read_only=True, init=True,
    volumes=[delivered.mount], opts=pulumi.ResourceOptions(depends_on=[delivered.delivery]),
)
pulumi.export("volume", delivered.volume.name)
pulumi.export("delivery", delivered.delivery.id)
"""
SECRETS = ("a-key-of-the-first-hour", "a-key-that-came-later--", "the-certificates-own-key")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("files")
    folder = base / "project"
    folder.mkdir()
    (folder / "__main__.py").write_text(PROGRAM)
    (folder / "Pulumi.yaml").write_text("name: files\nruntime: python\noptions: {refresh: always}\n")
    made = Project(folder, base / "state")
    yield made
    done = made.destroy()
    assert not done.failed, done.output


def write(project: Project, image: str, **files: str) -> None:
    (project.checkout / "files.json").write_text(json.dumps([image, files]))


def read(client: docker.DockerClient, *command: str) -> str:
    code, output = client.containers.get(READER).exec_run(list(command))
    return f"{code} {output.decode()}"


def test_the_files_are_there_when_the_reader_starts(
    project: Project, daemon: docker.DockerClient, base_image: str
) -> None:
    write(project, base_image, keys=SECRETS[0])
    run = project.up()
    assert not run.failed, run.output
    assert read(daemon, "cat", f"{FOLDER}/keys") == f"0 {SECRETS[0]}"
    assert "Read-only file system" in read(daemon, "touch", f"{FOLDER}/other")
    assert "Permission denied" not in read(daemon, "ls", FOLDER)
    outputs = project.stack.outputs()
    assert daemon.containers.get(outputs["delivery"].value).status == "created"


def test_nothing_drifts(project: Project) -> None:
    run = project.up()
    assert (run.failed, run.operations) == (False, {}), run.output


def test_a_changed_file_replaces_the_delivery_alone(
    project: Project, daemon: docker.DockerClient, base_image: str
) -> None:
    before = daemon.api.inspect_container(READER)
    write(project, base_image, keys=SECRETS[1])
    run = project.up()
    assert not run.failed, run.output
    assert run.operations == {"e2e-delivery": ["create-replacement", "replace", "delete-replaced"]}
    after = daemon.api.inspect_container(READER)
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    assert read(daemon, "cat", f"{FOLDER}/keys") == f"0 {SECRETS[1]}"


def test_a_removed_delivery_comes_back_and_the_reader_stays(project: Project, daemon: docker.DockerClient) -> None:
    before = daemon.containers.get(READER).id
    daemon.containers.get(project.stack.outputs()["delivery"].value).remove()
    run = project.up()
    assert (run.failed, run.operations) == (False, {"e2e-delivery": ["create"]}), run.output
    assert daemon.containers.get(READER).id == before


def test_no_content_is_seen_but_by_the_reader(project: Project, daemon: docker.DockerClient) -> None:
    outputs = project.stack.outputs()
    seen = [
        json.dumps(daemon.api.inspect_container(READER)),
        json.dumps(daemon.api.inspect_container(outputs["delivery"].value)),
        json.dumps(daemon.api.inspect_volume(outputs["volume"].value)),
        *(path.read_text("latin-1") for path in project.backend.rglob("*") if path.is_file()),
        project.up(diff=True).output,
    ]
    assert any("ciphertext" in text for text in seen), "the state is among what is looked through"
    assert [text for text in seen for secret in SECRETS if secret in text] == []


def test_another_set_of_files_leaves_nothing_of_the_old(
    project: Project, daemon: docker.DockerClient, base_image: str
) -> None:
    old = project.stack.outputs()["volume"].value
    write(project, base_image, **{"tls/key.pem": SECRETS[2]})
    run = project.up()
    assert not run.failed, run.output
    assert read(daemon, "cat", f"{FOLDER}/tls/key.pem") == f"0 {SECRETS[2]}"
    assert read(daemon, "ls", FOLDER) == "0 tls\n"
    assert old not in [volume.name for volume in daemon.volumes.list()]


def test_destroy_leaves_nothing(project: Project, daemon: docker.DockerClient) -> None:
    outputs = project.stack.outputs()
    run = project.destroy()
    assert not run.failed, run.output
    left = [container.id for container in containers(daemon)]
    assert outputs["delivery"].value not in left
    assert outputs["volume"].value not in [volume.name for volume in daemon.volumes.list()]
