"""What all tests share: errors in place of unknown texts, and a base image of this machine's daemon."""

import os

import docker
import docker.errors
import pytest

BASE_IMAGES = ("model-webservice-base:python3.11", "conformance-base:1", "python:3.11-slim")
"""Images with Python that tests may start from, the first that is there being taken."""


@pytest.fixture(autouse=True)
def outputs_are_no_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    """An Output that is formatted as a string is a mistake, and Pulumi raises an error for it when told so."""
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")


@pytest.fixture(scope="session")
def base_image() -> str:
    """Return a base image with Python that the Docker daemon has; fail when it has none."""
    wanted = [name for name in (os.environ.get("MODEL_WEBSERVICE_BASE_IMAGE", ""), *BASE_IMAGES) if name]
    client = docker.from_env()
    try:
        for name in wanted:
            try:
                client.api.inspect_image(name)
            except docker.errors.ImageNotFound:
                continue
            return name
    finally:
        client.close()
    pytest.fail(f"the Docker daemon has none of {', '.join(wanted)}: run 'make up' once, or pull the last one.")
