"""What is read out of an exported state."""

import json
from typing import Any

import pytest

from scoring.stack_state import CONTAINER, GATEWAY_LABEL, SECRET, SERVICE_LABEL, SIGNATURE, DeployedContainer, read

SERVICE = {"scoringUri": "http://127.0.0.1:5001/score"}


def stack(**outputs: object) -> dict[str, Any]:
    return {"type": "pulumi:pulumi:Stack", "urn": "urn:stack", "outputs": outputs}


def container(container_id: str, labels: dict[str, str], provider: str = "urn:provider::1", **more: object) -> Any:
    listed = [{"label": label, "value": value} for label, value in labels.items()]
    return {
        "type": CONTAINER,
        "urn": f"urn:{container_id}",
        "id": container_id,
        "provider": provider,
        "outputs": {"labels": listed},
        **more,
    }


def secret(value: object) -> dict[str, str]:
    return {SIGNATURE: SECRET, "plaintext": json.dumps(value)}


def test_outputs_are_read_with_their_secrets() -> None:
    deployed = read({"resources": [stack(services={"a": SERVICE}, keys=secret({"a": {"primary": secret("k")}}))]})
    assert deployed.services == {"a": SERVICE}
    assert deployed.keys == {"a": {"primary": "k"}}
    assert "k" not in repr(deployed).replace("keys", "")


@pytest.mark.parametrize("state", [{}, {"resources": []}, {"resources": None}, {"resources": [stack()]}])
def test_a_stack_without_anything(state: dict[str, Any]) -> None:
    deployed = read(state)
    assert (deployed.names, deployed.services, deployed.keys, deployed.containers) == ([], {}, {}, ())


@pytest.mark.parametrize("services", ["text", {"a": "text"}, {"a": {}}, {"a": {"scoringUri": 1}}])
def test_outputs_of_another_kind_are_refused(services: object) -> None:
    with pytest.raises(ValueError, match="`services` is not an object of services with a scoringUri each"):
        read({"resources": [stack(services=services)]})


def test_containers_are_those_that_serve_and_their_gateways() -> None:
    resources = [
        stack(services={"b": SERVICE}),
        {"type": "pulumi:providers:docker", "urn": "urn:remote", "id": "2", "inputs": {"host": secret("ssh://edge")}},
        container("1", {SERVICE_LABEL: "a"}),
        container("2", {SERVICE_LABEL: "a"}, delete=True),
        container("3", {GATEWAY_LABEL: "a"}, "urn:remote::2"),
        container("4", {}),
        {"type": CONTAINER, "urn": "urn:5", "id": "", "outputs": None},
        {"type": CONTAINER, "urn": "urn:6", "id": "6"},
    ]
    deployed = read({"resources": resources})
    assert deployed.containers == (
        DeployedContainer("1", "a"),
        DeployedContainer("2", "a", is_leaving=True),
        DeployedContainer("3", "a", docker_host="ssh://edge", is_gateway=True),
    )
    assert deployed.names == ["a", "b"], "one whose first deployment failed has containers and no output"
    assert deployed.containers_of("b") == []
