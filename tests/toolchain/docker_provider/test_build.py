import pytest

from toolchain.docker_provider.build import Build, build_arguments, build_variables, failure
from toolchain.docker_provider.build_client import BuildClient

OLD = BuildClient(("docker", "build"), False)
BUILDX = BuildClient(("docker", "buildx", "build"), True)


def build(**options):
    return Build("app:1", "ctx", "ctx/Dockerfile", "linux/amd64", **options)


def test_the_plain_command_line():
    assert build_arguments(build(), OLD) == [
        "--progress=plain", "--tag", "app:1", "--file", "ctx/Dockerfile", "--platform", "linux/amd64", "ctx",
    ]  # fmt: skip


def test_buildx_loads_into_the_daemon():
    assert "--load" in build_arguments(build(), BUILDX)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({"target": "final"}, ["--target", "final"]),
        ({"network": "host"}, ["--network", "host"]),
        ({"add_hosts": ["a:1.2.3.4"]}, ["--add-host", "a:1.2.3.4"]),
        ({"cache_from": ["x", "y"]}, ["--cache-from", "x", "--cache-from", "y"]),
        ({"args": {"A": "1"}}, ["--build-arg", "A"]),
    ],
)
def test_options(options, arguments):
    assert " ".join(arguments) in " ".join(build_arguments(build(**options), OLD))


def test_values_of_arguments_stay_out_of_the_command_line():
    options = build(args={"TOKEN": "hunter2"})
    assert "hunter2" not in " ".join(build_arguments(options, OLD))
    assert "hunter2" not in repr(options)
    assert build_variables(options) == {"TOKEN": "hunter2"}


def test_an_argument_never_becomes_a_setting_of_the_command_line():
    options = build(args={"PATH": "/x", "DOCKER_HOST": "y"})
    assert build_variables(options) == {}
    assert "PATH=/x" in build_arguments(options, OLD)


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (["#5 [2/2] RUN exit 3", "#5 ERROR: executor failed running [exit 3]: exit code: 3"], "exit code: 3"),
        (["#1 x", "error: failed to solve: no such base"], "no such base"),
        (["one", "two"], "one\ntwo"),
        ([], ""),
    ],
)
def test_the_cause_of_a_failure(lines, cause):
    assert failure(lines).endswith(cause)
