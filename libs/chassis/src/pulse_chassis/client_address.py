"""What is counted as one client address."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network


def address_group(address: str) -> str:
    """Return what is counted as one address: an IPv6 client owns its whole /64."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
