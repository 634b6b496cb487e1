"""Settings of a service: which can be changed, and how a value is written in place of another."""

from typing import Any

import pytest

from components.problems import Problem
from scoring.service_settings import SettingPath, Steps, checked, flattened, is_secret, names, path_of, snake, steps

TAGS: SettingPath = ("services", 0, "tags")


def test_settings_go_by_the_names_of_python() -> None:
    assert checked({"cpu_cores": 0.5, "tags": None}) == {"cpuCores": 0.5, "tags": None}
    assert {"memory_gb", "ssl_cert_pem_file", "auth_enabled"} <= set(names())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "^nothing to update: give one of auth_enabled, "),
        ({"cpu_core": 1}, "^unknown setting of a service 'cpu_core'. Did you mean 'cpu_cores'. Allowed: auth_en"),
        ({"cpuCores": 1}, "Did you mean 'cpu_cores'"),
        ({"name": "b"}, "^name cannot be updated: it makes another service"),
        ({"style": "image"}, "^style cannot be updated"),
    ],
)
def test_other_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said):
        checked(settings)


@pytest.mark.parametrize(("key", "name"), [("cpuCores", "cpu_cores"), ("tags", "tags"), ("sslCname", "ssl_cname")])
def test_names(key: str, name: str) -> None:
    assert snake(key) == name


@pytest.mark.parametrize(
    ("path", "written"),
    [
        (("services",), "services"),
        (("services", 0, "cpuCores"), 'services[0]["cpuCores"]'),
        ((*TAGS, 'a."b"'), r'services[0]["tags"]["a.\"b\""]'),
        ((*TAGS, "größe"), 'services[0]["tags"]["größe"]'),
    ],
)
def test_paths(path: SettingPath, written: str) -> None:
    assert path_of(path) == written


def test_leaves_are_texts_as_pulumi_reads_them() -> None:
    value = {"a": "x", "b": [1, 0.5, True], "c": {}}
    leaves = [(("k", "a"), "x"), (("k", "b", 0), "1"), (("k", "b", 1), "0.5"), (("k", "b", 2), "true")]
    assert flattened(("k",), value) == leaves


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Steps(removed_before=[TAGS])),
        ("x", Steps(removed_before=[], plain=[(TAGS, "x")], secret=[])),
        (0.5, Steps(removed_before=[], plain=[(TAGS, "0.5")], secret=[])),
        ({"a": "x"}, Steps(removed_before=[TAGS], plain=[((*TAGS, "a"), "x")], secret=[])),
        ({"t": "x"}, Steps(removed_before=[TAGS], plain=[], secret=[((*TAGS, "t"), "x")])),
        ({}, Steps(removed_before=[TAGS], plain=[((*TAGS, "empty"), "")], removed_after=[(*TAGS, "empty")])),
        ([], Steps(removed_before=[TAGS], plain=[((*TAGS, 0), "")], removed_after=[(*TAGS, 0)])),
    ],
)
def test_a_value_is_written_in_place_of_another(value: object, expected: Steps) -> None:
    assert steps(TAGS, value, lambda path: path[-1] == "t") == expected


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (("services", 0, "environment", "TOKEN"), True),
        (("services", 0, "environment", "TOKEN", "deeper"), True),
        (("services", 0, "environment", "OTHER"), False),
        (("services", 0, "environment", "absent"), False),
        (("services", 1, "environment"), False),
        (("keys",), True),
        (("absent", "x"), False),
    ],
)
def test_a_secret_is_known_by_its_cipher(path: SettingPath, secret: bool) -> None:
    settings = {
        "services": [{"environment": {"TOKEN": {"secure": "v1:..."}, "OTHER": "text"}}],
        "keys": {"secure": "v1:..."},
    }
    assert is_secret(settings, path) is secret
