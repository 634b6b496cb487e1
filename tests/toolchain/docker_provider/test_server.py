"""The plugin as a process, spoken to as the engine does."""

import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from toolchain.docker_provider.install import lay_out
from toolchain.docker_provider.values import from_struct, to_struct

URN = "urn:pulumi:dev::app::{}::n"
CONTAINER = URN.format("docker:index/container:Container")


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    folder = lay_out(tmp_path_factory.mktemp("plugin"), Path(sys.executable))
    # without the engine's address, messages go nowhere
    with subprocess.Popen([folder / "pulumi-resource-docker"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
        process.terminate()


def configure(provider, **config):
    return provider.Configure(provider_pb2.ConfigureRequest(args=to_struct(config)))


def test_tells_its_version(provider):
    from google.protobuf import empty_pb2

    assert provider.GetPluginInfo(empty_pb2.Empty()).version == "5.2.0"


def test_supports_previews_and_leaves_secrets_to_the_engine(provider):
    answer = configure(provider, host="unix:///nowhere", disableDockerDaemonCheck="true")
    assert (answer.supportsPreview, answer.acceptSecrets) == (True, False)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"host": "unix:///nowhere.sock"}, r"unix:///nowhere.sock \(from the provider's host\) does not answer"),
        ({"host": "tcp://127.0.0.1:9"}, "tcp://127.0.0.1:9 .* does not answer"),
        ({"context": "no-such-context"}, "docker context 'no-such-context' .* is not in"),
    ],
)
def test_a_daemon_that_does_not_answer_is_named(provider, config, message):
    with pytest.raises(grpc.RpcError, match=message):
        configure(provider, **config)


@pytest.mark.parametrize("name", ["docker:index/service:Service", "docker:index/secret:Secret"])
def test_a_type_that_is_not_served_is_named(provider, name):
    message = rf"{name} is not served .* which has Container, Image, .*vendor's plugin has it"
    with pytest.raises(grpc.RpcError, match=message):
        provider.Check(provider_pb2.CheckRequest(urn=URN.format(name)))


def test_an_unknown_option_of_the_provider_is_named(provider):
    answer = provider.CheckConfig(provider_pb2.CheckRequest(news=to_struct({"hots": "x"})))
    assert "'hots' is not an option" in answer.failures[0].reason


def test_bad_inputs_are_failures_of_their_property(provider):
    answer = provider.Check(provider_pb2.CheckRequest(urn=CONTAINER, news=to_struct({"image": "i", "cpus": "none"})))
    assert [(failure.property, "positive number" in failure.reason) for failure in answer.failures] == [("cpus", True)]


def test_differences_name_what_replaces(provider):
    olds, news = {"image": "i", "name": "n", "memory": 1}, {"image": "j", "name": "n", "memory": 2}
    answer = provider.Diff(provider_pb2.DiffRequest(urn=CONTAINER, olds=to_struct(olds), news=to_struct(news)))
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert (list(answer.diffs), list(answer.replaces)) == (["image", "memory"], ["image"])
    assert answer.deleteBeforeReplace
    assert answer.detailedDiff["image"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE


def test_changes_to_be_ignored_are(provider):
    olds, news = {"image": "i", "name": "n"}, {"image": "j", "name": "n"}
    request = provider_pb2.DiffRequest(
        urn=CONTAINER, olds=to_struct(olds), old_inputs=to_struct(olds), news=to_struct(news), ignoreChanges=["image"]
    )
    assert provider.Diff(request).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_preview_needs_no_daemon(provider):
    configure(provider, host="unix:///nowhere", disableDockerDaemonCheck="true")
    request = provider_pb2.CreateRequest(urn=CONTAINER, properties=to_struct({"image": "i", "name": "n"}), preview=True)
    assert from_struct(provider.Create(request).properties)["image"] == "i"


def test_a_daemon_lost_later_is_named_too(provider):
    configure(provider, host="unix:///nowhere", disableDockerDaemonCheck="true")
    with pytest.raises(grpc.RpcError, match=r"unix:///nowhere .* does not answer"):
        provider.Create(provider_pb2.CreateRequest(urn=CONTAINER, properties=to_struct({"image": "i", "name": "n"})))


def test_the_plugin_ends_when_the_engine_is_killed(tmp_path):
    """A parent that starts the plugin and dies; the plugin ends by itself, which closes the pipe that it inherited."""
    folder = lay_out(tmp_path, Path(sys.executable))
    parent = (
        "import os, subprocess, sys\n"
        f"p = subprocess.Popen([{str(folder / 'pulumi-resource-docker')!r}, '127.0.0.1:9'], stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", parent], stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_plugin_ends_in_order_when_the_engine_says_so(tmp_path, ending):
    folder = lay_out(tmp_path, Path(sys.executable))
    with subprocess.Popen([folder / "pulumi-resource-docker"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(ending)
        assert process.wait(4) == 0  # the engine kills what is there after 5 s
