"""Regenerated keys: whose they are, what is set and deployed, and that no command line holds one."""

import json

import pytest

from components.problems import Problem
from scoring.__main__ import main
from scoring.key_rotation import regenerate, services_with
from scoring.stack import Stack, StackError
from tests.scoring.conftest import Pulumi

URI = "http://127.0.0.1:5001/score"
SERVICES, GUARDED = ["a", "b", "open"], ["a", "b"]
OUTPUTS = {
    "services": {name: {"scoringUri": URI} for name in SERVICES},
    "keys": {name: {"primary": "k1", "secondary": "k2"} for name in GUARDED},
}


@pytest.mark.parametrize(
    ("name", "service", "own", "concerned"),
    [
        ("primary", "", {}, ["a", "b"]),
        ("primary", "", {"a": {"primary": "x"}}, ["b"]),
        ("secondary", "", {"a": {"primary": "x"}}, ["a", "b"]),
        ("primary", "a", {}, ["a"]),
        ("primary", "b", {"b": {"primary": "x"}}, ["b"]),
    ],
)
def test_a_key_is_that_of_all_who_share_it_or_of_one(
    name: str, service: str, own: dict[str, dict[str, str]], concerned: list[str]
) -> None:
    assert services_with(name, service, SERVICES, GUARDED, own) == concerned


@pytest.mark.parametrize(
    ("guarded", "service", "own", "said"),
    [
        (GUARDED, "c", {}, "there is no service c: there are a, b, open"),
        (GUARDED, "open", {}, "open asks for no keys: set authEnabled to true and run `pulumi up`"),
        ([], "", {}, "no service asks for keys: set authEnabled"),
        (["a"], "", {"a": {"primary": "x"}}, "all services have a primary key of their own: name one"),
    ],
)
def test_a_key_of_nobody_is_an_error(
    guarded: list[str], service: str, own: dict[str, dict[str, str]], said: str
) -> None:
    with pytest.raises(StackError, match=said):
        services_with("primary", service, SERVICES, guarded, own)


def test_only_what_carries_the_key_is_deployed(pulumi: Pulumi) -> None:
    pulumi.exports(OUTPUTS)
    said: list[str] = []
    made = regenerate("secondary", stack=Stack("dev", environ=pulumi.environ), on_output=said.append)
    assert (made.name, made.services, made.setting) == ("secondary", ["a", "b"], "secondaryKey")
    ((setting, key),) = pulumi.given.items()
    assert setting == "model-webservice:secondaryKey"
    assert len(key) == 64
    assert "config set --path --non-interactive --stack dev --secret -- model-webservice:secondaryKey" in pulumi.calls
    (up,) = [call for call in pulumi.calls if "--target" in call]
    for service in GUARDED:
        assert f"**docker:index/container:Container::{service}-delivery" in up
    assert key not in "".join(pulumi.calls)
    assert "deployed" in said


def test_a_service_gets_a_key_of_its_own(pulumi: Pulumi, capfd: pytest.CaptureFixture[str]) -> None:
    pulumi.exports(OUTPUTS)
    assert main(["service", "regen-key", "b", "primary", "--json"], pulumi.environ) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out) == {"key": "primary", "services": ["b"], "setting": 'keys["b"]["primary"]'}
    assert printed.err == "deployed\n", "what Pulumi says is kept from the JSON"
    assert list(pulumi.given) == ['model-webservice:keys["b"]["primary"]']


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("*config set *", "error: primaryKey of stack dev is as it was, as it cannot be set: no luck; `source"),
        (
            "*up *",
            "error: primaryKey is new in the settings, but perhaps not deployed: run `pulumi up`, as pulumi",
        ),
        ("*export*", "error: stack dev cannot be read: no luck"),
    ],
)
def test_a_failure_says_what_is_changed(
    pulumi: Pulumi, capfd: pytest.CaptureFixture[str], fails: str, said: str
) -> None:
    pulumi.exports(OUTPUTS, fails=fails)
    assert main(["service", "regen-key", "primary"], pulumi.environ) == 1
    assert said in capfd.readouterr().err


def test_the_key_is_not_printed(pulumi: Pulumi, capfd: pytest.CaptureFixture[str]) -> None:
    pulumi.exports(OUTPUTS)
    assert main(["service", "regen-key", "primary"], pulumi.environ) == 0
    printed = capfd.readouterr()
    assert printed.out.startswith("The primary key of a, b is new; the old one is refused within seconds.\n")
    (key,) = pulumi.given.values()
    assert key not in printed.out + printed.err


def test_there_are_two_keys(pulumi: Pulumi) -> None:
    pulumi.exports(OUTPUTS)
    with pytest.raises(Problem, match="no key 'third': give primary or secondary"):
        regenerate("third", stack=Stack("dev", environ=pulumi.environ))
