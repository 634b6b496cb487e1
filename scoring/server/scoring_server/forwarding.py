"""Who the caller is where proxies stand in front: ``X-Forwarded-For`` and ``X-Forwarded-Proto``, of those believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

Address = tuple[str, int]

ANYONE = "*"
_SCHEMES = ("http", "https")


class Forwarding:
    """Believes the proxies at these addresses and in these networks; ``*`` is all of them."""

    def __init__(self, proxies: tuple[str, ...]) -> None:
        self._anyone = ANYONE in proxies
        self._networks = [ipaddress.ip_network(proxy) for proxy in proxies if proxy != ANYONE]

    def caller(self, client: Address, scheme: str, fields: Mapping[bytes, bytes]) -> tuple[Address, str]:
        """The address and scheme of a request's caller, from the connection's and the headers (lower-case names).

        Each proxy adds the address that it was called from, so the header is read from its end, up to an address that
        is not believed. A port that is not told is 0.
        """
        if not self._believes(client[0]):
            return client, scheme
        proto = fields.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip().lower().decode("latin-1")
        for entry in reversed(fields.get(b"x-forwarded-for", b"").split(b",")):
            address = _parse(entry.strip().decode("latin-1"))
            if address is None:
                break
            client = address
            if not self._believes(client[0]):
                break
        return client, proto if proto in _SCHEMES else scheme

    def _believes(self, host: str) -> bool:
        if self._anyone:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)


def _parse(entry: str) -> Address | None:
    """The address in ``1.2.3.4``, ``1.2.3.4:5``, ``::1`` or ``[::1]:5``; None where it is none."""
    host, port = entry, ""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
        port = port.removeprefix(":")
    elif entry.count(":") == 1:
        host, port = entry.split(":")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return host, int(port) if port.isdecimal() and len(port) <= 5 else 0
