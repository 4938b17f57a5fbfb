"""Selects the local addresses and UDP ports of WebRTC media.

The range that the firewall opens is the range that is bound: the operating system's choice is never
used. Only IPv4 addresses of real interfaces are offered; bridges of containers and VPNs lead
nowhere from outside.
"""

import ipaddress
import secrets
import socket
from typing import Final, NamedTuple

import ifaddr

from fwai.errors import BusyError

_VIRTUAL: Final = (
    *("lo", "docker", "br-", "veth", "virbr", "vnet", "cni", "flannel", "cali", "podman"),
    *("lxc", "lxd", "tun", "tap", "utun", "wg", "tailscale", "zt", "awdl", "llw", "dummy"),
)
LOOPBACK: Final = "127.0.0.1"
_DISCARD_PORT: Final = 9


class Address(NamedTuple):
    """A local address to bind, and the address announced for it."""

    bound: str
    announced: str


class UdpPorts:
    """A range of UDP ports, both ends included.

    Raises:
        ValueError: That is no range of ports.
    """

    def __init__(self, lowest: int, highest: int) -> None:
        if not 0 < lowest <= highest <= 65535:
            raise ValueError(f"not a range of UDP ports: {lowest} to {highest}")
        self.lowest = lowest
        self.highest = highest

    def bind(self, address: str) -> socket.socket:
        """Bind a socket to a random free port of the range; the caller closes it.

        Raises:
            BusyError: No port of the range is free.
        """
        count = self.highest - self.lowest + 1
        first = secrets.randbelow(count)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setblocking(False)
        for step in range(count):
            try:
                udp.bind((address, self.lowest + (first + step) % count))
            except OSError:
                continue
            return udp
        udp.close()
        raise BusyError(f"no UDP port from {self.lowest} to {self.highest} is free")


def media_addresses(public_ip: str | None, *, loopback: bool = False) -> list[Address]:
    """Return the addresses to bind, with those to announce.

    Args:
        public_ip: What the world calls this machine; then only the address that leads there is
            bound, so that exactly one candidate is offered.
        loopback: Use nothing but 127.0.0.1; for tests on one machine.

    Raises:
        BusyError: There is no address at all, or none that leads to ``public_ip``.
    """
    if loopback:
        return [Address(LOOPBACK, public_ip or LOOPBACK)]
    if public_ip is not None:
        return [Address(_local_address_for(public_ip), public_ip)]
    found = [
        Address(address, address)
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if isinstance(ip.ip, str) and is_routable(adapter.name, address := ip.ip)
    ]
    if not found:
        raise BusyError("no network interface can carry WebRTC sound; set PUBLIC_IP")
    return found


def is_routable(interface: str, address: str) -> bool:
    """Whether a peer could reach an IPv4 address of an interface."""
    ip = ipaddress.IPv4Address(address)
    routable = not (ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast)
    return routable and not interface.startswith(_VIRTUAL)


def _local_address_for(address: str) -> str:
    """Return the local address that routes to ``address``; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, _DISCARD_PORT))
        except OSError as exc:
            raise BusyError(f"no network leads to PUBLIC_IP ({exc.strerror})") from exc
        return str(probe.getsockname()[0])
