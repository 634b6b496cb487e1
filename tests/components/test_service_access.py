"""Access to a service: Azure's rules between the arguments, and what the container gets of them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import readiness, service_access
from components.container_webservice import ContainerWebservice
from components.problems import Problem
from tests.components.engine import CONTAINER, CONTAINER_WEBSERVICE, VOLUME, Engine, FakeDaemon, Run, Secret
from tests.components.test_access_keys import KEY, OTHER
from tests.pki import make_certificate

CNAME = "mnist.example.com"
WITH_KEYS = {"auth_enabled": True, "primary_key": KEY, "secondary_key": OTHER}


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Any]:
    certificate, key = make_certificate(tmp_path, [CNAME])
    return {"ssl_enabled": True, "ssl_cert_pem_file": certificate, "ssl_key_pem_file": key, "ssl_cname": CNAME}


def run(up: Run, **given: Any) -> Engine:
    def program() -> None:
        ContainerWebservice("svc", {"image": "i:1", **given})  # type: ignore[typeddict-item]

    return up(program)


def environment(engine: Engine) -> dict[str, str]:
    envs = engine.find(CONTAINER, "svc-container").inputs["envs"]
    return dict(env.split("=", 1) for env in envs)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ssl_enabled": True}, r"sslEnabled needs sslCertPemFile and sslKeyPemFile and sslCname: the certificate"),
        ({"ssl_enabled": True, "ssl_cert_pem_file": "c", "ssl_key_pem_file": "k"}, r"sslEnabled needs sslCname: the"),
        ({"ssl_enabled": True, "ssl_cname": "c", "ssl_key_pem_file": "k"}, r"sslEnabled needs sslCertPemFile: the"),
        ({"ssl_cname": "c"}, r"sslCname given without TLS: set sslEnabled to true, or drop what is given"),
        ({"ssl_enabled": False, "ssl_cert_pem_file": "c"}, r"sslCertPemFile given without TLS"),
        (
            {"ssl_enabled": True, "ssl_cert_pem_file": "c", "ssl_key_pem_file": "k", "ssl_cname": "https://a"},
            r"sslCname is 'https://a': give a host name without scheme, port or path",
        ),
        ({"auth_enabled": True}, r"authEnabled needs primaryKey and secondaryKey"),
        ({"primary_key": KEY}, r"primaryKey given, but no key is asked for"),
    ],
)
def test_azures_rules_between_arguments_hold(given: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said):
        service_access.check(given, "dev")


def test_what_is_not_asked_for_is_not_there(up: Run) -> None:
    engine = run(up)
    assert [made for made in engine.resources if made.type == VOLUME or made.name == "svc-delivery"] == []
    assert "volumes" not in engine.find(CONTAINER).inputs
    assert set(environment(engine)) == {"SCORING_DRAIN", "SERVICE_NAME", "WORKER_COUNT"}


def test_keys_go_into_a_file_and_nowhere_else(up: Run) -> None:
    engine = run(up, **WITH_KEYS)
    uploads = engine.find(CONTAINER, "svc-delivery").inputs["uploads"]
    assert uploads == [
        {"file": "/run/secrets/service/keys", "content": Secret(f"{KEY}\n{OTHER}\n"), "permissions": "0444"}
    ]
    container = engine.find(CONTAINER, "svc-container")
    assert environment(engine)["SCORING_KEYS_FILE"] == "/run/secrets/service/keys"
    assert container.inputs["volumes"] == [
        {"volumeName": "svc-files-name", "containerPath": "/run/secrets/service", "readOnly": True}
    ]
    assert "svc-delivery" in container.dependencies
    shown = repr([made.inputs for made in engine.resources if made.name != "svc-delivery"])
    shown += repr([made.outputs for made in engine.resources]) + "".join(engine.log)
    assert KEY not in shown
    assert OTHER not in shown


def with_secret_keys(primary: str) -> None:
    keys = {"primary_key": pulumi.Output.secret(primary), "secondary_key": pulumi.Output.secret(OTHER)}
    ContainerWebservice("svc", {"image": "i:1", "auth_enabled": True, **keys})  # type: ignore[typeddict-item]


def test_keys_may_be_secrets_of_the_program(preview: Run) -> None:
    uploads = preview(lambda: with_secret_keys(KEY)).find(CONTAINER, "svc-delivery").inputs["uploads"]
    assert uploads[0]["content"] == Secret(f"{KEY}\n{OTHER}\n")


def test_a_weak_key_is_refused_at_preview_without_being_shown(preview: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"^svc: primaryKey has 4 characters") as error:
        preview(lambda: with_secret_keys("hush"))
    assert "hush" not in str(error.value)


def test_missing_keys_are_told_for_the_stack_at_hand(preview: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"pulumi config set --secret primaryKey --stack dev"):
        run(preview, auth_enabled=True)


def test_tls_changes_the_uris_the_files_and_the_health_check(up: Run, tls: dict[str, Any]) -> None:
    engine = run(up, **tls)
    outputs = engine.find(CONTAINER_WEBSERVICE).outputs
    assert outputs is not None
    assert (outputs["scoringUri"], outputs["swaggerUri"], outputs["address"]) == (
        f"https://{CNAME}:32768/score",
        f"https://{CNAME}:32768/swagger.json",
        "127.0.0.1:32768",
    )
    uploads = {upload["file"]: upload["content"] for upload in engine.find(CONTAINER, "svc-delivery").inputs["uploads"]}
    assert uploads == {
        "/run/secrets/service/certificate.pem": Secret(Path(tls["ssl_cert_pem_file"]).read_text()),
        "/run/secrets/service/private-key.pem": Secret(Path(tls["ssl_key_pem_file"]).read_text()),
    }
    assert environment(engine) == {
        "SCORING_HEALTH_PORT": "5000",
        "SCORING_TLS_CERTIFICATE": "/run/secrets/service/certificate.pem",
        "SCORING_TLS_KEY": "/run/secrets/service/private-key.pem",
        "SCORING_DRAIN": "29",
        "SERVICE_NAME": "svc",
        "WORKER_COUNT": "1",
    }
    container = engine.find(CONTAINER, "svc-container").inputs
    assert container["healthcheck"]["tests"] == readiness.HEALTH_CHECK_BESIDE_TLS
    assert [port["internal"] for port in container["ports"]] == [5001], "the port without TLS is not published"


def test_a_renewed_certificate_and_another_key_change_the_delivery_alone(up: Run, tls: dict[str, Any]) -> None:
    def inputs(engine: Engine) -> dict[str, Any]:
        return {made.name: made.inputs for made in engine.resources}

    before = inputs(run(up, **tls, **WITH_KEYS))
    make_certificate(Path(tls["ssl_cert_pem_file"]).parent, [CNAME])
    after = inputs(run(up, **tls, **{**WITH_KEYS, "primary_key": KEY[::-1] + "x"}))
    assert {name for name in after if after[name] != before[name]} == {"svc-delivery"}


def test_a_certificate_that_expires_soon_is_warned_of(up: Run, tls: dict[str, Any]) -> None:
    make_certificate(Path(tls["ssl_cert_pem_file"]).parent, [CNAME], ends=timedelta(days=3, hours=1))
    assert [line for line in run(up, **tls).log if "expires in 3 days" in line]


def test_the_environment_cannot_open_what_is_closed(up: Run) -> None:
    engine = run(up, **WITH_KEYS, environment={"SCORING_KEYS_FILE": "", "OTHER": "1"})
    assert environment(engine)["SCORING_KEYS_FILE"] == "/run/secrets/service/keys"
    assert environment(engine)["OTHER"] == "1"


def test_a_preview_looks_at_a_service_with_tls_in_its_own_way(
    preview: Run, tls: dict[str, Any], daemon: FakeDaemon
) -> None:
    def program() -> None:
        ContainerWebservice("svc", {"image": "i:1", **tls})  # type: ignore[typeddict-item]

    engine = preview(program, "svc-container")
    assert daemon.client.api.commands == [readiness.HEALTH_CHECK_BESIDE_TLS[1:]]
    assert engine.find(CONTAINER_WEBSERVICE).outputs is not None
