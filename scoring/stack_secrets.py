"""All secrets of a stack by one command: two keys for its callers and, where none is given, a certificate.

What is there stays, unless all is to be made anew; nothing is shown. The rule of what is needed is the program's own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from components import access_keys, certificates, stack_secrets
from components.access_settings import AccessSettings
from components.problems import Problem
from scoring import self_signed
from scoring.stack import Stack, StackError


@dataclass(frozen=True)
class Ensured:
    """What the stack has now."""

    made: tuple[str, ...]
    """The settings that are new: keys, `sslCertPemFile` and `sslKeyPemFile`."""
    kept: tuple[str, ...]
    """The settings that were there, and are as they were."""
    certificate_file: str = ""
    """The self-signed certificate that was made, for callers to trust; empty when none was."""
    expires: str = ""
    """When that one expires."""


def ensure(stack: Stack, *, renew: bool = False) -> Ensured:
    """Make and set what the services of a stack lack, as its secrets and files below `.secrets`.

    Args:
        stack: the stack.
        renew: whether what this command made earlier is made anew: both keys, its own certificate.

    Raises:
        StackError: there is no such stack, its settings are wrong, TLS has no sslCname, or setting a value failed.
    """
    own, project, name = stack.settings(), stack.project, stack.name
    services = read_services(own)
    files = stack_secrets.own_files(name)
    now = datetime.now(timezone.utc)
    lacking = stack_secrets.lacking(
        services, name, lambda path: not renew and is_good(project, files, path, services, now)
    )
    settings: dict[str, str] = {}
    guarded = any(access.auth_enabled for access in services.values())
    for key in access_keys.NAMES if renew and guarded else lacking.keys:
        settings[access_keys.setting(key)] = access_keys.new_key()
    expires = ""
    if lacking.certificate:
        if not lacking.host_names:
            raise StackError(
                "sslEnabled needs sslCname, the name that the certificate is for: "
                f"pulumi config set sslCname HOST --stack {name}"
            )
        made = self_signed.write(project / files[0], project / files[1], lacking.host_names, now)
        expires = certificates.written(made)
        settings |= dict(zip(("sslCertPemFile", "sslKeyPemFile"), files, strict=True))
    for setting, value in settings.items():
        if own.get(setting) != value:
            stack.set_value((setting,), value, secret=not setting.startswith("ssl"))
    wanted = [access_keys.setting(key) for key in access_keys.NAMES] if guarded else []
    if any(access.ssl_enabled for access in services.values()):
        wanted += ["sslCertPemFile", "sslKeyPemFile"]
    kept = [setting for setting in wanted if setting not in settings]
    return Ensured(tuple(settings), tuple(kept), files[0] if expires else "", expires)


def read_services(own: Mapping[str, str]) -> dict[str, AccessSettings]:
    """Return what the services of a stack say of keys and TLS, by name.

    Args:
        own: the project's settings, each a text, JSON where it is not a string.

    Raises:
        StackError: a setting is malformed.
    """
    try:
        return {entry["name"]: AccessSettings.read(entry["name"], entry, own) for entry in json.loads(own["services"])}
    except Problem as problem:
        raise StackError(str(problem)) from None
    except (ValueError, KeyError, TypeError):
        raise StackError("services is no list of services with a name each: `pulumi preview` says more") from None


def is_good(
    project: Path, files: tuple[str, str], path: str, services: Mapping[str, AccessSettings], now: datetime
) -> bool:
    """Whether a file is there and, of a certificate that was made here, good for a while and for all names."""
    if path not in files:
        return (project / path).is_file()
    try:
        for access in services.values():
            if access.ssl_cert_pem_file == files[0]:
                both = [str(project / name) for name in files]
                if certificates.read(both[0], both[1], access.ssl_cname, now).warning(now):
                    return False
    except Problem:
        return False
    return True
