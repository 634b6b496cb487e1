"""The project's own stack `prod`, as its file says, reviewed by the real engine: a preview, and nothing else.

It would serve on a machine of its own, so it is not deployed here. The tests share one stack and run in the order in
which they stand.
"""

import hashlib
import json
from pathlib import Path

import docker
import pytest

from components.image_config import PYTHON_VERSION
from components.lock import parse_lock
from components.saved_versions import LIBRARIES, PYTHON, record_of
from tests.e2e.project import UNTRACKED, Project, check_out, edited
from tests.holdings import containers, image_tags, networks_and_volumes

pytestmark = pytest.mark.e2e

SERVICE, MODEL = "mnist", "sklearn_mnist"
OWN = ("-delivery", "-files", "-image", "-stored")
CREATED = {
    "model-webservice-prod",
    *(f"{MODEL}{part}" for part in ("", "-image", "-stored")),
    *(f"{SERVICE}{part}" for part in ("", "-network", "-replica-1", "-gateway", *OWN)),
    *(f"{SERVICE}-gateway{part}" for part in OWN),
}
"""The model, the image and the service, which has a gateway, and what brings files to both containers."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    base = tmp_path_factory.mktemp("prod")
    checkout = check_out(base / "checkout")
    # Production refuses a model of other versions than the image has, and these tests may run on another Python.
    locked = parse_lock((checkout / "scoring/mnist/myenv.lock").read_text()).versions
    versions = {PYTHON: PYTHON_VERSION, **{name: locked[name] for name in LIBRARIES}}
    record_of(checkout / UNTRACKED[0]).write_text(json.dumps(versions))
    return Project(checkout, base / "state", "prod")


def held(daemon: docker.DockerClient) -> set[str]:
    """What the daemon has that the stack could make: others build images meanwhile."""
    tags = set(image_tags(daemon))
    names = {container.name for container in containers(daemon)}
    made = {name for name in tags | names if name.removeprefix("models/").startswith((SERVICE, MODEL))}
    return made | networks_and_volumes(daemon)


def files(checkout: Path) -> dict[str, str]:
    """Digests of the checkout's files, without what Git ignores: staged layers, bytecode and secrets."""
    ignored = {".staging", ".secrets", ".toolchain", "__pycache__"}
    paths = [path for path in checkout.rglob("*") if path.is_file() and ignored.isdisjoint(path.parts)]
    return {str(path.relative_to(checkout)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_without_its_secrets_the_command_that_makes_them_is_named(project: Project) -> None:
    run = project.preview()
    assert run.failed
    assert f"{SERVICE} cannot be deployed without primaryKey, secondaryKey, sslCertPemFile, sslKeyPemFile" in run.output
    assert "make secrets STACK=prod" in run.output


def test_with_them_a_preview_plans_all_and_makes_nothing(project: Project, daemon: docker.DockerClient) -> None:
    done = project.scoring("secrets", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["made"] == ["primaryKey", "secondaryKey", "sslCertPemFile", "sslKeyPemFile"]
    keys = [project.stack.get_config(f"model-webservice:{name}Key").value for name in ("primary", "secondary")]
    before = held(daemon), files(project.checkout)
    run = project.preview()
    assert not run.failed, run.output
    assert {operation for each in run.operations.values() for operation in each} == {"create"}, run.operations
    assert {name for name in run.operations if not name.startswith("default_")} == CREATED, "beside the provider"
    assert (held(daemon), files(project.checkout)) == before
    assert project.stack.export_stack().deployment.get("resources", []) == []
    assert not [key for key in keys if key in run.output]


def test_a_model_of_another_python_is_refused(project: Project) -> None:
    with edited(record_of(project.checkout / UNTRACKED[0]), f'"{PYTHON_VERSION}"', '"3.9.18"'):
        run = project.preview()
    assert run.failed
    assert f"was saved with Python 3.9.18, but the image would have Python {PYTHON_VERSION}" in run.output
