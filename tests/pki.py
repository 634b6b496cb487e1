"""Certificates for tests: self-signed, for names and times of one's choice."""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)


def make_certificate(
    folder: Path,
    names: Sequence[str] = ("localhost",),
    *,
    begins: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=90),
    passphrase: bytes = b"",
) -> tuple[str, str]:
    """Write a certificate and its private key to `folder`, over those that are there, and return both paths.

    Args:
        folder: where `certificate.pem` and `private-key.pem` go.
        names: the host names and addresses that it is for.
        begins, ends: its time, from now.
        passphrase: what the private key is encrypted with; empty for a plain one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now, key = datetime.now(timezone.utc), ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), False)
    encryption: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    certificate, private_key = folder / "certificate.pem", folder / "private-key.pem"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    private_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return str(certificate), str(private_key)


def general_name(name: str) -> x509.GeneralName:
    """Return a host name or address as a certificate holds it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
