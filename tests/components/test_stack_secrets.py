"""What a stack's services lack, by which the program refuses and one command makes."""

from typing import Any

import pytest

from components import stack_secrets
from components.access_settings import AccessSettings
from components.problems import Problem

KEYS = {"primary": "p" * 40, "secondary": "s" * 40}
OWN = {
    "ssl_enabled": True,
    "ssl_cname": "localhost",
    "ssl_cert_pem_file": ".secrets/staging/certificate.pem",
    "ssl_key_pem_file": ".secrets/staging/private-key.pem",
}
GIVEN = {**OWN, "ssl_cert_pem_file": "tls/mine.pem", "ssl_key_pem_file": "tls/mine-key.pem"}


@pytest.mark.parametrize(
    ("access", "there", "keys", "certificate"),
    [
        ({}, False, (), False),
        ({"auth_enabled": True, "keys": {"primary": "", "secondary": ""}}, False, ("primary", "secondary"), False),
        ({"auth_enabled": True, "keys": {**KEYS, "secondary": ""}}, False, ("secondary",), False),
        ({"auth_enabled": True, "keys": KEYS}, False, (), False),
        ({"ssl_enabled": True, "ssl_cname": "localhost"}, True, (), True),
        (OWN, False, (), True),
        (OWN, True, (), False),
        ({**OWN, "ssl_enabled": False}, False, (), False),
        (GIVEN, False, (), False),
        ({**OWN, "ssl_key_pem_file": ""}, False, (), False),
    ],
)
def test_only_what_is_asked_for_and_not_given_is_lacking(
    access: dict[str, Any], there: bool, keys: tuple[str, ...], certificate: bool
) -> None:
    services = {"open": AccessSettings(), "one": AccessSettings(**access)}
    seen = stack_secrets.lacking(services, "staging", lambda path: there)
    assert (seen.keys, seen.certificate) == (keys, certificate)
    assert seen.services == (("one",) if keys or certificate else ())
    assert seen.host_names == (("localhost",) if certificate else ())


def test_the_error_names_the_command() -> None:
    services = {"mnist-staging": AccessSettings(auth_enabled=True, ssl_enabled=True, ssl_cname="localhost")}
    with pytest.raises(Problem) as caught:
        stack_secrets.check(services, "staging")
    assert str(caught.value) == (
        "mnist-staging cannot be deployed without primaryKey, secondaryKey, sslCertPemFile, sslKeyPemFile. "
        "Make and set what is missing, the certificate self-signed:\n  make secrets STACK=staging"
    )


def test_nothing_is_said_when_nothing_is_lacking() -> None:
    stack_secrets.check({"one": AccessSettings(auth_enabled=True, keys=KEYS), "two": AccessSettings()}, "dev")
