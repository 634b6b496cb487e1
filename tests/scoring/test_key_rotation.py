"""Regenerated keys: whose they are, what is set and deployed, and that no command line holds one."""

import json
from pathlib import Path

import pytest

from scoring.__main__ import main
from scoring.client import StackError, Webservice
from scoring.key_rotation import regenerate, services_with
from tests.scoring.conftest import Pulumi

URI = "http://127.0.0.1:5001/score"
GUARDED = [Webservice("a", URI, keys=("k1", "k2")), Webservice("b", URI, keys=("k1", "k2")), Webservice("open", URI)]
OUTPUTS = {
    "services": {"a": {"scoringUri": URI}, "b": {"scoringUri": URI}, "open": {"scoringUri": URI}},
    "keys": {"a": {"primary": "k1", "secondary": "k2"}, "b": {"primary": "k1", "secondary": "k2"}},
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
    assert services_with(GUARDED, name, service, own) == concerned


@pytest.mark.parametrize(
    ("services", "service", "own", "said"),
    [
        (GUARDED, "c", {}, "there is no service c: there are a, b, open"),
        (GUARDED, "open", {}, "open asks for no keys: set authEnabled to true and run `pulumi up`"),
        (GUARDED[2:], "", {}, "no service asks for keys: set authEnabled"),
        (
            GUARDED[:1],
            "",
            {"a": {"primary": "x"}},
            "all services have a primary key of their own: name one with --serv",
        ),
    ],
)
def test_a_key_of_nobody_is_an_error(
    services: list[Webservice], service: str, own: dict[str, dict[str, str]], said: str
) -> None:
    with pytest.raises(StackError, match=said):
        services_with(services, "primary", service, own)


def answer(pulumi: Pulumi, *, fails: str = "") -> None:
    """Let the CLI know three services; it notes what it reads, and the command `fails` fails."""
    pulumi.prints(OUTPUTS)
    script = pulumi.folder / "pulumi"
    script.write_text(
        f'#!/bin/sh\necho "$*" >>{pulumi.folder}/calls\n'
        f'case "$1 $2" in\n"{fails} "*) echo "error: no luck"; exit 1;;\n'
        f'"stack output") cat {pulumi.folder}/stdout;;\n'
        f'"config get") exit 1;;\n"config set") cat >>{pulumi.folder}/given;;\n*) echo deployed;;\nesac\n'
    )


def test_only_what_carries_the_key_is_deployed(pulumi: Pulumi, tmp_path: Path) -> None:
    answer(pulumi)
    with (tmp_path / "said").open("w") as output:
        made = regenerate("secondary", stack="dev", project=tmp_path, environ=pulumi.environ, output=output)
    assert (made.name, made.services, made.setting) == ("secondary", ["a", "b"], "secondaryKey")
    key = (pulumi.folder / "given").read_text()
    assert len(key) == 64
    targets = " ".join(f"--target=**docker:index/container:Container::{service}-delivery" for service in "ab")
    assert pulumi.calls[2:] == [
        "config set --secret --stack=dev -- secondaryKey",
        f"up --yes --skip-preview --non-interactive --stack=dev {targets}",
    ]
    assert key not in "".join(pulumi.calls)
    assert (tmp_path / "said").read_text() == "deployed\n"


def test_a_service_gets_a_key_of_its_own(pulumi: Pulumi, capfd: pytest.CaptureFixture[str]) -> None:
    answer(pulumi)
    assert main(["regen-key", "primary", "--service", "b", "--json"], pulumi.environ) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out) == {"key": "primary", "services": ["b"], "setting": 'keys["b"].primary'}
    assert printed.err == "deployed\n", "what Pulumi says is kept from the JSON"
    assert pulumi.calls[2] == 'config set --secret --path -- keys["b"].primary'


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("config", "error: pulumi config failed: error: no luck; nothing is changed"),
        (
            "up",
            "error: pulumi up failed: exit code 1; primaryKey is new in the settings, but not deployed: run `pulumi",
        ),
        ("stack", "error: the selected stack cannot be read"),
    ],
)
def test_a_failure_says_what_is_changed(
    pulumi: Pulumi, capfd: pytest.CaptureFixture[str], fails: str, said: str
) -> None:
    answer(pulumi, fails=fails)
    assert main(["regen-key", "primary"], pulumi.environ) == 1
    assert said in capfd.readouterr().err


def test_the_key_is_not_printed(pulumi: Pulumi, capfd: pytest.CaptureFixture[str]) -> None:
    answer(pulumi)
    assert main(["regen-key", "primary"], pulumi.environ) == 0
    printed = capfd.readouterr()
    assert printed.out.startswith("The primary key of a, b is new, and the old one is refused.\n")
    assert (pulumi.folder / "given").read_text() not in printed.out + printed.err
