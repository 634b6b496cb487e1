"""The plugin under the real engine, against the real daemon, beyond what the records cover."""

import io
import os
import subprocess
import tarfile
import urllib.request
import uuid

import pulumi
import pulumi_docker as d
import pytest

from tests.toolchain.docker_provider.conftest import eventually
from tests.toolchain.docker_provider.registry_server import PASSWORD, USER, serve
from toolchain.docker_provider.endpoint import resolve

pytestmark = pytest.mark.e2e
SERVE = ["python3", "-m", "http.server", "8000"]


@pytest.fixture
def name(daemon):
    """A name of its own for containers and images; what bears it is removed afterwards."""
    made = f"provider-test-{uuid.uuid4().hex[:8]}"
    yield made
    for container in daemon.containers.list(all=True, filters={"name": made}):
        container.remove(force=True)
    for image in daemon.images.list():
        for tag in image.tags:
            if made in tag:
                daemon.images.remove(tag, force=True)


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "context"
    folder.mkdir()

    def lay(dockerfile, **files):
        (folder / "Dockerfile").write_text(dockerfile)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        return str(folder)

    return lay


def build_program(tag, context, **options):
    def program():
        build = d.DockerBuildArgs(context=context, platform="linux/amd64", args=options.pop("args", None))
        image = d.Image("i", image_name=tag, skip_push=True, build=build, **options)
        pulumi.export("digest", image.repo_digest)

    return program


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
    def program():
        ports = [d.ContainerPortArgs(internal=8000, ip="127.0.0.1")]
        container = d.Container("c", name=name, image=base_image, command=SERVE, ports=ports)
        pulumi.export("port", container.ports[0].external)
        pulumi.export("address", container.network_datas[0].ip_address)

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
    steps = "RUN echo first''-line\nRUN sleep 4 && echo second''-line\n"
    folder = context(f"FROM {base_image}\nRUN echo {uuid.uuid4()}\n{steps}")
    seen = stack.up(build_program(f"{name}:1", folder))
    assert not seen.failed, seen.text
    first = next(when for when, message in seen.messages if "first-line" in message)
    assert any("second-line" in message for _, message in seen.messages)
    assert seen.done["i"] - first > 3


def test_a_failing_build_names_the_step_and_leaves_nothing(stack, name, base_image, context):
    seen = stack.up(build_program(f"{name}:1", context(f"FROM {base_image}\nRUN echo why''-it-fails && exit 7\n")))
    assert seen.failed
    assert "exit code: 7" in seen.text
    assert "why-it-fails" in seen.text


def test_a_tar_in_the_context_is_unpacked(stack, name, context, daemon):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("models/weights")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))
    program = build_program(f"{name}:1", context("FROM scratch\nADD layer.tar /\n", **{"layer.tar": buffer.getvalue()}))
    assert not stack.up(program).failed
    assert read_file(daemon, f"{name}:1", "/models/weights") == b"abc"
    assert stack.output("digest") == daemon.images.get(f"{name}:1").id
    assert stack.up(program).ops["i"] == "same"


def test_local_images_are_copied_from_by_tag(stack, name, context, daemon, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "Dockerfile").write_text(f"FROM scratch\nCOPY --from={name}/model:1 /weights /copied\n")

    def program():
        build = d.DockerBuildArgs(
            context=context("FROM scratch\nCOPY weights /\n", weights=b"abc"), platform="linux/amd64"
        )
        model = d.Image("model", image_name=f"{name}/model:1", skip_push=True, build=build)
        build = d.DockerBuildArgs(
            context=str(tmp_path / "other"), platform="linux/amd64", args={"MODEL": model.repo_digest}
        )
        d.Image("scoring", image_name=f"{name}:1", skip_push=True, build=build)

    seen = stack.up(program)
    assert not seen.failed, seen.text
    assert read_file(daemon, f"{name}:1", "/copied") == b"abc"
    assert set(stack.up(program).ops.values()) == {"same"}


def test_an_explicit_provider_is_used(stack, name, base_image, daemon):
    host = resolve({}, os.environ).host

    def program():
        provider = d.Provider("here", host=host)
        d.Container("c", name=name, image=base_image, command=SERVE, opts=pulumi.ResourceOptions(provider=provider))

    assert not stack.up(program).failed
    assert daemon.containers.get(name).status == "running"
    assert stack.up(program).ops["c"] == "same"


def test_a_daemon_that_does_not_answer_is_named_at_preview(stack, name, base_image):
    def program():
        provider = d.Provider("gone", host="unix:///no/such.sock")
        d.Container("c", name=name, image=base_image, opts=pulumi.ResourceOptions(provider=provider))

    seen = stack.preview(program)
    assert seen.failed
    assert "unix:///no/such.sock (from the provider's host) does not answer" in seen.text


def test_a_preview_makes_nothing(stack, name, context, daemon):
    seen = stack.preview(build_program(f"{name}:1", context(f"FROM scratch\nLABEL x={name}\n")))
    assert not seen.failed, seen.text
    assert not [tag for image in daemon.images.list() for tag in image.tags if name in tag]


def test_a_container_is_imported(stack, name, base_image, daemon):
    made = daemon.containers.run(base_image, SERVE, name=name, detach=True, mem_limit="256m", memswap_limit="512m")

    def program():
        options = pulumi.ResourceOptions(import_=made.id)
        limits = {"memory": 256, "memory_swap": 512}
        d.Container("c", name=name, image=base_image, command=SERVE, network_mode="default", opts=options, **limits)

    seen = stack.up(program)
    assert not seen.failed, seen.text
    assert seen.ops["c"] == "import"
    assert daemon.containers.get(name).id == made.id
    assert stack.up(program).ops["c"] == "same"


def test_push_gives_the_digest_and_keeps_the_password(stack, name, context):
    with serve() as registry:
        tag = f"{registry.address}/{name}:1"

        def program():
            image = d.Image(
                "i",
                image_name=tag,
                registry=d.RegistryArgs(server=registry.address, username=USER, password=PASSWORD),
                build=d.DockerBuildArgs(context=context("FROM scratch\nCOPY a /\n", a=b"1"), platform="linux/amd64"),
            )
            pulumi.export("digest", image.repo_digest)

        seen = stack.up(program)
        assert not seen.failed, seen.text
        repository, _, digest = stack.output("digest").partition("@")
        assert repository == f"{registry.address}/{name}"
        assert digest in registry.manifests
        assert PASSWORD not in seen.text
        assert PASSWORD not in str(stack.stack.export_stack().deployment)
        assert stack.up(program).ops["i"] == "same"


def test_a_registry_that_refuses_is_named(stack, name, context):
    with serve() as registry:

        def program():
            build = d.DockerBuildArgs(context=context("FROM scratch\nCOPY a /\n", a=b"1"), platform="linux/amd64")
            d.Image("i", image_name=f"{registry.address}/{name}:1", build=build)

        seen = stack.up(program)
        assert seen.failed
        assert f"docker login {registry.address}" in seen.text


def test_a_killed_engine_leaves_no_container(tmp_path, name, base_image, daemon, pulumi_environment):
    """SIGKILL the engine while it waits for a container: the plugin removes what no state knows of."""
    (tmp_path / "Pulumi.yaml").write_text("name: killed\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(
        "import pulumi_docker as d\n"
        "check = d.ContainerHealthcheckArgs(tests=['CMD', 'false'], interval='1s', timeout='1s', retries=100)\n"
        f"given = dict(name={name!r}, image={base_image!r}, command={SERVE!r})\n"
        "d.Container('c', healthcheck=check, wait=True, wait_timeout=300, **given)\n"
    )
    (tmp_path / "state").mkdir()
    environment = {**os.environ, **pulumi_environment, "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}"}
    subprocess.run(["pulumi", "stack", "init", "test"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **quiet) as engine:
        eventually(lambda: daemon.containers.list(filters={"name": name}), 120, "the container runs")
        engine.kill()
    eventually(lambda: not daemon.containers.list(all=True, filters={"name": name}), 30, "the container is gone")
