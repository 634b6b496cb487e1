"""The graph of a service behind a gateway, and what each change changes in it."""

import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import gateway, readiness
from components.container_webservice import ContainerWebservice
from components.daemon import Published
from components.gateway_config import GatewayConfig, Version, haproxy_config
from tests import pki
from tests.components.engine import (
    ASSIGNED_PORT,
    CONTAINER,
    CONTAINER_WEBSERVICE,
    IMAGE,
    NETWORK,
    REMOTE_IMAGE,
    UNKNOWN,
    VOLUME,
    Engine,
    FakeContainer,
    FakeDaemon,
    Run,
    Secret,
    id_of,
)

pytestmark = pytest.mark.usefixtures("project", "packages")

GRAPH = [
    (CONTAINER, "svc-gateway", "svc"),
    (CONTAINER, "svc-gateway-delivery", "svc"),
    (CONTAINER, "svc-replica-1", "svc"),
    (IMAGE, "svc-gateway-image", "svc"),
    (NETWORK, "svc-network", "svc"),
    (REMOTE_IMAGE, "svc-gateway-stored", "svc"),
    (VOLUME, "svc-gateway-files", "svc"),
    (CONTAINER_WEBSERVICE, "svc", "model-webservice-dev"),
]
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def images(daemon: FakeDaemon) -> None:
    daemon.images |= {"one:1": {}, "two:1": {}}


def service(**given: Any) -> None:
    if not {"versions", "model_paths"} & given.keys():
        given["image"] = given.get("image", "one:1")
    ContainerWebservice("svc", {"zero_downtime": True, **given})  # type: ignore[typeddict-item] # any arguments


def serving(*numbers: int) -> Version:
    """Return the only version of a service, with its containers."""
    return Version("service", containers=[f"svc-replica-{number}-1a2b3c4" for number in numbers])


def version(name: str, image: str, percentile: int) -> dict[str, Any]:
    return {"name": name, "image": image, "traffic_percentile": percentile}


def files(engine: Engine) -> dict[str, Any]:
    """Return what is delivered to the gateway, by file."""
    uploads = engine.find(CONTAINER, "svc-gateway-delivery").inputs["uploads"]
    return {upload["file"]: upload["content"] for upload in uploads}


def test_a_gateway_a_network_and_containers_without_ports(up: Run, preview: Run) -> None:
    assert up(service).graph == GRAPH
    assert preview(service).graph == GRAPH


def test_the_gateway_has_the_services_name_and_port_and_is_hardened(up: Run) -> None:
    engine = up(lambda: service(port=8080, bind_address="0.0.0.0", stop_grace_seconds=20, wait_timeout=90))
    made = engine.find(CONTAINER, "svc-gateway")
    (built,) = (image for image in engine.resources if image.name == "svc-gateway-image")
    assert made.inputs == {
        "name": "svc",
        "image": id_of(built.inputs["imageName"]),
        "user": "10001:10001",
        "init": True,
        "readOnly": True,
        "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=16m"},
        "capabilities": {"drops": ["ALL"]},
        "securityOpts": ["no-new-privileges:true"],
        "cpus": "1.0",
        "memory": 256,
        "memorySwap": 256,
        "logDriver": "json-file",
        "logOpts": {"max-size": "10m", "max-file": "3"},
        "restart": "unless-stopped",
        "stopTimeout": 60,
        "destroyGraceSeconds": 60,
        "mustRun": True,
        "envs": [],
        "ports": [{"internal": 5001, "external": 8080, "ip": "0.0.0.0"}],
        "networksAdvanced": [{"name": "svc-network-name"}],
        "healthcheck": {
            "tests": readiness.health_check(5002),
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "startPeriod": "1m0s",
        },
        "labels": [{"label": "model-webservice.gateway", "value": "svc"}],
        "volumes": [{"volumeName": "svc-gateway-files-name", "containerPath": "/etc/gateway", "readOnly": True}],
    }
    assert "svc-gateway-delivery" in made.dependencies
    assert made.delete_before_replace is None, "its name and port can be held once"


def test_a_container_starts_beside_the_one_that_it_replaces(up: Run) -> None:
    made = up(service).find(CONTAINER, "svc-replica-1")
    assert made.delete_before_replace is False
    assert not {"name", "ports"} & made.inputs.keys()
    assert made.inputs["networksAdvanced"] == [{"name": "svc-network-name"}]
    assert made.inputs["envs"] == [
        "SCORING_DRAIN=27",
        "SCORING_FORWARDED_ALLOW_IPS=*",
        "SCORING_LAME_DUCK=2",
        "SCORING_LISTEN_WHEN_READY=true",
        "SERVICE_NAME=svc",
        "WORKER_COUNT=1",
    ]
    assert made.inputs["image"] == id_of("one:1")


def test_the_images_of_the_service_are_removed_after_the_containers(up: Run) -> None:
    config = {"execution_script": "score.py", "conda_file": "myenv.yml"}
    engine = up(lambda: service(model_paths=["model.bin"], image_config=config))
    assert engine.find(REMOTE_IMAGE, "svc-image-stored").delete_before_replace is False
    assert engine.find(REMOTE_IMAGE, "svc-image-stored").dependencies == ["svc-image-image"], "and not the model's"


def test_replicas_share_network_name_and_image(up: Run) -> None:
    engine = up(lambda: service(replicas=3))
    made = [one for one in engine.resources if one.name.startswith("svc-replica-")]
    assert sorted(one.name for one in made) == ["svc-replica-1", "svc-replica-2", "svc-replica-3"]
    assert all(one.inputs == made[0].inputs for one in made)
    assert files(engine)["/etc/gateway/haproxy.cfg"] == Secret(haproxy_config(GatewayConfig([serving(1, 2, 3)], 3)))


def test_limits_reach_the_gateway_and_the_server(up: Run) -> None:
    engine = up(lambda: service(scoring_timeout_ms=2000, replica_max_concurrent_requests=2, max_request_wait_time=700))
    wanted = haproxy_config(GatewayConfig([serving(1)], 1, 2, 700, 2000))
    assert files(engine)["/etc/gateway/haproxy.cfg"] == Secret(wanted)
    assert "SCORING_TIMEOUT_MS=2000" in engine.find(CONTAINER, "svc-replica-1").inputs["envs"]


def test_tls_ends_at_the_gateway_and_keys_are_asked_for_by_the_server(up: Run, tmp_path: Path) -> None:
    certificate, key = pki.make_certificate(tmp_path, ["localhost"])
    access = {"auth_enabled": True, "primary_key": KEY, "secondary_key": KEY[::-1]}
    tls = {"ssl_enabled": True, "ssl_cert_pem_file": certificate, "ssl_key_pem_file": key, "ssl_cname": "localhost"}
    engine = up(lambda: service(**access, **tls))
    pem = Path(certificate).read_text() + Path(key).read_text()
    assert files(engine) == {
        "/etc/gateway/haproxy.cfg": Secret(haproxy_config(GatewayConfig([serving(1)], tls=True), pem)),
        "/etc/gateway/certificate.pem": Secret(pem),
    }
    envs = engine.find(CONTAINER, "svc-replica-1").inputs["envs"]
    assert "SCORING_KEYS_FILE=/run/secrets/service/keys" in envs
    assert not [env for env in envs if "TLS" in env or "HEALTH_PORT" in env]
    outputs = engine.find(CONTAINER_WEBSERVICE).outputs or {}
    assert outputs["scoringUri"] == f"https://localhost:{ASSIGNED_PORT}/score"
    assert outputs["state"] == "Healthy", "no secret"
    others = [made.inputs for made in engine.resources if not made.name.endswith("delivery")]
    assert "PRIVATE KEY" not in repr(others)


def test_versions_have_containers_of_their_own(up: Run) -> None:
    engine = up(lambda: service(versions=[version("blue", "one:1", 70), version("green", "two:1", 30)], replicas=2))
    made = {one.name: one.inputs for one in engine.resources if one.name[4:].startswith(("blue", "green"))}
    assert {name: inputs["image"] for name, inputs in made.items()} == {
        "svc-blue-1": id_of("one:1"),
        "svc-blue-2": id_of("one:1"),
        "svc-green-1": id_of("two:1"),
        "svc-green-2": id_of("two:1"),
    }
    text = files(engine)["/etc/gateway/haproxy.cfg"].value
    assert re.findall(r"(?m)^    server (\S+) \1:5001$", text) == [
        f"svc-{name}-1a2b3c4" for name in ("blue-1", "blue-2", "green-1", "green-2")
    ]
    assert "SERVICE_VERSION=green" in made["svc-green-2"]["envs"]
    assert (engine.find(CONTAINER_WEBSERVICE).outputs or {})["image"] == "one:1"


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ({}, {"image": "two:1"}, {"svc-replica-1"}),
        ({}, {"wait_timeout": 900, "stop_grace_seconds": 90}, {"svc-replica-1"}),
        ({}, {"max_request_wait_time": 900}, {"svc-gateway-delivery"}),
        ({}, {"replicas": 2}, {"svc-gateway-delivery"}),
        (
            {"versions": [version("blue", "one:1", 70), version("green", "two:1", 30)]},
            {"versions": [version("blue", "one:1", 10), version("green", "two:1", 90)]},
            {"svc-gateway-delivery"},
        ),
    ],
)
def test_no_change_changes_the_gateway(up: Run, before: dict[str, Any], after: dict[str, Any], names: set[str]) -> None:
    first, second = up(lambda: service(**before)), up(lambda: service(**after))
    old = {made.name: made.inputs for made in first.resources}
    assert {made.name for made in second.resources if made.inputs != old.get(made.name, made.inputs)} == names


@pytest.mark.parametrize(("published", "external"), [([], None), ([Published("127.0.0.1", 40000, "svc")], 40000)])
def test_a_port_that_docker_chose_is_kept(
    up: Run, daemon: FakeDaemon, published: list[Published], external: int | None
) -> None:
    daemon.ports = published
    (port,) = up(service).find(CONTAINER, "svc-gateway").inputs["ports"]
    assert port.get("external") == external


def test_the_gateway_follows_only_containers_that_are_ready(up: Run, daemon: FakeDaemon) -> None:
    daemon.next_container = lambda: FakeContainer("exited", 3, log=["loading", "KeyError: 'x'"])
    engine = Engine(daemon)
    with pytest.raises(pulumi.RunError, match=r"(?s)^svc: the container of svc exited with code 3.*KeyError: 'x'$"):
        engine.run(service)
    assert not {"svc-gateway", "svc-gateway-delivery"} & {made.name for made in engine.resources}


def test_a_preview_shows_what_the_gateway_will_be_told(preview: Run, up: Run) -> None:
    planned, made = files(preview(service)), files(up(service))
    assert planned == made
    assert UNKNOWN not in planned.values()


def test_the_gateways_certificate_file_is_always_there(up: Run) -> None:
    assert files(up(service))["/etc/gateway/certificate.pem"] == Secret(gateway.NO_CERTIFICATE)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"replicas": 0}, r"^svc: replicas is 0: give a whole number from 1 to 100\."),
        ({"zero_downtime": False, "replicas": 2}, r"^svc: replicas given without zeroDowntime"),
        ({"versions": [version("a", "one:1", 50)]}, r"add up to 50"),
        ({"versions": [version("a", "one:1", 100)], "image": "one:1"}, r"image, versions are given, one is allowed"),
        (
            {"versions": [version("a", "one:1", 100)], "image_config": {"execution_script": "score.py"}},
            r"imageConfig is given with versions, whose images are made already",
        ),
        (
            {"versions": [{"name": "a", "image": "one:1", "percentile": 5}]},
            r"unknown argument versions\[0\]\.'percentile'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_preview(preview: Run, given: dict[str, Any], said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        preview(lambda: service(**given))
