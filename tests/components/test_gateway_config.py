"""The gateway's configuration: what the settings change in it, and HAProxy's own judgement."""

import base64
import os
import subprocess
from pathlib import Path

import docker
import pytest

from components.gateway_config import ANSWERS, GatewayConfig, Version, haproxy_config
from components.gateway_image import BASE_IMAGE, BASE_IMAGE_VARIABLE

ONE = (Version("service", containers=["svc-1-a"]),)
TWO = (Version("blue", 70, ["blue-1-b"]), Version("green", 30, ["green-1-c"]))
CONFIGS = {
    "least": GatewayConfig(ONE),
    "replicas": GatewayConfig((Version("service", containers=["svc-1-a", "svc-2-b"]),), replicas=2),
    "limits": GatewayConfig(ONE, replica_max_concurrent_requests=2, max_request_wait_time=800, scoring_timeout_ms=1000),
    "tls": GatewayConfig(ONE, tls=True),
    "versions": GatewayConfig(TWO),
    "a version without traffic": GatewayConfig((Version("blue", 100), Version("green", 0, ["green-1-c"]))),
    "all": GatewayConfig(
        (*TWO[:1], Version("green", 20), Version("red", 10, [f"red-{number}-d" for number in range(1, 101)])),
        replicas=100,
        replica_max_concurrent_requests=1,
        tls=True,
    ),
}


def lines(config: GatewayConfig, certificate: str = "") -> list[str]:
    return [line.strip() for line in haproxy_config(config, certificate).splitlines()]


def section(config: GatewayConfig, head: str) -> list[str]:
    """Return the lines of one section."""
    text = haproxy_config(config).splitlines()
    start = text.index(head) + 1
    end = next((number for number, line in enumerate(text) if number > start and not line.startswith(" ")), len(text))
    return [line.strip() for line in text[start:end]]


@pytest.mark.parametrize(
    ("config", "head", "line"),
    [
        ("least", "frontend service", "bind :5001"),
        ("least", "frontend service", "default_backend service"),
        ("least", "backend service", "server svc-1-a svc-1-a:5001"),
        ("least", "backend service", "default-server resolvers docker resolve-prefer ipv4 init-addr last,libc,none"),
        ("least", "defaults", "timeout server 3605000ms"),
        ("least", "defaults", "retry-on conn-failure"),
        ("replicas", "backend service", "server svc-1-a svc-1-a:5001"),
        ("replicas", "backend service", "server svc-2-b svc-2-b:5001"),
        (
            "limits",
            "backend service",
            "default-server resolvers docker resolve-prefer ipv4 init-addr last,libc,none maxconn 2",
        ),
        ("limits", "defaults", "timeout queue 800ms"),
        ("limits", "defaults", "timeout server 6000ms"),
        ("tls", "frontend service", "bind :5001 ssl crt certificate.pem alpn http/1.1"),
        ("tls", "frontend service", "http-request set-header X-Forwarded-Proto https"),
        ("least", "frontend service", "http-request set-header X-Forwarded-Proto http"),
        ("least", "frontend service", "http-request del-header X-Forwarded-For"),
        ("least", "defaults", "timeout http-keep-alive 10s"),
        ("versions", "frontend service", "use_backend blue if { var(txn.share) -m int lt 70 } { nbsrv(blue) gt 0 }"),
        ("versions", "frontend service", "use_backend green if { var(txn.share) -m int lt 100 } { nbsrv(green) gt 0 }"),
        ("versions", "frontend health", "monitor fail if { nbsrv(blue) lt 1 } { nbsrv(green) lt 1 }"),
        ("a version without traffic", "frontend service", "default_backend blue"),
        ("a version without traffic", "backend green", "server green-1-c green-1-c:5001"),
    ],
)
def test_settings_are_lines(config: str, head: str, line: str) -> None:
    assert line in section(CONFIGS[config], head)


def test_a_version_without_traffic_gets_none() -> None:
    assert not [line for line in section(CONFIGS["a version without traffic"], "frontend service") if "green" in line]


@pytest.mark.parametrize("status", ANSWERS)
def test_its_own_answers_have_the_servers_form(status: int) -> None:
    (line,) = (line for line in lines(CONFIGS["least"]) if line.startswith(f"http-error status {status} "))
    assert f'content-type application/json string \'{{"message": "{ANSWERS[status]}"}}\'' in line
    assert line.endswith("hdr Retry-After 1") == (status == 503)


def test_it_names_itself_by_all_that_it_is_made_of() -> None:
    def description(config: GatewayConfig, certificate: str = "") -> str:
        return lines(config, certificate)[1]

    first = description(CONFIGS["least"])
    assert first.startswith("description ")
    assert description(GatewayConfig(ONE)) == first
    assert description(CONFIGS["limits"]) != first
    assert description(CONFIGS["tls"], "one") != description(CONFIGS["tls"], "other")
    assert "secret" not in haproxy_config(CONFIGS["tls"], "secret")


@pytest.mark.e2e
def test_haproxy_takes_every_one_without_a_warning(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=model.test"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    pem = certificate.read_text() + key.read_text()
    steps = ["set -e", "mkdir /tmp/gateway", ": >/tmp/gateway/servers", "cd /tmp"]
    for config in CONFIGS.values():
        for name, text in (("haproxy.cfg", haproxy_config(config)), ("certificate.pem", pem)):
            steps.append(f"echo {base64.b64encode(text.encode()).decode()} | base64 -d >{name}")
        steps.append("haproxy -W -c -q -f haproxy.cfg 2>&1")
    client = docker.from_env()
    try:
        said = client.containers.run(
            os.environ.get(BASE_IMAGE_VARIABLE) or BASE_IMAGE,
            ["bash", "-c", "\n".join(steps)],
            remove=True,
            network_mode="none",
            user="10001",
            read_only=True,
            tmpfs={"/tmp": "mode=1777"},
            entrypoint=[],
        )
    finally:
        client.close()
    assert said == b""
