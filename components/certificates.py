"""A service's TLS certificate and private key: read on this machine, and checked before anything is deployed."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from components.problems import Problem

EXPIRES_SOON = timedelta(days=30)
"""From then on the expiry is warned of: the time in which certificates are commonly renewed."""


@dataclass(frozen=True)
class Certificate:
    """A certificate, with its chain, and its private key."""

    pem: str
    private_key: str = field(repr=False)
    expires: datetime

    def warning(self, now: datetime) -> str:
        """Return what is to be said of its expiry; empty when there is time."""
        left = self.expires - now
        if left > EXPIRES_SOON:
            return ""
        return f"the TLS certificate expires in {left.days} days, at {written(self.expires)}: renew it in time."


def read(certificate_file: str, key_file: str, cname: str, now: datetime) -> Certificate:
    """Return the certificate in a PEM file, the service's own first, and its private key in another.

    Args:
        certificate_file, key_file: paths, from the program's folder.
        cname: the name that callers use.
        now: the time, with its zone.

    Raises:
        Problem: a file cannot be read or is not what it should be, the two do not belong together, or the certificate
            is not valid now or not for `cname`.
    """
    pem, private_key = text_of("sslCertPemFile", certificate_file), text_of("sslKeyPemFile", key_file)
    certificate = first_certificate(certificate_file, pem)
    check_key(key_file, private_key, certificate_file, certificate)
    expires = certificate.not_valid_after_utc
    if now >= expires:
        raise Problem(f"sslCertPemFile {certificate_file!r} expired at {written(expires)}: give a renewed one.")
    if now < certificate.not_valid_before_utc:
        begins = certificate.not_valid_before_utc
        raise Problem(
            f"sslCertPemFile {certificate_file!r} is not valid before {written(begins)}: give one that is valid now, "
            "or set this machine's clock."
        )
    names = names_of(certificate)
    if not any(covers(name, cname) for name in names):
        told = f"is for {', '.join(names)}" if names else "has no subject alternative name, which callers look for"
        raise Problem(
            f"sslCname is {cname!r}, but sslCertPemFile {certificate_file!r} {told}: give a name that it is for, or a "
            "certificate for this one."
        )
    return Certificate(pem, private_key, expires)


def written(moment: datetime) -> str:
    """Return a moment as messages say it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def text_of(setting: str, path: str) -> str:
    """Return the text of a PEM file; raise `Problem` when it cannot be read."""
    try:
        return Path(path).read_text("ascii")
    except OSError as error:
        raise Problem(f"{setting} is {path!r}, which cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Problem(f"{setting} is {path!r}, which is no PEM file: give one with lines of -----BEGIN ...") from None


def first_certificate(path: str, pem: str) -> x509.Certificate:
    """Return the first certificate of a chain, all of which must be readable."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())[0]
    except ValueError:
        raise Problem(
            f"sslCertPemFile is {path!r}, which holds no certificate: its text begins with -----BEGIN CERTIFICATE-----."
        ) from None


def check_key(key_file: str, private_key: str, certificate_file: str, certificate: x509.Certificate) -> None:
    """Raise `Problem`, which shows nothing of the key, unless it is the certificate's."""
    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except TypeError:
        raise Problem(
            f"sslKeyPemFile {key_file!r} is encrypted with a passphrase, which no server could type in. Write it "
            f"without one: openssl pkey -in {key_file} -out plain.pem"
        ) from None
    except ValueError:
        raise Problem(
            f"sslKeyPemFile is {key_file!r}, which holds no private key: its text has -----BEGIN PRIVATE KEY-----."
        ) from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise Problem(
            f"sslKeyPemFile {key_file!r} is not the key of the first certificate in sslCertPemFile "
            f"{certificate_file!r}: give the two that were made together, the service's own certificate first."
        )


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the host names and addresses that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def covers(pattern: str, name: str) -> bool:
    """Return whether a certificate's name, which may begin with `*.` for one label, is for `name` (RFC 6125, 6.4.3)."""
    pattern, name = pattern.lower(), name.lower()
    if pattern.startswith("*."):
        return "." in name and name.partition(".")[2] == pattern[2:]
    return pattern == name
