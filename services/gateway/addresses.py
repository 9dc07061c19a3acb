"""Who a client is by its address, also behind the proxies that end TLS."""

import ipaddress
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_of(peer: str, forwarded: str, trusted: tuple[Network, ...]) -> str:
    """The address that asks: the connection's, unless it is a trusted proxy's.

    Then it is the last one in `X-Forwarded-For` that no trusted proxy has; what stands before it
    was written by whoever sent the request.
    """
    client = peer
    hops = [hop.strip() for hop in forwarded.split(",")] if trusted and forwarded else []
    while hops and _is_in(client, trusted):
        client = hops.pop()
    return client


@lru_cache(maxsize=1024)
def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
