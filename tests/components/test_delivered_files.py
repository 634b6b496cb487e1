"""The graph of delivered files: what is secret, what depends on what, what a changed file changes."""

from typing import Any

import pulumi
import pulumi_docker
import pytest

from components.delivered_files import deliver
from tests.components.engine import CONTAINER, VOLUME, Engine, Run, Secret

FILES: dict[str, pulumi.Input[str]] = {"keys": "first\nsecond\n", "tls/certificate.pem": "PEM"}


def reader(**files: pulumi.Input[str]) -> None:
    parent = pulumi.ComponentResource("test:index:Parent", "svc")
    delivered = deliver(
        "svc", files or FILES, folder="/run/secrets/service", image="i:1", opts=pulumi.ResourceOptions(parent=parent)
    )
    pulumi_docker.Container(
        "reader",
        name="reader",
        image="i:1",
        envs=[f"KEYS={delivered.path('keys')}"],
        volumes=[delivered.mount],
        ports=[],
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[delivered.delivery]),
    )


def test_a_container_that_never_starts_uploads_secrets_into_the_volume(up: Run) -> None:
    engine = up(reader)
    volume, delivery = engine.find(VOLUME), engine.find(CONTAINER, "svc-delivery")
    assert (volume.name, volume.parent) == ("svc-files", "svc")
    assert volume.inputs == {
        "labels": [{"label": "model-webservice.files", "value": "keys tls/certificate.pem"}],
    }
    assert delivery.parent == "svc"
    assert delivery.dependencies == ["svc-files"]
    assert delivery.inputs == {
        "image": "i:1",
        "command": ["true"],
        "start": False,
        "mustRun": False,
        "networkMode": "none",
        "volumes": [{"volumeName": "svc-files-name", "containerPath": "/run/secrets/service"}],
        "uploads": [
            {"file": "/run/secrets/service/keys", "content": Secret("first\nsecond\n"), "permissions": "0444"},
            {"file": "/run/secrets/service/tls/certificate.pem", "content": Secret("PEM"), "permissions": "0444"},
        ],
    }


def test_the_new_delivery_stands_before_the_old_one_goes(up: Run) -> None:
    engine = up(reader)
    for made in (engine.find(VOLUME), engine.find(CONTAINER, "svc-delivery")):
        assert made.delete_before_replace is False
        assert "name" not in made.inputs, "two of one name cannot stand side by side"


def test_the_reader_mounts_the_volume_read_only_once_the_files_are_there(up: Run) -> None:
    found = up(reader).find(CONTAINER, "reader")
    assert found.inputs["volumes"] == [
        {"volumeName": "svc-files-name", "containerPath": "/run/secrets/service", "readOnly": True}
    ]
    assert found.inputs["envs"] == ["KEYS=/run/secrets/service/keys"]
    assert found.dependencies == ["svc-delivery", "svc-files"]


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        ({"keys": "first\nother\n"}, {"svc-delivery"}),
        ({"keys": "first\nsecond\n", "certificate": "PEM"}, {"svc-delivery", "svc-files"}),
    ],
)
def test_a_changed_file_changes_the_delivery_alone_and_another_set_of_files_the_volume(
    up: Run, files: dict[str, pulumi.Input[str]], changed: set[str]
) -> None:
    def inputs(engine: Engine) -> dict[str, Any]:
        return {made.name: made.inputs for made in engine.resources}

    before = inputs(up(lambda: reader(keys="first\nsecond\n")))
    after = inputs(up(lambda: reader(**files)))
    assert {name for name in after if after[name] != before[name]} == changed
