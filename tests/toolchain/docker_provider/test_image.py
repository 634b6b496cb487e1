import threading

import pytest

from toolchain.docker_provider.daemon import Daemon
from toolchain.docker_provider.engine import Engine
from toolchain.docker_provider.image import Image, build_problems
from toolchain.docker_provider.resource import Naming, Operation
from toolchain.docker_provider.values import UNKNOWN, secret


@pytest.fixture
def operation():
    return Operation("urn:pulumi:dev::app::docker:index/image:Image::i", Daemon({}, {}), Engine(), threading.Event())


@pytest.fixture
def context(tmp_path, monkeypatch):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(operation, **inputs):
    return Image().check(operation, {}, {"imageName": "app:1", "skipPush": True, **inputs}, Naming())


def test_a_build_is_completed(operation, context):
    build = check(operation, build={"context": "app", "platform": "linux/amd64"}).inputs["build"]
    assert (build["context"], build["dockerfile"], build["platform"]) == ("app", "app/Dockerfile", "linux/amd64")
    assert len(build["contextDigest"]) == 64


def test_the_same_context_is_the_same_by_another_path(operation, context):
    here = check(operation, build={"context": "app", "platform": "p"}).inputs["build"]["contextDigest"]
    there = check(operation, build={"context": str(context / "app"), "platform": "p"}).inputs["build"]["contextDigest"]
    assert here == there


def test_the_working_directory_is_the_default_context(operation, context, monkeypatch):
    monkeypatch.chdir(context / "app")
    build = check(operation).inputs["build"]
    assert (build["context"], build["dockerfile"]) == (".", "Dockerfile")


@pytest.mark.parametrize("context_path", ["./app", "app/", "app//", "x/../app"])
def test_the_dockerfiles_path_is_tidy(operation, context, context_path):
    (context / "x").mkdir()
    assert check(operation, build={"context": context_path}).inputs["build"]["dockerfile"] == "app/Dockerfile"


def test_an_unknown_context_is_left_for_the_deployment(operation):
    checked = check(operation, build={"context": UNKNOWN})
    assert checked.failures == {}
    assert "contextDigest" not in checked.inputs["build"]


@pytest.mark.parametrize(
    ("inputs", "property_path", "message"),
    [
        ({"build": {"context": "nowhere"}}, "build.dockerfile", "no Dockerfile at 'nowhere/Dockerfile'"),
        ({"build": {"context": "app", "dockerfile": "Dockerfile"}}, "build.dockerfile", "set it to 'app/Dockerfile'"),
        ({"build": {"context": "app", "builderVersion": "V3"}}, "build.builderVersion", "BuilderBuildKit, BuilderV1"),
        ({"build": {"contxt": "app"}}, "build.contxt", "not supported"),
        ({"imageName": "", "build": {"context": "app"}}, "imageName", "registry/name:tag"),
    ],
)
def test_bad_input_is_named(operation, context, inputs, property_path, message):
    assert message in check(operation, **inputs).failures[property_path]


def test_a_context_that_is_a_file_is_named(context):
    (context / "file").write_text("")
    inputs = {"imageName": "a", "build": {"context": "file", "dockerfile": "app/Dockerfile"}}
    assert "is not a folder" in build_problems(inputs)["build.context"]


def test_passwords_become_secret(operation, context):
    registry = {"server": "a.io", "username": "me", "password": "hunter2"}
    checked = check(operation, build={"context": "app"}, registry=registry)
    assert checked.inputs["registry"]["password"] == secret("hunter2")


OLD = {
    "imageName": "app:1",
    "skipPush": True,
    "build": {"contextDigest": "1"},
    "registry": {"server": "a", "password": "1"},
}


@pytest.mark.parametrize(
    ("news", "changed"),
    [
        (OLD, []),
        ({**OLD, "imageName": "app:2"}, ["imageName"]),
        ({**OLD, "build": {"contextDigest": "2"}}, ["build"]),
        ({**OLD, "registry": {"server": "a", "password": "2"}}, []),
        ({**OLD, "registry": {"server": "b", "password": "1"}}, ["registry"]),
        ({k: v for k, v in OLD.items() if k != "skipPush"}, ["skipPush"]),
    ],
)
def test_an_image_is_built_again_when_its_inputs_changed(news, changed):
    difference = Image().diff({"__inputs": OLD, "repoDigest": "sha256:1"}, {}, news)
    assert sorted(difference.changes) == changed
    assert not any(change.replace for change in difference.changes.values())
    assert difference.listed is False


def test_a_preview_does_not_build(operation, context):
    inputs = check(operation, build={"context": "app", "platform": "linux/amd64"}).inputs
    outputs = Image().preview(operation, inputs, None)
    assert outputs["repoDigest"] == UNKNOWN
    assert (outputs["imageName"], outputs["baseImageName"], outputs["dockerfile"]) == ("app:1", "app:1", "Dockerfile")
