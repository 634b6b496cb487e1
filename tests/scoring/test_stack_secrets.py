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
from scoring.stack import Stack, StackError
from scoring.stack_secrets import ensure
from tests.pki import make_certificate
from tests.scoring.conftest import Pulumi

NOW = datetime.now(timezone.utc)
ASKED = {"authEnabled": "true", "sslEnabled": "true", "sslCname": "localhost", "services": '[{"name": "mnist"}]'}
FILES = (".secrets/staging/certificate.pem", ".secrets/staging/private-key.pem")


def answer(pulumi: Pulumi, config: dict[str, str]) -> Stack:
    """Let the CLI know a stack's settings."""
    all_off = {"authEnabled": "false", "sslEnabled": "false"}
    shown = {f"model-webservice:{key}": {"value": value} for key, value in {**all_off, **config}.items()}
    pulumi.exports({}, config=json.dumps({**shown, "docker:host": {"value": "tcp://elsewhere"}}))
    return Stack("staging", pulumi.folder.parent, pulumi.environ)


def given(pulumi: Pulumi) -> dict[str, str]:
    """Return what was set, by setting."""
    return {path.removeprefix("model-webservice:"): value for path, value in pulumi.given.items()}


def test_all_that_is_lacking_is_made_and_set(pulumi: Pulumi, tmp_path: Path) -> None:
    made = ensure(answer(pulumi, ASKED))
    settings = given(pulumi)
    assert set(made.made) == set(settings) == {"primaryKey", "secondaryKey", "sslCertPemFile", "sslKeyPemFile"}
    assert (settings["sslCertPemFile"], settings["sslKeyPemFile"]) == FILES
    keys = settings["primaryKey"], settings["secondaryKey"]
    assert len(set(keys)) == 2
    assert {len(key) for key in keys} == {64}
    assert [call for call in pulumi.calls if any(key in call for key in keys)] == []
    secret = [call for call in pulumi.calls if "--secret " in call]
    assert [call.rpartition(":")[2] for call in secret] == ["primaryKey", "secondaryKey"]
    read = certificates.read(*(str(tmp_path / path) for path in FILES), "localhost", NOW)
    assert read.warning(NOW) == ""
    assert [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in FILES] == [0o644, 0o600]


def test_what_is_there_stays_and_what_is_half_there_is_completed(pulumi: Pulumi, tmp_path: Path) -> None:
    self_signed.write(tmp_path / FILES[0], tmp_path / FILES[1], ["localhost"], NOW)
    before = (tmp_path / FILES[0]).read_bytes()
    config = {**ASKED, "primaryKey": "k" * 64, "sslCertPemFile": FILES[0], "sslKeyPemFile": FILES[1]}
    made = ensure(answer(pulumi, config))
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
    made = ensure(answer(pulumi, {**ASKED, **keys, "sslCertPemFile": FILES[0], "sslKeyPemFile": FILES[1]}))
    assert set(made.made) == {"sslCertPemFile", "sslKeyPemFile"}
    assert given(pulumi) == {}
    certificates.read(*(str(tmp_path / path) for path in FILES), "localhost", NOW)


def test_all_is_made_anew_when_that_is_asked_but_never_a_given_certificate(pulumi: Pulumi, tmp_path: Path) -> None:
    theirs = make_certificate(tmp_path / "tls")
    before = [Path(path).read_bytes() for path in theirs]
    keys = {"primaryKey": "k" * 64, "secondaryKey": "l" * 64}
    made = ensure(
        answer(pulumi, {**ASKED, **keys, "sslCertPemFile": theirs[0], "sslKeyPemFile": theirs[1]}), renew=True
    )
    assert (made.made, made.kept) == (("primaryKey", "secondaryKey"), ("sslCertPemFile", "sslKeyPemFile"))
    assert not set(given(pulumi).values()) & set(keys.values())
    assert [Path(path).read_bytes() for path in theirs] == before


@pytest.mark.parametrize(
    ("changed", "fails", "said"),
    [
        ({"sslCname": ""}, "", "sslEnabled needs sslCname"),
        ({"services": "[3]"}, "", "services is no list of services"),
        ({"authEnabled": "maybe"}, "", "authEnabled is 'maybe'"),
        ({}, "*config --json*", "stack staging cannot be read: no luck"),
    ],
)
def test_what_goes_wrong_is_said(
    pulumi: Pulumi, tmp_path: Path, changed: dict[str, str], fails: str, said: str
) -> None:
    stack = answer(pulumi, {**ASKED, **changed})
    if fails:
        pulumi.exports({}, fails=fails)
    with pytest.raises(StackError, match=said):
        ensure(stack)
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
    pulumi.exports({}, fails="*config --json*")
    assert main(["secrets", "--stack", "staging"], pulumi.environ) == 1
    assert capsys.readouterr().err.startswith("error: stack staging cannot be read: no luck; run `make up`")


def test_a_certificate_is_for_every_name_and_for_no_longer_than_browsers_take(tmp_path: Path) -> None:
    files = tmp_path / "a" / "certificate.pem", tmp_path / "a" / "key.pem"
    expires = self_signed.write(*files, ["one.test", "two.test"], NOW)
    made = x509.load_pem_x509_certificate(files[0].read_bytes())
    assert certificates.names_of(made) == ["one.test", "two.test"]
    assert made.not_valid_after_utc == expires.replace(microsecond=0)
    assert expires - NOW <= timedelta(days=398)
