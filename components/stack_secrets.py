"""What a stack's services need before they can be deployed, and one command makes: keys, and a certificate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from components import access_keys
from components.access_settings import AccessSettings
from components.problems import Problem

FOLDER = ".secrets"
"""Folder of the project with what is made for its stacks; no part of its repository."""


@dataclass(frozen=True)
class Lacking:
    """What services ask for and do not have."""

    keys: tuple[str, ...] = ()
    """Names of keys, of `access_keys.NAMES`."""
    certificate: bool = False
    """Whether a certificate or its private key is not given, or is to be made."""
    services: tuple[str, ...] = ()
    """The services that lack something."""
    host_names: tuple[str, ...] = ()
    """The names that a certificate is wanted for."""


def own_files(stack: str) -> tuple[str, str]:
    """Return where the certificate and the private key that are made for a stack lie, from the project's folder."""
    return f"{FOLDER}/{stack}/certificate.pem", f"{FOLDER}/{stack}/private-key.pem"


def command(stack: str) -> str:
    """Return the command that makes what a stack lacks."""
    return f"make secrets STACK={stack}"


def lacking(
    services: Mapping[str, AccessSettings],
    stack: str,
    is_file: Callable[[str], bool] = lambda path: Path(path).is_file(),
) -> Lacking:
    """Return what the services of a stack lack.

    Files that are given, and lie elsewhere than what is made, are their owner's: whether they are there is checked when
    they are read.
    """
    own = own_files(stack)
    keys = [
        name
        for name in access_keys.NAMES
        if any(access.auth_enabled and not access.keys.get(name) for access in services.values())
    ]
    found: dict[str, str] = {}
    for service, access in services.items():
        given = (access.ssl_cert_pem_file, access.ssl_key_pem_file)
        makes = given in (own, ("", ""))
        if access.ssl_enabled and makes and not all(path and is_file(path) for path in given):
            found[service] = access.ssl_cname
    without_keys = [name for name, access in services.items() if access.auth_enabled and not all(access.keys.values())]
    return Lacking(
        keys=tuple(keys),
        certificate=bool(found),
        services=tuple(dict.fromkeys([*without_keys, *found])),
        host_names=tuple(dict.fromkeys(name for name in found.values() if name)),
    )


def check(services: Mapping[str, AccessSettings], stack: str) -> None:
    """Raise `Problem`, with the command that makes them, when services lack keys or a certificate."""
    seen = lacking(services, stack)
    if not seen.services:
        return
    names = [access_keys.setting(name) for name in seen.keys]
    if seen.certificate:
        names += ["sslCertPemFile", "sslKeyPemFile"]
    raise Problem(
        f"{' and '.join(seen.services)} cannot be deployed without {', '.join(names)}. Make and set what is missing"
        f"{', the certificate self-signed' if seen.certificate else ''}:\n  {command(stack)}"
    )
