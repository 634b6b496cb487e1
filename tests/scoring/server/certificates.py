"""Certificates for servers under test."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str) -> None:
    """A self-signed certificate for localhost, moved into place at once."""
    subprocess.run(
        [
            *[
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ],
            *f"-subj /CN={name} -addext subjectAltName=DNS:localhost -keyout key.new -out cert.new".split(),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    os.replace(folder / "key.new", folder / "key.pem")
    os.replace(folder / "cert.new", folder / "cert.pem")


def tls_environ(folder: Path) -> dict[str, str]:
    """The settings of a server with a new certificate in `folder`."""
    make_certificate(folder, "localhost")
    return {"SCORING_TLS_CERTIFICATE": str(folder / "cert.pem"), "SCORING_TLS_KEY": str(folder / "key.pem")}


def trusting(folder: Path) -> ssl.SSLContext:
    """A client's context that trusts the certificate in `folder` alone."""
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))
