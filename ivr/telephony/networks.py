"""Which networks an address belongs to. Pure."""

import ipaddress
from collections.abc import Sequence


def is_from(address: str, networks: Sequence[str]) -> bool:
    """Whether an address lies in one of the networks (CIDR); False when it is no address.

    The networks are those of ``sip.allow_from`` and ``sip.trusted_from``.
    """
    try:
        where = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return False
    return any(where in ipaddress.ip_network(network, strict=False) for network in networks)
