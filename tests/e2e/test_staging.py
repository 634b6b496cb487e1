"""The project's own stack `staging`, as its file says: secrets by one command, keys, TLS, updates that lose nothing.

Names and the port alone are others, so that a staging of the same machine is left alone. The tests share one stack and
run in the order in which they stand.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import docker
import pytest
import yaml

from scoring.endpoint import Endpoint, ServiceError
from scoring.mnist import data
from scoring.stack import Stack
from scoring.webservice import Webservice
from tests.e2e.load import load
from tests.e2e.project import Project, check_out, edited
from tests.holdings import containers, image_tags

pytestmark = pytest.mark.e2e

SERVICE, MODEL = "e2e-staging", "e2e_staging"
SCRIPT = "scoring/mnist/score_staging.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, daemon: docker.DockerClient) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("staging")
    checkout = check_out(base / "checkout")
    path = checkout / "stacks" / "Pulumi.staging.yaml"
    written = yaml.safe_load(path.read_text())
    config = {key.partition(":")[2]: value for key, value in written["config"].items()}
    assert all(config[key] is True for key in ("authEnabled", "sslEnabled", "zeroDowntime")), config
    (service,) = config["services"]
    config["services"] = [{**service, "name": SERVICE, "port": 0}]
    made = Project(checkout, base / "state", "staging")
    made.configure({**config, "modelName": MODEL, "executionScript": SCRIPT})
    sample = (checkout / "scoring/mnist/score.py").read_text()
    (checkout / SCRIPT).write_text(sample.replace('"sklearn_mnist"', f'"{MODEL}"'))
    yield made
    done = made.destroy()
    for tag in registered(daemon):
        daemon.images.remove(tag)
    assert not done.failed, done.output


def registered(daemon: docker.DockerClient) -> list[str]:
    return [tag for tag in image_tags(daemon) if tag.startswith(f"models/{MODEL}:")]


def service_of(project: Project) -> Endpoint:
    stack = Stack("staging", project.checkout, project.variables)
    return Webservice(SERVICE, stack).endpoint


def test_without_its_secrets_the_command_that_makes_them_is_named(project: Project) -> None:
    run = project.preview()
    assert run.failed
    assert f"{SERVICE} cannot be deployed without primaryKey, secondaryKey, sslCertPemFile, sslKeyPemFile" in run.output
    assert "make secrets STACK=staging" in run.output


def test_the_command_makes_them_once(project: Project) -> None:
    done = project.scoring("secrets", "--json")
    assert done.returncode == 0, done.stderr
    settings = ["primaryKey", "secondaryKey", "sslCertPemFile", "sslKeyPemFile"]
    assert json.loads(done.stdout)["made"] == settings
    path = project.checkout / "stacks" / "Pulumi.staging.yaml"
    written = path.read_text()
    assert written.count("secure:") == 2
    again = project.scoring("secrets", "--json")
    assert (json.loads(again.stdout)["made"], json.loads(again.stdout)["kept"]) == ([], settings)
    assert path.read_text() == written


def test_it_answers_with_keys_and_tls(project: Project) -> None:
    run = project.up()
    assert not run.failed, run.output
    done = project.scoring("test", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    service = service_of(project)
    assert service.scoring_uri.startswith("https://localhost:")
    with pytest.raises(ServiceError) as refused:
        replace(service, keys=()).run('{"data": []}')
    assert refused.value.status == 401
    with pytest.raises(ServiceError, match="certificate verify failed"):
        replace(service, certificate_file="").run('{"data": []}')


def test_a_second_up_changes_nothing(project: Project) -> None:
    run = project.up()
    assert (run.failed, run.operations) == (False, {}), run.output


def test_an_update_loses_no_request(project: Project) -> None:
    service = service_of(project)
    digits, _ = data.held_out()
    headers = {"Authorization": f"Bearer {service.keys[0]}"}
    with load(service.scoring_uri, headers, data=digits[0].tolist()) as made:
        made.wait_for()
        with edited(project.checkout / SCRIPT, ".tolist()", ".tolist()  # the same"):
            run = project.up()
        assert not run.failed, run.output
        made.wait_for()
    assert made.lost == [], f"{len(made.lost)} of {made.total}"
    assert "create-replacement" in run.operations[f"{SERVICE}-replica-1"]


def test_destroy_leaves_the_registered_model_alone(project: Project, daemon: docker.DockerClient) -> None:
    run = project.destroy()
    assert not run.failed, run.output
    assert [seen.name for seen in containers(daemon) if SERVICE in seen.name] == []
    assert len(registered(daemon)) == 1
