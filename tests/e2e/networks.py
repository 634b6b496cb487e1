"""Docker's networks as seen from this machine."""

from ipaddress import ip_network

from docker.models.networks import Network


def host_in(network: Network) -> str:
    """Return this machine's address in a bridge network.

    A daemon's first start does not record the one of its default bridge, which is the first of the subnet.
    """
    (config,) = network.attrs["IPAM"]["Config"]
    return str(config.get("Gateway") or next(ip_network(config["Subnet"]).hosts()))
