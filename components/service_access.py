"""Who may call a service and how it proves itself: keys, TLS, and the files that bring both into the container."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pulumi

from components import access_keys, names
from components.dockerfile import HEALTH_PORT
from components.problems import Problem
from components.reporting import apply_reporting

if TYPE_CHECKING:
    from components.certificates import Certificate

FOLDER = "/run/secrets/service"
"""Where the container finds its keys and its certificate."""

KEYS_FILE, CERTIFICATE_FILE, PRIVATE_KEY_FILE = "keys", "certificate.pem", "private-key.pem"

TLS_SETTINGS = ("ssl_cert_pem_file", "ssl_key_pem_file", "ssl_cname")


@dataclass(frozen=True)
class AccessConfig:
    """The checked arguments on access."""

    auth_enabled: bool = False
    certificate: "Certificate | None" = None
    cname: str = ""
    """The name that the certificate is for, with which callers begin their URIs."""

    @property
    def scheme(self) -> str:
        """The scheme of the service's URIs."""
        return "https" if self.certificate else "http"

    @property
    def environment(self) -> dict[str, str]:
        """The server's settings: where the files are, never what is in them."""
        found = {}
        if self.auth_enabled:
            found["SCORING_KEYS_FILE"] = f"{FOLDER}/{KEYS_FILE}"
        if self.certificate:
            found["SCORING_TLS_CERTIFICATE"] = f"{FOLDER}/{CERTIFICATE_FILE}"
            found["SCORING_TLS_KEY"] = f"{FOLDER}/{PRIVATE_KEY_FILE}"
            found["SCORING_HEALTH_PORT"] = str(HEALTH_PORT)
        return found


def check(args: Mapping[str, Any], stack: str) -> AccessConfig:
    """Return the checked arguments on access of a ContainerWebservice.

    Raises:
        Problem: keys, certificate, private key or name are missing, wrong, or have no use.
    """
    auth_enabled = bool(args.get("auth_enabled", False))
    access_keys.check_given(auth_enabled, keys_of(args), stack)
    if not check_tls_given(args):
        return AccessConfig(auth_enabled)
    cname = names.check_host_name("sslCname", args["ssl_cname"])
    from components import certificates  # cryptography: slow to import, and for TLS alone

    certificate = certificates.read(
        args["ssl_cert_pem_file"], args["ssl_key_pem_file"], cname, datetime.now(timezone.utc)
    )
    return AccessConfig(auth_enabled, certificate, cname)


def check_tls_given(args: Mapping[str, Any]) -> bool:
    """Return whether TLS is asked for; raise `Problem` when not all that it needs is given, or given without it."""
    given = [name for name in TLS_SETTINGS if args.get(name)]
    said = [names.camel(name) for name in TLS_SETTINGS if (name in given) != bool(args.get("ssl_enabled"))]
    if args.get("ssl_enabled"):
        if said:
            raise Problem(
                f"sslEnabled needs {' and '.join(said)}: the certificate and its private key, as PEM files on this "
                "machine, and the name that the certificate is for."
            )
        return True
    if said:
        raise Problem(f"{' and '.join(said)} given without TLS: set sslEnabled to true, or drop what is given.")
    return False


def keys_of(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that are given, by name."""
    return {name: args.get(f"{name}_key") for name in access_keys.NAMES}


def files(name: str, config: AccessConfig, args: Mapping[str, Any]) -> "dict[str, pulumi.Input[str]]":
    """Return the texts of the files in `FOLDER`, as secrets, by name; the component `name` reports weak keys."""
    found: dict[str, pulumi.Input[str]] = {}
    if config.auth_enabled:

        async def text(keys: list[str]) -> str:
            return access_keys.file_of(*keys)

        given = pulumi.Output.secret(list(keys_of(args).values()))
        found[KEYS_FILE] = apply_reporting(given, name, text)
    if config.certificate:
        found[CERTIFICATE_FILE] = config.certificate.pem
        found[PRIVATE_KEY_FILE] = pulumi.Output.secret(config.certificate.private_key)
    return found
