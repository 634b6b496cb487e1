"""One command for a stack's secrets: what it makes, what it leaves as it is, and what it never shows."""

import json
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from components import certificates
from scoring import self_signed
from scoring.__main__ import main
from scoring.client import StackError
from scoring.stack_secrets import ensure
from tests.pki import make_certificate
from tests.scoring.conftest import Pulumi

NOW = datetime.now(timezone.utc)
ASKED = {"authEnabled": "true", "sslEnabled": "true", "sslCname": "localhost", "services": '[{"name": "mnist"}]'}
FILES = (".secrets/staging/certificate.pem", ".secrets/staging/private-key.pem")


def answer(pulumi: Pulumi, config: dict[str, str]) -> None:
    """Let the CLI know a stack's settings; it notes what is set to what."""
    all_off = {"authEnabled": "false", "sslEnabled": "false"}
    shown = {f"model-webservice:{key}": {"value": value} for key, value in {**all_off, **config}.items()}
    pulumi.prints({**shown, "docker:host": {"value": "tcp://elsewhere"}})
    script = pulumi.folder / "pulumi"
    script.write_text(
        f'#!/bin/sh\necho "$*" >>{pulumi.folder}/calls\n'
        f'case "$1 $2" in\n"stack --show-name") echo staging;;\n"config --json") cat {pulumi.folder}/stdout;;\n'
        f'"config set") for last; do :; done; cat >{pulumi.folder}/set-$last;;\n*) exit 9;;\nesac\n'
    )


def given(pulumi: Pulumi) -> dict[str, str]:
    """Return what was set, by setting."""
    return {path.name.removeprefix("set-"): path.read_text() for path in pulumi.folder.glob("set-*")}


def test_all_that_is_lacking_is_made_and_set(pulumi: Pulumi, tmp_path: Path) -> None:
    answer(pulumi, ASKED)
    made = ensure("staging", project=tmp_path, environ=pulumi.environ)
    settings = given(pulumi)
    assert set(made.made) == set(settings) == {"primaryKey", "secondaryKey", "sslCertPemFile", "sslKeyPemFile"}
    assert (settings["sslCertPemFile"], settings["sslKeyPemFile"]) == FILES
    keys = settings["primaryKey"], settings["secondaryKey"]
    assert len(set(keys)) == 2
    assert {len(key) for key in keys} == {64}
    assert [call for call in pulumi.calls if any(key in call for key in keys)] == []
    secret = [call for call in pulumi.calls if "--secret " in call]
    assert [call.split()[-1] for call in secret] == ["primaryKey", "secondaryKey"]
    read = certificates.read(*(str(tmp_path / path) for path in FILES), "localhost", NOW)
    assert read.warning(NOW) == ""
    assert [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in FILES] == [0o644, 0o600]


def test_what_is_there_stays_and_what_is_half_there_is_completed(pulumi: Pulumi, tmp_path: Path) -> None:
    self_signed.write(tmp_path / FILES[0], tmp_path / FILES[1], ["localhost"], NOW)
    before = (tmp_path / FILES[0]).read_bytes()
    config = {**ASKED, "primaryKey": "k" * 64, "sslCertPemFile": FILES[0], "sslKeyPemFile": FILES[1]}
    answer(pulumi, config)
    made = ensure(project=tmp_path, environ=pulumi.environ)
    assert (made.made, made.kept) == (("secondaryKey",), ("primaryKey", "sslCertPemFile", "sslKeyPemFile"))
    assert set(given(pulumi)) == {"secondaryKey"}
    assert (tmp_path / FILES[0]).read_bytes() == before


@pytest.mark.parametrize(
    ("host_names", "age"), [(["elsewhere.test"], timedelta()), (["localhost"], self_signed.VALID - timedelta(days=9))]
)
def test_a_certificate_of_its_own_that_no_longer_fits_is_made_anew(
    pulumi: Pulumi, tmp_path: Path, host_names: list[str], age: timedelta
) -> None:
    self_signed.write(tmp_path / FILES[0], tmp_path / FILES[1], host_names, NOW - age)
    keys = {"primaryKey": "k" * 64, "secondaryKey": "l" * 64}
    answer(pulumi, {**ASKED, **keys, "sslCertPemFile": FILES[0], "sslKeyPemFile": FILES[1]})
    made = ensure("staging", project=tmp_path, environ=pulumi.environ)
    assert set(made.made) == {"sslCertPemFile", "sslKeyPemFile"}
    assert given(pulumi) == {}
    certificates.read(*(str(tmp_path / path) for path in FILES), "localhost", NOW)


def test_all_is_made_anew_when_that_is_asked_but_never_a_given_certificate(pulumi: Pulumi, tmp_path: Path) -> None:
    theirs = make_certificate(tmp_path / "tls")
    before = [Path(path).read_bytes() for path in theirs]
    keys = {"primaryKey": "k" * 64, "secondaryKey": "l" * 64}
    answer(pulumi, {**ASKED, **keys, "sslCertPemFile": theirs[0], "sslKeyPemFile": theirs[1]})
    made = ensure("staging", renew=True, project=tmp_path, environ=pulumi.environ)
    assert (made.made, made.kept) == (("primaryKey", "secondaryKey"), ("sslCertPemFile", "sslKeyPemFile"))
    assert not set(given(pulumi).values()) & set(keys.values())
    assert [Path(path).read_bytes() for path in theirs] == before


@pytest.mark.parametrize(
    ("changed", "fails", "said"),
    [
        ({"sslCname": ""}, "", "sslEnabled needs sslCname"),
        ({"services": "[3]"}, "", "services is no list of services"),
        ({"authEnabled": "maybe"}, "", "authEnabled is 'maybe'"),
        ({}, "config", "pulumi config failed: no luck"),
    ],
)
def test_what_goes_wrong_is_said(
    pulumi: Pulumi, tmp_path: Path, changed: dict[str, str], fails: str, said: str
) -> None:
    answer(pulumi, {**ASKED, **changed})
    if fails:
        (pulumi.folder / "pulumi").write_text("#!/bin/sh\necho 'error: no luck' >&2\nexit 1\n")
    with pytest.raises(StackError, match=said):
        ensure("staging", project=tmp_path, environ=pulumi.environ)
    assert given(pulumi) == {}


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command_says_what_it_did_and_shows_no_key(
    pulumi: Pulumi, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    answer(pulumi, {"authEnabled": "true", "services": '[{"name": "mnist"}]', "primaryKey": "k" * 64})
    assert main(["secrets", "--stack", "staging", *(["--json"] if as_json else [])], pulumi.environ) == 0
    printed = capsys.readouterr()
    (key,) = given(pulumi).values()
    assert key not in printed.out + printed.err
    if as_json:
        seen: dict[str, Any] = json.loads(printed.out)
        assert seen == {"made": ["secondaryKey"], "kept": ["primaryKey"], "certificateFile": "", "expires": ""}
    else:
        assert printed.out.splitlines()[:2] == ["secondaryKey    made", "primaryKey      kept"]


def test_the_command_says_when_there_is_nothing_to_make(pulumi: Pulumi, capsys: pytest.CaptureFixture[str]) -> None:
    answer(pulumi, {"services": '[{"name": "mnist"}]'})
    assert main(["secrets"], pulumi.environ) == 0
    assert capsys.readouterr().out == "No service asks for keys or TLS: nothing to make.\n"


def test_the_command_fails_with_the_reason(pulumi: Pulumi, capsys: pytest.CaptureFixture[str]) -> None:
    pulumi.prints("", "error: no stack named 'staging' found\n", 1)
    assert main(["secrets", "--stack", "staging"], pulumi.environ) == 1
    assert capsys.readouterr().err == "error: pulumi config failed: no stack named 'staging' found\n"


def test_a_certificate_is_for_every_name_and_for_no_longer_than_browsers_take(tmp_path: Path) -> None:
    files = tmp_path / "a" / "certificate.pem", tmp_path / "a" / "key.pem"
    expires = self_signed.write(*files, ["one.test", "two.test"], NOW)
    made = x509.load_pem_x509_certificate(files[0].read_bytes())
    assert certificates.names_of(made) == ["one.test", "two.test"]
    assert made.not_valid_after_utc == expires.replace(microsecond=0)
    assert expires - NOW <= timedelta(days=398)
