"""Whom a network address stands for, where requests or failures are counted by address."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=1024)
def network_of(address: str) -> str:
    """An address, or of IPv6 the whole /64, which one customer is given."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
