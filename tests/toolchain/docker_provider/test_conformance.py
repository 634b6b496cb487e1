"""The scenarios recorded of the vendor's plugin, replayed against this one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from tests.e2e.own_daemon import own_daemon

REPLAY = Path(__file__).parents[2] / "conformance" / "replay.py"
SCENARIOS = 28
PLAIN_BASE = "model-webservice-conformance:python"


@pytest.fixture
def own_host(base_image: str) -> Iterator[str]:
    """A daemon of its own, so that other tests may run beside the replay, which takes minutes.

    It has the base image's files without its labels, which containers would inherit: those recorded had none.
    """
    with own_daemon() as host, closing(docker.from_env(timeout=300)) as daemon:
        container = daemon.containers.create(base_image)
        try:
            with closing(docker.DockerClient(base_url=host, timeout=300)) as own:
                own.api.import_image_from_data(
                    b"".join(container.export()),
                    repository=PLAIN_BASE.partition(":")[0],
                    tag=PLAIN_BASE.partition(":")[2],
                    changes=[f"ENV {variable}" for variable in container.attrs["Config"]["Env"]],
                )
        finally:
            container.remove()
        yield host


@pytest.mark.e2e
@pytest.mark.beside
def test_behaves_as_recorded(own_host: str, pulumi_environment: dict[str, str]) -> None:
    environment = {**os.environ, **pulumi_environment, "CONFORMANCE_BASE": PLAIN_BASE, "DOCKER_HOST": own_host}
    done = subprocess.run([sys.executable, REPLAY], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [f"{SCENARIOS} passed, 0 failed"], done.stdout + done.stderr
