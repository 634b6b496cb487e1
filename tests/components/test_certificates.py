"""Certificates: what is read, and what is said of one that would not work."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from components import certificates
from components.problems import Problem
from tests.pki import make_certificate

NOW = datetime.now(timezone.utc)


def read(paths: tuple[str, str], cname: str = "mnist.example.com") -> certificates.Certificate:
    return certificates.read(*paths, cname, NOW)


def test_certificate_and_key_are_read_as_they_are(tmp_path: Path) -> None:
    paths = make_certificate(tmp_path, ["mnist.example.com"])
    found = read(paths)
    assert (found.pem, found.private_key) == tuple(Path(path).read_text() for path in paths)
    assert timedelta(days=89) < found.expires - NOW < timedelta(days=91)
    assert "PRIVATE" not in repr(found)


def test_a_chain_is_kept_whole(tmp_path: Path) -> None:
    own, key = make_certificate(tmp_path / "own", ["mnist.example.com"])
    issuer, _ = make_certificate(tmp_path / "issuer", ["other"])
    Path(own).write_text(Path(own).read_text() + Path(issuer).read_text())
    assert read((own, key)).pem.count("BEGIN CERTIFICATE") == 2
    Path(own).write_text(Path(issuer).read_text() + read((own, key)).pem)
    with pytest.raises(Problem, match="is not the key of the first certificate in sslCertPemFile"):
        read((own, key))


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("mnist.example.com", "mnist.example.com", True),
        ("Mnist.Example.com", "mnist.example.COM", True),
        ("*.example.com", "mnist.example.com", True),
        ("*.example.com", "a.mnist.example.com", False),
        ("*.example.com", "example.com", False),
        ("*", "localhost", False),
        ("mnist.example.com", "other.example.com", False),
        ("localhost", "localhost", True),
    ],
)
def test_a_name_covers_what_browsers_say_it_covers(pattern: str, name: str, covered: bool) -> None:
    assert certificates.covers(pattern, name) is covered


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"ends": timedelta(hours=-1)}, r"sslCertPemFile '.*certificate.pem' expired at 20.* UTC: give a renewed one"),
        ({"begins": timedelta(days=1)}, r"is not valid before 20.* UTC: give one that is valid now, or set this mach"),
        ({"names": ["a.org", "127.0.0.1"]}, r"sslCname is 'mnist.example.com', but .* is for a.org, 127.0.0.1: give"),
        ({"names": []}, r"has no subject alternative name, which callers look for"),
        ({"passphrase": b"secret"}, r"is encrypted with a passphrase, .*: openssl pkey -in .*private-key.pem -out"),
    ],
)
def test_a_certificate_that_would_not_work_is_refused(tmp_path: Path, made: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said):
        read(make_certificate(tmp_path, **{"names": ["mnist.example.com"], **made}))


def test_certificate_and_key_must_match(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path / "one", ["mnist.example.com"])
    _, key = make_certificate(tmp_path / "two", ["mnist.example.com"])
    with pytest.raises(Problem, match=r"sslKeyPemFile '.*two/private-key.pem' is not the key of the first certificate"):
        read((certificate, key))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "which cannot be read: No such file or directory"),
        ("", "which holds no "),
        ("-----BEGIN nothing", "which holds no "),
        ("\u00e9", "which is no PEM file"),
    ],
)
@pytest.mark.parametrize(("place", "setting"), [(0, "sslCertPemFile"), (1, "sslKeyPemFile")])
def test_files_that_are_none_are_told_by_their_setting(
    tmp_path: Path, content: str | None, said: str, place: int, setting: str
) -> None:
    paths = make_certificate(tmp_path, ["mnist.example.com"])
    Path(paths[place]).unlink() if content is None else Path(paths[place]).write_text(content, "utf-8")
    with pytest.raises(Problem, match=f"{setting} is '{paths[place]}', {said}"):
        read(paths)


@pytest.mark.parametrize(("left", "warned"), [(31, False), (29, True)])
def test_an_expiry_that_is_near_is_warned_of(tmp_path: Path, left: int, warned: bool) -> None:
    found = read(make_certificate(tmp_path, ["mnist.example.com"], ends=timedelta(days=left, hours=1)))
    assert ("expires in 29 days" in found.warning(NOW)) is warned
