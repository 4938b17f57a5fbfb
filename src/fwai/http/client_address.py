"""Whose request it is: the address of the client behind the proxies that we know.

Theory of operation. ``X-Forwarded-For`` is a list that every proxy adds its own client to, at the
end. What stands before that was there when the request came in: anybody can write it. So the list
is read from its end, and only as far as those who wrote it are ours: a proxy on this machine, or
one of ``TRUSTED_PROXIES``. An address of ours that says of nobody whom it speaks for is no proof of
anything, because a proxy that adds no header looks like this; such a request has no address.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import Scope

from fwai.domain.host import Network

MAX_HOPS: Final = 8
MAX_TEXT: Final = 64  # the longest that an address with its port can be

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ClientAddresses:
    """Tells by which address a request is counted.

    Args:
        proxies: Those besides loopback whose header is believed.
    """

    def __init__(self, proxies: Sequence[Network] = ()) -> None:
        self._proxies = tuple(proxies)

    def of(self, scope: Scope) -> str:
        """Return what a request's client is counted by, of IPv6 its /64; empty when unproven."""
        peer = scope.get("client")
        address = read_address(peer[0]) if peer else None
        if address is None:
            return ""
        if self._ours(address):
            address = self._forwarded(scope)
        return "" if address is None else counted(address)

    def _forwarded(self, scope: Scope) -> Address | None:
        """Return the last address in the header that is none of our proxies; None without one."""
        lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        written = b",".join(lines).rsplit(b",", MAX_HOPS)[-MAX_HOPS:]
        for text in reversed(written):
            address = read_address(text.decode("latin-1"))
            if address is None or not self._ours(address):
                return address
        return None

    def _ours(self, address: Address) -> bool:
        return address.is_loopback or any(address in network for network in self._proxies)


def read_address(text: str) -> Address | None:
    """Read an address, with or without a port; None when it is none."""
    text = text.strip()
    if len(text) > MAX_TEXT:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def counted(address: Address) -> str:
    """Return what an address is counted by: one house has a whole /64 of IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def address_kind(connection: HTTPConnection) -> str:
    """Return what may be said in a log of whose a request is: ``ipv4``, ``ipv6``, ``unproven``."""
    address: str = getattr(connection.state, "client_address", "")
    if not address:
        return "unproven"
    return "ipv6" if ":" in address else "ipv4"
