"""The plugin under the real engine, against the real daemon, beyond what the records cover."""

import io
import os
import subprocess
import tarfile
import urllib.request
import uuid

import pytest

from tests.holdings import containers, image_tags
from tests.toolchain.docker_provider.conftest import eventually
from tests.toolchain.docker_provider.registry_server import PASSWORD, USER, serve
from toolchain.docker_provider.endpoint import resolve

pytestmark = [pytest.mark.e2e, pytest.mark.beside]
SERVE = ["python3", "-m", "http.server", "8000"]


@pytest.fixture
def name(daemon):
    """A name of its own for containers and images; what bears it is removed afterwards."""
    made = f"provider-test-{uuid.uuid4().hex[:8]}"
    yield made
    for container in containers(daemon, name=made):
        container.remove(force=True)
    for tag in image_tags(daemon):
        if made in tag:
            daemon.images.remove(tag, force=True)


@pytest.fixture
def context(tmp_path):
    def lay(dockerfile, folder="context", **files):
        made = tmp_path / folder
        made.mkdir(exist_ok=True)
        (made / "Dockerfile").write_text(dockerfile)
        for file, content in files.items():
            (made / file).write_bytes(content)
        return str(made)

    return lay


def image(tag, context, options="skip_push=True"):
    return f"""
        build = d.DockerBuildArgs(context={context!r}, platform="linux/amd64")
        image = d.Image("i", image_name={tag!r}, build=build, {options})
        pulumi.export("digest", image.repo_digest)
    """


def read_file(daemon, image, path):
    container = daemon.containers.create(image, ["true"])
    try:
        stream, _ = container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            member = archive.extractfile(archive.getmembers()[0])
            assert member is not None
            return member.read()
    finally:
        container.remove()


def test_a_port_that_docker_chose_is_told_and_is_no_change(stack, name, base_image):
    program = f"""
        ports = [d.ContainerPortArgs(internal=8000, ip="127.0.0.1")]
        container = d.Container("c", name={name!r}, image={base_image!r}, command={SERVE!r}, ports=ports)
        pulumi.export("port", container.ports[0].external)
        pulumi.export("address", container.network_datas[0].ip_address)
    """
    assert not stack.up(program).failed
    port = stack.output("port")
    assert port > 1024

    def answers():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    eventually(answers, 20, "the published port answers")
    assert stack.output("address").count(".") == 3
    assert stack.up(program).ops["c"] == "same"
    assert stack.refresh().ops["c"] == "refresh"
    assert stack.up(program).ops["c"] == "same"
    assert stack.output("port") == port


def test_a_builds_output_is_shown_while_it_runs(stack, name, base_image, context):
    steps = "RUN echo first''-line\nRUN sleep 5 && echo second''-line\n"
    folder = context(f"FROM {base_image}\nRUN echo {uuid.uuid4()}\n{steps}")
    seen = stack.up(image(f"{name}:1", folder))
    assert not seen.failed, seen.text
    first = next(when for when, message in seen.messages if "first-line" in message)
    assert any("second-line" in message for _, message in seen.messages)
    assert seen.done["i"] - first >= 4


def test_a_failing_build_names_the_step_and_leaves_nothing(stack, name, base_image, context):
    seen = stack.up(image(f"{name}:1", context(f"FROM {base_image}\nRUN echo why''-it-fails && exit 7\n")))
    assert seen.failed
    assert "exit code: 7" in seen.text
    assert "why-it-fails" in seen.text


def test_a_tar_in_the_context_is_unpacked(stack, name, context, daemon):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("models/weights")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
    program = image(f"{name}:1", context("FROM scratch\nADD layer.tar /\n", **{"layer.tar": buffer.getvalue()}))
    assert not stack.up(program).failed
    assert read_file(daemon, f"{name}:1", "/models/weights") == b"abc"
    assert stack.output("digest") == daemon.images.get(f"{name}:1").id
    assert stack.up(program).ops["i"] == "same"


def test_local_images_are_copied_from_by_tag(stack, name, context, daemon):
    model = context("FROM scratch\nCOPY weights /\n", "model", weights=b"abc")
    copied = f"COPY --from={name}/model:1 /weights /copied\n"
    scoring = context(f"FROM scratch\nARG MODEL\nLABEL model=$MODEL\n{copied}", "scoring")
    program = f"""
        build = d.DockerBuildArgs(context={model!r}, platform="linux/amd64")
        model = d.Image("model", image_name="{name}/model:1", skip_push=True, build=build)
        build = d.DockerBuildArgs(context={scoring!r}, platform="linux/amd64", args={{"MODEL": model.repo_digest}})
        d.Image("scoring", image_name="{name}:1", skip_push=True, build=build)
    """
    seen = stack.up(program)
    assert not seen.failed, seen.text
    assert read_file(daemon, f"{name}:1", "/copied") == b"abc"
    assert daemon.images.get(f"{name}:1").labels["model"] == daemon.images.get(f"{name}/model:1").id
    assert set(stack.up(program).ops.values()) == {"same"}


def test_an_explicit_provider_is_used(stack, name, base_image, daemon):
    program = f"""
        options = pulumi.ResourceOptions(provider=d.Provider("here", host={resolve({}, os.environ).host!r}))
        d.Container("c", name={name!r}, image={base_image!r}, command={SERVE!r}, opts=options)
    """
    assert not stack.up(program).failed
    assert daemon.containers.get(name).status == "running"
    assert stack.up(program).ops["c"] == "same"


def test_a_daemon_that_does_not_answer_is_named_at_preview(stack, name, base_image):
    seen = stack.preview(
        f"""
        options = pulumi.ResourceOptions(provider=d.Provider("gone", host="unix:///no/such.sock"))
        d.Container("c", name={name!r}, image={base_image!r}, opts=options)
        """
    )
    assert seen.failed
    assert "unix:///no/such.sock (from the provider's host) does not answer" in seen.text


def test_a_preview_makes_nothing(stack, name, context, daemon):
    seen = stack.preview(image(f"{name}:1", context(f"FROM scratch\nLABEL x={name}\n")))
    assert not seen.failed, seen.text
    assert not [tag for tag in image_tags(daemon) if name in tag]


def test_a_container_is_imported(stack, name, base_image, daemon):
    made = daemon.containers.run(base_image, SERVE, name=name, detach=True, mem_limit="256m", memswap_limit="512m")
    program = f"""
        given = dict(name={name!r}, image={base_image!r}, command={SERVE!r}, memory=256, memory_swap=512)
        options = pulumi.ResourceOptions(import_={made.id!r})
        d.Container("c", network_mode="default", opts=options, **given)
    """
    seen = stack.up(program)
    assert not seen.failed, seen.text
    assert seen.ops["c"] == "import"
    assert daemon.containers.get(name).id == made.id
    assert stack.up(program).ops["c"] == "same"


def test_push_gives_the_digest_and_keeps_the_password(stack, name, context):
    with serve() as registry:
        login = f"d.RegistryArgs(server={registry.address!r}, username={USER!r}, password={PASSWORD!r})"
        folder = context("FROM scratch\nCOPY a /\n", a=b"1")
        program = image(f"{registry.address}/{name}:1", folder, f"registry={login}")
        seen = stack.up(program)
        assert not seen.failed, seen.text
        repository, _, digest = stack.output("digest").partition("@")
        assert repository == f"{registry.address}/{name}"
        assert digest in registry.manifests
        assert PASSWORD not in seen.text
        assert PASSWORD not in stack.pulumi("stack", "export")
        assert stack.up(program).ops["i"] == "same"


def test_a_registry_that_refuses_is_named(stack, name, context):
    with serve() as registry:
        folder = context("FROM scratch\nCOPY a /\n", a=b"1")
        seen = stack.up(image(f"{registry.address}/{name}:1", folder, "skip_push=False"))
        assert seen.failed
        assert f"docker login {registry.address}" in seen.text


def test_a_killed_engine_leaves_no_container(stack, name, base_image, daemon):
    """SIGKILL the engine while it waits for a container: the plugin removes what no state knows of."""
    stack.write(
        f"""
        given = dict(name={name!r}, image={base_image!r}, command={SERVE!r})
        check = d.ContainerHealthcheckArgs(tests=["CMD", "false"], interval="1s", timeout="1s", retries=100)
        d.Container("c", healthcheck=check, wait=True, wait_timeout=300, **given)
        """
    )
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=stack.folder, env=stack.environment, **quiet) as engine:
        eventually(lambda: containers(daemon, stopped=False, name=name), 120, "the container runs")
        engine.kill()
    eventually(
        lambda: not containers(daemon, name=name),
        30,
        "the container is gone",
    )
    stack.pulumi("cancel", "--yes")
    program = f'd.Container("c", name={name!r}, image={base_image!r}, command={SERVE!r})\n'
    seen = stack.up(program)
    assert not seen.failed, seen.text
