"""Parameters of Azure's deployments that have no meaning on Docker: each is refused by its name, with the reason."""

from collections.abc import Iterable

from components import names
from components.problems import Problem

KEY_VAULT = (
    "Azure encrypts what it stores of a container with a key of its vault; on Docker that is the host's task, for "
    "instance by an encrypted disk"
)
REFUSED = {
    "location": "a service runs where its Docker daemon is. Name another daemon with dockerHost",
    "cmk_vault_base_url": KEY_VAULT,
    "cmk_key_name": KEY_VAULT,
    "cmk_key_version": KEY_VAULT,
    "subnet_name": "a Docker network has no named subnets. vnetName names a network, and "
    "'docker network create --subnet' gives one its addresses",
}


def check(given: Iterable[str]) -> None:
    """Raise `Problem` when a parameter is given that is refused; names may be Python's or those of other languages."""
    known = {names.camel(name) for name in given}
    for name, reason in REFUSED.items():
        if names.camel(name) in known:
            raise Problem(f"{names.camel(name)} has no meaning on Docker: {reason}. Drop {names.camel(name)}.")
