"""A self-signed certificate: enough for a service that is tried out, and for callers who are given it."""

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

VALID = timedelta(days=397)
"""As long as browsers accept a certificate for."""

SKEW = timedelta(hours=1)
"""How far a caller's clock may be behind."""


def write(certificate_file: Path, key_file: Path, host_names: Sequence[str], now: datetime) -> datetime:
    """Write a certificate for `host_names` and its private key, which the owner alone can read; return when it expires.

    Args:
        certificate_file, key_file: where they go, in PEM, over what is there.
        host_names: the names that callers use, one or more.
        now: the time, with its zone.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host_names[0][:64])])
    expires = now + VALID
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(expires)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in host_names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    for path, mode, content in (
        (key_file, 0o600, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
        (certificate_file, 0o644, certificate.public_bytes(Encoding.PEM)),
    ):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A new file in the old one's place: nobody reads half a file, or the new key through the old one's rights.
        made = path.with_name(path.name + ".new")
        made.unlink(missing_ok=True)
        with open(made, "xb", opener=lambda name, flags, mode=mode: os.open(name, flags, mode)) as file:  # type: ignore[misc]
            file.write(content)
        made.replace(path)
    return expires
