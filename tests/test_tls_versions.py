"""The client that tells which versions of TLS a server speaks is not the one who refuses."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server

import pytest

from tests.pki import make_certificate
from tests.tls_versions import assert_tls_1_2_or_newer


@contextmanager
def serving(folder: Path, *, older: bool) -> Iterator[int]:
    """Accept connections with TLS 1.2 and newer, or with all that OpenSSL knows; yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder))
    if older:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except ssl.SSLError:
                    connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_server_with_tls_1_2_passes(tmp_path: Path) -> None:
    with serving(tmp_path, older=False) as port:
        assert_tls_1_2_or_newer("127.0.0.1", port)


def test_a_server_with_older_versions_does_not(tmp_path: Path) -> None:
    with serving(tmp_path, older=True) as port, pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        assert_tls_1_2_or_newer("127.0.0.1", port)
