"""How a service is reached: the address that it is published on, the name that its certificate is for, the proxies."""

import ipaddress
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter


class TlsAdapter(HTTPAdapter):
    """Connects with TLS to a server that is called by another name than its address.

    Args:
        name: the name that the certificate must be for.
        certificate: PEM of a certificate to trust beside those of public authorities; empty for none.
    """

    def __init__(self, name: str, certificate: str) -> None:
        self.name = name
        self.context = ssl.create_default_context()
        if certificate:
            self.context.load_verify_locations(cadata=certificate)
            # Else only a self-signed certificate, or one with its authority beside it, would be trusted.
            self.context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make connections with the certificate's name, which is sent and looked for."""
        kwargs |= {"ssl_context": self.context, "server_hostname": self.name}
        super().init_poolmanager(*args, **kwargs)


def send(
    session: requests.Session, method: str, uri: str, *, address: str, certificate_file: str, **given: Any
) -> requests.Response:
    """Send a request to the URI's host or, when it is given, to `address`; returns the answer.

    Args:
        session: sends the request.
        method, uri: the request, as the service sees it.
        address: host and port to connect to, in place of the URI's; empty for the URI's.
        certificate_file: path of a certificate (PEM) to trust, which need not exist; empty for none.
        given: further arguments of `requests.Session.request`.

    Raises:
        requests.RequestException: there is no answer.
    """
    parts = urlsplit(uri)
    target = parts._replace(netloc=address) if address else parts
    # A proxy cannot reach this machine's loopback, though HTTP_PROXY may be set without a NO_PROXY.
    session.trust_env = not is_loopback(target.hostname or "")
    if parts.scheme == "https":
        trusted = Path(certificate_file)
        pem = trusted.read_text() if certificate_file and trusted.is_file() else ""
        session.mount("https://", TlsAdapter(parts.hostname or "", pem))
    headers: Mapping[str, str] = given.pop("headers", {})
    return session.request(
        method, urlunsplit(target), headers={**headers, "Host": parts.netloc}, allow_redirects=False, **given
    )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
