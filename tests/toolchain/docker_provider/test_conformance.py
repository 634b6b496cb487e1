"""The scenarios recorded of the vendor's plugin, replayed against this one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

REPLAY = Path(__file__).parents[2] / "conformance" / "replay.py"
SCENARIOS = 28
PLAIN_BASE = "model-webservice-conformance:python"


@pytest.fixture
def plain_base(base_image: str) -> Iterator[str]:
    """The base image's files without its labels, which containers would inherit: those recorded had none."""
    with closing(docker.from_env(timeout=300)) as daemon:
        container = daemon.containers.create(base_image)
        try:
            daemon.api.import_image_from_data(
                b"".join(container.export()),
                repository=PLAIN_BASE.partition(":")[0],
                tag=PLAIN_BASE.partition(":")[2],
                changes=[f"ENV {variable}" for variable in container.attrs["Config"]["Env"]],
            )
        finally:
            container.remove()
        yield PLAIN_BASE
        daemon.images.remove(PLAIN_BASE)


@pytest.mark.e2e
def test_behaves_as_recorded(plain_base, pulumi_environment):
    environment = {**os.environ, **pulumi_environment, "CONFORMANCE_BASE": plain_base}
    done = subprocess.run([sys.executable, REPLAY], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [f"{SCENARIOS} passed, 0 failed"], done.stdout + done.stderr
