"""Three services from a real `pulumi up` on a real daemon: alike, replaced only where something changed, gone at last.

The tests share one stack and run in the order in which they stand.
"""

import json
import shutil
import subprocess

import docker
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from scoring.mnist import data
from tests.e2e.conftest import NAMES, write_script
from tests.e2e.project import Project, check_out, edited
from tests.holdings import containers, image_tags, nameless_images, networks_and_volumes

pytestmark = pytest.mark.e2e

MODELS = ("e2e_mnist", "sklearn_mnist_model.pkl")
"""The registered model, and that of the style that starts from its file."""

SCORING = (*NAMES[:2], "e2e-myimage1")
"""The images that serve."""

IMAGES = {*SCORING, *(f"models/{name}" for name in MODELS)}
LABELS = ("model-webservice.image.name", "model-webservice.model.name")


def predictions(project: Project, count: int = 5) -> dict[str, list[int]]:
    digits, _ = data.held_out()
    body = json.dumps({"data": digits[:count].tolist()})
    return {
        name: requests.post(service["scoringUri"], data=body, timeout=10).json()
        for name, service in project.services().items()
    }


def image_of(client: docker.DockerClient, container: str) -> list[str]:
    return client.api.inspect_image(client.api.inspect_container(container)["Image"])["RootFS"]["Layers"]


def differing(old: list[str], new: list[str]) -> list[int]:
    return [index for index, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]


@pytest.fixture(scope="module")
def before(daemon: docker.DockerClient) -> set[str]:
    """What the daemon holds before the stack is brought up."""
    return held(daemon)


def held(client: docker.DockerClient) -> set[str]:
    """What a stack could leave behind: its containers and images, nameless ones too, and any network or volume."""
    return {
        *(f"container {one.name}" for one in containers(client) if one.name in NAMES),
        *networks_and_volumes(client),
        *(f"image {tag}" for tag in image_tags(client) if tag.rpartition(":")[0] in IMAGES),
        *(
            f"nameless image {image} {labels}"
            for image, labels in nameless_images(client)
            if {*SCORING, *MODELS} & {labels.get(label) for label in LABELS}
        ),
    }


def test_the_preview_builds_nothing(project: Project, daemon: docker.DockerClient, before: set[str]) -> None:
    run = project.preview()
    assert not run.failed, run.output
    assert held(daemon) - before == set()


def test_three_services_answer_alike(project: Project) -> None:
    run = project.up()
    assert not run.failed, run.output
    services = project.services()
    assert {name: service["state"] for name, service in services.items()} == dict.fromkeys(NAMES, "Healthy")
    answers = predictions(project)
    _, labels = data.held_out()
    assert answers[NAMES[0]] == answers[NAMES[1]] == answers[NAMES[2]]
    assert sum(a == b for a, b in zip(answers[NAMES[0]], labels[:5].tolist(), strict=True)) >= 4


def test_metrics_name_the_model_and_its_digest(project: Project, daemon: docker.DockerClient) -> None:
    for name, service in project.services().items():
        text = requests.get(service["scoringUri"].replace("/score", "/metrics"), timeout=10).text
        families = {family.name: family for family in text_string_to_metric_families(text)}
        (model,) = (sample.labels for sample in families["scoring_model_info"].samples)
        image = daemon.images.get(f"models/{model['id']}")
        assert model["sha256"] == image.labels["model-webservice.model.sha256"]
        assert families["scoring_service_info"].samples[0].labels["service"] == name
        scored = {"method": "POST", "route": "/score", "code": "200"}
        assert [sample.value for sample in families["scoring_requests"].samples if sample.labels == scored] == [1]


def test_a_read_only_container_records_its_requests_and_logs_json(daemon: docker.DockerClient) -> None:
    container = daemon.containers.get(NAMES[2])
    (record,) = map(json.loads, container.exec_run(["cat", "/tmp/requests.jsonl"]).output.splitlines())
    assert (record["status"], record["model"].split(":")[0]) == (200, "e2e_mnist")
    assert len(json.loads(record["input"])["data"]) == len(json.loads(record["output"])) == 5
    lines = [json.loads(line) for line in container.logs().splitlines()]
    (scored,) = (line for line in lines if line.get("target") == "/score")
    assert scored["request_id"] == record["request_id"]


def test_containers_are_hardened(project: Project, daemon: docker.DockerClient) -> None:
    for name in NAMES:
        seen = daemon.api.inspect_container(name)
        host, config = seen["HostConfig"], seen["Config"]
        assert config["User"] == "10001:10001"
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Init"]
        assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (10**9, 2**30, 2**30)
        assert host["LogConfig"]["Config"] == {"max-file": "3", "max-size": "10m"}
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert list(host["Tmpfs"]) == ["/tmp"]
        assert [port["HostIp"] for port in host["PortBindings"]["5001/tcp"]] == ["127.0.0.1"]


def test_a_second_up_changes_nothing(project: Project) -> None:
    run = project.up()
    assert (run.failed, run.operations) == (False, {}), run.output


def test_touched_files_change_nothing(project: Project) -> None:
    for path in project.checkout.rglob("*"):
        if path.is_file() and ".toolchain" not in path.parts:
            path.touch()
    run = project.up()
    assert (run.failed, run.operations) == (False, {}), run.output


def test_another_working_directory_changes_nothing(project: Project, tmp_path) -> None:
    done = subprocess.run(
        ["pulumi", "-C", str(project.checkout), "up", "--yes", "--stack", project.stack.name, "--expect-no-changes"],
        cwd=tmp_path,
        env={**__import__("os").environ, **project.environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_checkout_changes_nothing(project: Project, tmp_path) -> None:
    other = check_out(tmp_path / "elsewhere")
    write_script(other)
    stack_file = f"stacks/Pulumi.{project.stack.name}.yaml"
    shutil.copyfile(project.checkout / stack_file, other / stack_file)
    run = Project(other, project.backend).up()
    assert (run.failed, run.operations) == (False, {}), run.output


def test_a_changed_script_replaces_one_image_and_one_container_of_each_service_that_uses_it(
    project: Project, daemon: docker.DockerClient
) -> None:
    layers = {name: image_of(daemon, name) for name in NAMES}
    with edited(project.checkout / "scoring/mnist/score_e2e.py", "y_hat.tolist()", "[int(y) for y in y_hat]"):
        run = project.up()
        assert not run.failed, run.output
    replaced = {f"{NAMES[1]}-container", f"{NAMES[2]}-container"}
    built = {f"{NAMES[1]}-image-image", "e2e-myimage1-image"}
    stored = {f"{NAMES[1]}-image-stored", "e2e-myimage1-stored"}
    assert set(run.operations) == replaced | built | stored
    assert all(run.operations[name] == ["update"] for name in built)
    assert all("replace" in run.operations[name] for name in replaced | stored)
    for name in NAMES[1:]:
        now = image_of(daemon, name)
        assert differing(layers[name], now) == [len(now) - 2], "the script's layer, below the empty one of the WORKDIR"
    assert len({tuple(answer) for answer in predictions(project).values()}) == 1


def test_a_changed_model_replaces_no_dependency_layer(project: Project, daemon: docker.DockerClient) -> None:
    assert not project.up().failed  # the script as it was
    layers = {name: image_of(daemon, name) for name in NAMES}
    model = project.checkout / "scoring/mnist/outputs/sklearn_mnist_model.pkl"
    subprocess.run(
        ["python", "-m", "scoring.mnist.train", "--output", str(model), "--seed", "7"], cwd=project.checkout, check=True
    )
    run = project.up()
    assert not run.failed, run.output
    containers = {name for name, done in run.operations.items() if name.endswith("-container") and "replace" in done}
    assert containers == {f"{name}-container" for name in NAMES}
    for name in NAMES:
        now = image_of(daemon, name)
        assert differing(layers[name], now) == [len(now) - 3], "the model's layer alone, no dependency's"


def test_a_removed_container_comes_back(project: Project, daemon: docker.DockerClient) -> None:
    daemon.containers.get(NAMES[0]).remove(force=True)
    run = project.up()
    assert not run.failed, run.output
    assert daemon.containers.get(NAMES[0]).status == "running"


def test_a_removed_image_is_built_again(project: Project, daemon: docker.DockerClient) -> None:
    image = project.services()[NAMES[0]]["image"]
    daemon.containers.get(NAMES[0]).remove(force=True)
    daemon.images.remove(image, force=True)
    run = project.up()
    assert not run.failed, run.output
    assert daemon.images.get(image)
    assert len({tuple(answer) for answer in predictions(project).values()}) == 1


def test_destroy_leaves_nothing(project: Project, daemon: docker.DockerClient, before: set[str]) -> None:
    there = held(daemon) - before
    assert {f"container {name}" for name in NAMES} < there
    images = {one.rpartition(":")[0] for one in there if one.startswith("image ")}
    assert images == {f"image {name}" for name in IMAGES}
    run = project.destroy()
    assert not run.failed, run.output
    assert held(daemon) - before == set()
