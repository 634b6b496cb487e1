"""What goes wrong: said with its cause, in time, and put right by the next `up`.

The tests share one stack with one service.
"""

import re
import socket
import time
from collections.abc import Iterator

import docker
import pytest
import requests

from tests.e2e.project import Project, check_out
from tests.holdings import image_tags

pytestmark = pytest.mark.e2e

SERVICE = "e2e-broken"
SCRIPT = "scoring/mnist/score_broken.py"
RUN = "\n\ndef run(data):\n    return data\n"


def settings(**others: object) -> dict[str, object]:
    return {
        "services": [{"name": SERVICE, "style": "modelFile"}],
        "modelPath": "model.txt",
        "executionScript": SCRIPT,
        "waitTimeout": 60,
        **others,
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("broken")
    made = Project(check_out(base / "checkout"), base / "state")
    (made.checkout / "model.txt").write_text("a model\n")
    yield made
    done = made.destroy()
    assert not done.failed, done.output


def write(project: Project, init: str) -> None:
    (project.checkout / SCRIPT).write_text(f"import sys, time\n\n\ndef init():\n    {init}{RUN}")


def test_a_container_that_exits_in_init_fails_up_with_its_log(project: Project) -> None:
    write(project, "[print('line', n) for n in range(80)]; raise ValueError('missing weights', time.time())")
    project.configure(settings())
    run = project.up()
    ended = time.time()
    assert run.failed
    assert f"the container of {SERVICE} exited" in run.output, run.output
    assert "Its last 50 log lines" in run.output
    assert "Program failed with an unhandled exception" not in run.output
    raised = re.search(r"ValueError: \('missing weights', ([0-9.]+)\)", run.output)
    assert raised
    assert ended - float(raised[1]) < 30, "not the minutes that a service may take to become ready"


def test_the_next_good_up_puts_it_right(project: Project, daemon: docker.DockerClient) -> None:
    write(project, "print('loading the weights', flush=True); time.sleep(1)")
    run = project.up()
    assert not run.failed, run.output
    # What it waits for is told meanwhile: the state, and what the container logs.
    assert f"{SERVICE}: Transitioning (running)" in run.output
    assert "loading the weights" in run.output
    assert project.services()[SERVICE]["state"] == "Healthy"
    assert len([tag for tag in image_tags(daemon) if tag.startswith(SERVICE)]) == 1


def test_a_container_that_never_gets_ready_fails_at_the_time_out(project: Project) -> None:
    write(project, "print('still loading', flush=True); time.sleep(600)")
    project.configure(settings(waitTimeout=3))
    run = project.up()
    assert run.failed
    assert f"{SERVICE} was not ready after 3 s" in run.output
    assert "still loading" in run.output


BAD_SETTINGS = {
    "missing model": ({"modelPath": "no-such-model.pkl"}, ["no-such-model.pkl", "does not exist"]),
    "empty model folder": ({"modelPath": "empty"}, ["'empty'", "is empty"]),
    "missing script": ({"executionScript": "no-such.py"}, ["no-such.py", "does not exist"]),
    "script without run": ({"executionScript": "without_run.py"}, ["without_run.py", "run()"]),
    "unreadable YAML": ({"condaFile": "broken.yml"}, ["broken.yml", "line"]),
    "unknown package": ({"condaFile": "unknown.yml"}, ["no-such-package-of-anyone"]),
    "service name": (
        {"services": [{"name": "Has Capitals", "style": "image"}]},
        ["Has Capitals", "3 to 32", "has-capitals"],
    ),
    "cpu of zero": ({"cpuCores": "0"}, ["cpuCores", "above 0"]),
    "memory below zero": ({"memoryGb": "-1"}, ["memoryGb", "above 0"]),
    "no style": ({"services": [{"name": SERVICE}]}, ["style", "modelFile, registeredModel, image"]),
    "unknown key": ({"cpuCore": "1"}, ["cpuCore", "Did you mean 'cpuCores'"]),
    "a model of other versions": (
        {"modelPath": "old.txt"},
        [
            "saved with Python 3.9.18, but the image would have Python 3.11",
            "saved with numpy 1.26.4, but",
            "trainServeCheck",
        ],
    ),
    "a step that is not allowed": ({"dockerFile": "steps"}, ["'steps' line 1: USER is not allowed", "without rights"]),
    "GPUs that are not there": ({"enableGpu": True}, ["has no NVIDIA runtime", "drop enableGpu"]),
    "a password in plain text": ({"registryPassword": "a word"}, ["registryPassword is set in plain text", "--secret"]),
    "unknown model": (
        {"services": [{"name": SERVICE, "style": "registeredModel"}], "modelReference": "no-such-model:1"},
        ["no-such-model:1", "registered"],
    ),
}


@pytest.mark.parametrize(("given", "words"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_input_is_said_at_preview(project: Project, given: dict[str, object], words: list[str]) -> None:
    write(project, "pass")
    (project.checkout / "empty").mkdir(exist_ok=True)
    (project.checkout / "without_run.py").write_text("def init():\n    pass\n")
    (project.checkout / "old.txt").write_text("a model\n")
    (project.checkout / "old.txt.versions.json").write_text('{"python": "3.9.18", "numpy": "1.26.4"}')
    (project.checkout / "steps").write_text("USER root\n")
    (project.checkout / "broken.yml").write_text("dependencies:\n  - [python\n")
    (project.checkout / "unknown.yml").write_text("dependencies:\n  - pip:\n    - no-such-package-of-anyone==1.0\n")
    project.configure(settings(**given))
    run = project.preview()
    assert run.failed
    for word in words:
        assert word in run.output
    assert "Traceback" not in run.output


def test_a_taken_port_is_said_at_preview(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        project.configure(settings(services=[{"name": SERVICE, "style": "modelFile", "port": port}]))
        run = project.preview()
    assert run.failed
    assert f"the port {port} on 127.0.0.1 is taken by another process" in run.output


def test_a_daemon_that_does_not_answer_is_said_at_preview(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    project.configure(settings())
    run = project.preview()
    assert run.failed
    assert "the Docker daemon at" in run.output
    assert "does not answer" in run.output
    assert "Traceback" not in run.output


FOLDER_SCRIPT = """\
from pathlib import Path

from azureml.core.model import Model


def init():
    global model
    model = Path(Model.get_model_path("weights"))


def run(data):
    return {str(file.relative_to(model)): file.read_text() for file in model.rglob("*") if file.is_file()}
"""


def test_after_all_of_that_a_good_up_works_with_a_model_of_several_files(project: Project) -> None:
    files = {"config.json": "{}", "layers/1.bin": "one", "layers/2.bin": "two", "layers/deep/vocabulary.txt": "a b"}
    for name, text in files.items():
        (project.checkout / "weights" / name).parent.mkdir(parents=True, exist_ok=True)
        (project.checkout / "weights" / name).write_text(text)
    (project.checkout / SCRIPT).write_text(FOLDER_SCRIPT)
    project.configure(settings(modelPath="weights"))
    run = project.up()
    assert not run.failed, run.output
    service = project.services()[SERVICE]
    assert requests.post(service["scoringUri"], data="{}", timeout=10).json() == files
    assert [name.partition(":")[0] for name in service["models"]] == ["weights"]
    (project.checkout / "weights/layers/2.bin").write_text("newer")
    run = project.up()
    assert not run.failed, run.output
    newer = project.services()[SERVICE]
    assert requests.post(newer["scoringUri"], data="{}", timeout=10).json() == {**files, "layers/2.bin": "newer"}
    assert newer["models"].keys() != service["models"].keys()
