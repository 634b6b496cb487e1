"""A stack's settings on who may call its services: keys and TLS, those of all services and those of one."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from components import access_keys
from components.problems import Problem
from components.setting_values import check_known, kind_of, to_flag

OF_SERVICE = ("authEnabled", "sslEnabled", "sslCertPemFile", "sslKeyPemFile", "sslCname")
"""What a service may set for itself, in place of the stack's."""

SECRET_KEYS = ("primaryKey", "secondaryKey", "keys")
"""What must be set as a secret."""


@dataclass(frozen=True)
class AccessSettings:
    """Who may call one service."""

    auth_enabled: bool = False
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The service's own keys, else the stack's, by the names in `access_keys.NAMES`; none without `auth_enabled`."""
    ssl_enabled: bool = False
    ssl_cert_pem_file: str = ""
    ssl_key_pem_file: str = ""
    ssl_cname: str = ""

    @classmethod
    def read(cls, service: str, entry: Mapping[str, Any], stack: Mapping[str, str]) -> "AccessSettings":
        """Return the settings of a service.

        Args:
            service: its name.
            entry: what `services` says of it.
            stack: the stack's own keys, each a text, JSON where it is not a string.

        Raises:
            Problem: a value is not of its kind.
        """

        def flag(key: str) -> bool:
            return to_flag(f"{key} of {service}", entry[key]) if key in entry else to_flag(key, stack.get(key))

        def text(key: str) -> str:
            return str(entry.get(key, stack.get(key, "")))

        auth_enabled, ssl_enabled = flag("authEnabled"), flag("sslEnabled")
        own = own_keys(stack).get(service, {})
        keys = {name: own.get(name) or stack.get(access_keys.setting(name), "") for name in access_keys.NAMES}
        return cls(
            auth_enabled=auth_enabled,
            keys=keys if auth_enabled else {},
            ssl_enabled=ssl_enabled,
            ssl_cert_pem_file=text("sslCertPemFile") if ssl_enabled else "",
            ssl_key_pem_file=text("sslKeyPemFile") if ssl_enabled else "",
            ssl_cname=text("sslCname") if ssl_enabled else "",
        )


def check_stack(stack: Mapping[str, str], secrets: Collection[str], services: Mapping[str, AccessSettings]) -> None:
    """Check the keys to the services of a stack.

    Args:
        stack: the stack's own keys, each a text, JSON where it is not a string.
        secrets: those that were set as secrets.
        services: the settings of each service, by its name.

    Raises:
        Problem: a key is in plain text, or no service asks for it and all are open, against what was meant.
    """
    for key in SECRET_KEYS:
        if stack.get(key, "") not in ("", "{}") and key not in secrets:
            where = "--path 'keys[\"SERVICE\"].primary'" if key == "keys" else key
            raise Problem(
                f"{key} is set in plain text: whoever reads the stack's file could call the services. Set another "
                f"with: openssl rand -hex 32 | pulumi config set --secret {where}"
            )
    guarded = {name for name, access in services.items() if access.auth_enabled}
    if unused := sorted(own_keys(stack).keys() - guarded):
        raise Problem(
            f"keys has keys of {unused[0]}, but no service of that name has authEnabled: set it, or remove the keys "
            f"with: pulumi config rm --path 'keys[\"{unused[0]}\"]'"
        )
    of_stack = [access_keys.setting(name) for name in access_keys.NAMES if stack.get(access_keys.setting(name))]
    if of_stack and services and not guarded:
        raise Problem(
            f"{' and '.join(of_stack)} set, but no service asks for keys: set authEnabled to true, or remove what is "
            f"set: {', '.join(f'pulumi config rm {key}' for key in of_stack)}"
        )


def own_keys(stack: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the keys of single services, by the service's name; raise `Problem`, which shows none, when malformed."""
    given = from_json(stack, "keys") or {}
    if not isinstance(given, dict):
        raise Problem(f"keys is {kind_of(given)}: give a mapping of services' names to primary and secondary.")
    for service, keys in given.items():
        if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
            raise Problem(f"keys.{service} is no mapping of primary and secondary to texts.")
        check_known(keys, access_keys.NAMES, f"key in keys.{service}")
    return given


def from_json(stack: Mapping[str, str], key: str) -> Any:
    """Return the JSON value of `key`; None when it has none."""
    try:
        return json.loads(stack.get(key, "null"))
    except ValueError:
        return None
