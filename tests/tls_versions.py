"""Which versions of TLS a server speaks, found by a client that speaks older ones, too."""

import socket
import ssl

import pytest

REFUSALS = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNEXPECTED_EOF_WHILE_READING")
"""What OpenSSL says of a server that refuses all versions that it was offered: by an alert, or, as Python's event loops
do, by an end without one. A client that refuses says neither."""


def assert_tls_1_2_or_newer(host: str, port: int) -> None:
    """Fail unless the server speaks TLS 1.2, and refuses a client that speaks nothing newer than 1.1."""
    assert spoken(host, port, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.deprecated_call():
        older = ssl.TLSVersion.TLSv1_1
        with pytest.raises(ssl.SSLError) as refused:
            spoken(host, port, older)
    assert refused.value.reason in REFUSALS, "the server refuses, not the client"


def spoken(host: str, port: int, newest: ssl.TLSVersion) -> str | None:
    """Return the version that a client and a server agree on; the client offers TLS 1.0 up to `newest`.

    Raises:
        ssl.SSLError: they do not agree.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # OpenSSL's usual level leaves out what the older versions need.
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = newest
    with (
        socket.create_connection((host, port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.version()
