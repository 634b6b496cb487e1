"""Settings on access: the stack's, a service's own, and keys that are secrets or refused."""

from typing import Any

import pytest

from components.problems import Problem
from components.settings import Settings
from tests.components.test_access_keys import KEY, OTHER
from tests.components.test_settings import service, settings

SECRET = ("primaryKey", "secondaryKey", "keys")


def guarded(**given: Any) -> Settings:
    return settings(secret=SECRET, **{"authEnabled": True, "primaryKey": KEY, "secondaryKey": OTHER, **given})


def test_services_are_open_until_told_otherwise() -> None:
    for entry in settings().services:
        assert (entry.access.auth_enabled, entry.access.keys, entry.access.ssl_enabled) == (False, {}, False)


def test_all_services_have_the_stacks_keys() -> None:
    assert [entry.access.keys for entry in guarded().services] == [{"primary": KEY, "secondary": OTHER}] * 3


def test_a_service_may_be_open_and_have_keys_of_its_own() -> None:
    entries = [service(), service(name="aci-mnist-2"), service(name="open", authEnabled=False)]
    own, common, opened = guarded(services=entries, keys={"aci-mnist-1": {"primary": "own"}}).services
    assert own.access.keys == {"primary": "own", "secondary": OTHER}
    assert common.access.keys == {"primary": KEY, "secondary": OTHER}
    assert (opened.access.auth_enabled, opened.access.keys) == (False, {})


def test_missing_keys_are_empty_for_the_component_to_tell() -> None:
    assert settings(authEnabled=True).services[0].access.keys == {"primary": "", "secondary": ""}


def test_no_representation_shows_a_key() -> None:
    assert KEY not in repr(guarded())


def test_tls_is_the_stacks_or_a_services_own() -> None:
    stack = {"sslEnabled": True, "sslCertPemFile": "c.pem", "sslKeyPemFile": "k.pem", "sslCname": "a.org"}
    entries = [service(sslCname="b.org"), service(name="plain", sslEnabled=False)]
    own, plain = (entry.access for entry in settings(services=entries, **stack).services)
    assert (own.ssl_enabled, own.ssl_cert_pem_file, own.ssl_key_pem_file) == (True, "c.pem", "k.pem")
    assert own.ssl_cname == "b.org"
    assert (plain.ssl_enabled, plain.ssl_cert_pem_file, plain.ssl_cname) == (False, "", "")


@pytest.mark.parametrize(
    ("secret", "given", "said"),
    [
        ((), {"primaryKey": KEY}, r"^primaryKey is set in plain text.*rand -hex 32 \| pulumi config set --secret prim"),
        ((), {"keys": {"a": {"primary": KEY}}}, r"^keys is set in plain text.* --secret --path 'keys\[\"SERVICE\"\].p"),
        (
            SECRET,
            {"primaryKey": KEY},
            r"^primaryKey set, but no service asks for keys: .*: pulumi config rm primaryKey",
        ),
        (SECRET, {"keys": {"a": {"primary": KEY}}}, r"^keys has keys of a, but no service .*--path 'keys\[\"a\"\]'"),
        (SECRET, {"keys": {"a": KEY}}, r"^keys.a is no mapping of primary and secondary to texts"),
        (SECRET, {"keys": {"a": {"primary": 1}}}, r"^keys.a is no mapping"),
        (SECRET, {"keys": {"a": {"first": KEY}}}, r"unknown key in keys.a 'first'.* Allowed: primary, secondary"),
        (SECRET, {"keys": [KEY]}, r"^keys is a list: give a mapping of services' names"),
        ((), {"authEnabled": "yes"}, r"^authEnabled is 'yes': give true or false"),
        ((), {"services": [service(authEnabled="yes")]}, r"^authEnabled of aci-mnist-1 is 'yes': give true or false"),
        ((), {"services": [service(sslEnabled=1)]}, r"^sslEnabled of aci-mnist-1 is 1: give true or false"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_showing_a_key(
    secret: tuple[str, ...], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(Problem, match=said) as error:
        settings(secret=secret, **given)
    assert KEY not in str(error.value)


def test_keys_may_wait_for_services_that_are_all_deleted() -> None:
    assert list(settings(secret=SECRET, services=[], primaryKey=KEY, secondaryKey=f"{KEY}2").services) == []
