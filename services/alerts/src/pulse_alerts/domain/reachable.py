"""Which addresses a webhook may lead to: the public Internet, and those private networks that the operator names.

Otherwise whoever may write a channel could have the service ask its neighbours: databases, metadata of a cloud, routers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

MAX_URL_CHARS: Final = 2048
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_NAT64: Final = IPv6Network("64:ff9b::/96")


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a URL leads, without what may be secret in it."""

    scheme: str
    host: str
    port: int

    @property
    def shown(self) -> str:
        """The origin as text."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return f"{self.scheme}://{host}" + ("" if self.port == default else f":{self.port}")


def origin_of(url: str) -> Origin:
    """Return where a URL leads. Raises ValueError, saying why it is none for a webhook."""
    if (
        len(url) > MAX_URL_CHARS
        or not url.isascii()
        or any(ord(char) <= 0x20 or char in '\x7f"<>\\^`{|}' for char in url)
    ):
        message = f"a URL has at most {MAX_URL_CHARS} characters, printable ASCII, without spaces"
        raise ValueError(message)
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        message = "a URL starts with https://host"
        raise ValueError(message)
    if parts.username is not None or parts.password is not None or parts.fragment:
        message = "a URL has neither a user, nor a password, nor a fragment: the signature says who sent it"
        raise ValueError(message)
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    return Origin(parts.scheme, parts.hostname, port)


def may_reach(address: Address, scheme: str, allowed: Sequence[Network]) -> bool:
    """Say whether a webhook may connect there. Without TLS it may only into the networks that the operator named."""
    real = _real(address)
    is_named = any(real.version == network.version and real in network for network in allowed)
    return is_named or (scheme == "https" and real.is_global and not real.is_multicast)


def parse_address(text: str) -> Address:
    """Return the address of what a resolver gave; a scope after `%` is dropped. Raises ValueError."""
    return ip_address(text.partition("%")[0])


def _real(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for: in its guise nothing else may be reached."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address
