import socket
from collections.abc import Iterator

import ifaddr
import pytest

from fwai.adapters.webrtc import ports
from fwai.adapters.webrtc.ports import Address, UdpPorts, is_routable, media_addresses
from fwai.errors import BusyError

RANGE = (41_000, 41_007)


@pytest.fixture
def bound() -> Iterator[list[socket.socket]]:
    found: list[socket.socket] = []
    yield found
    for one in found:
        one.close()


def test_every_port_of_the_range_is_used_and_none_outside(bound: list[socket.socket]) -> None:
    udp = UdpPorts(*RANGE)

    bound += [udp.bind("127.0.0.1") for _ in range(8)]

    assert {one.getsockname()[1] for one in bound} == set(range(41_000, 41_008))
    assert not any(one.getblocking() for one in bound)
    with pytest.raises(BusyError, match="41000 to 41007"):
        udp.bind("127.0.0.1")


def test_a_port_that_another_process_has_is_passed_over(bound: list[socket.socket]) -> None:
    for port in range(41_000, 41_007):
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind(("127.0.0.1", port))
        bound.append(other)

    bound.append(UdpPorts(*RANGE).bind("127.0.0.1"))

    assert bound[-1].getsockname()[1] == 41_007


@pytest.mark.parametrize(("lowest", "highest"), [(0, 10), (10, 9), (1, 65_536)])
def test_nonsense_is_no_range(lowest: int, highest: int) -> None:
    with pytest.raises(ValueError, match="not a range"):
        UdpPorts(lowest, highest)


@pytest.mark.parametrize(
    ("interface", "address", "real"),
    [
        ("eth0", "10.0.0.5", True),
        ("ens3", "198.51.100.7", True),
        ("bond0", "10.0.0.5", True),
        ("wlan0", "192.168.1.5", True),
        ("lo", "127.0.0.1", False),
        ("eth0", "127.0.0.1", False),
        ("eth0", "169.254.3.4", False),
        ("docker0", "172.17.0.1", False),
        ("br-1f2e3d", "172.18.0.1", False),
        ("virbr0", "192.168.122.1", False),
        ("tailscale0", "100.64.0.3", False),
        ("wg0", "10.8.0.1", False),
        ("tun0", "10.8.0.1", False),
    ],
)
def test_only_addresses_of_real_interfaces_are_offered(
    interface: str, address: str, real: bool
) -> None:
    assert is_routable(interface, address) is real


def test_addresses_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def adapter(name: str, *ips: object) -> ifaddr.Adapter:
        return ifaddr.Adapter(name, name, [ifaddr.IP(ip, 24, name) for ip in ips])  # type: ignore[arg-type]

    monkeypatch.setattr(
        ifaddr,
        "get_adapters",
        lambda: [
            adapter("lo", "127.0.0.1", ("::1", 0, 0)),
            adapter("eth0", "10.0.0.5", ("fd00::2", 0, 0)),
            adapter("docker0", "172.17.0.1"),
        ],
    )

    assert media_addresses(None) == [Address("10.0.0.5", "10.0.0.5")]


def test_a_machine_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ifaddr, "get_adapters", list)

    with pytest.raises(BusyError, match="PUBLIC_IP"):
        media_addresses(None)


def test_an_address_to_which_no_way_leads_is_no_public_address() -> None:
    with pytest.raises(BusyError, match="PUBLIC_IP"):
        media_addresses("255.255.255.255")


def test_public_address_is_announced_for_the_one_that_leads_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "_local_address_for", lambda _: "10.0.0.5")

    assert media_addresses("198.51.100.7") == [Address("10.0.0.5", "198.51.100.7")]


def test_the_way_to_an_own_address_begins_at_it() -> None:
    assert media_addresses("127.0.0.1") == [Address("127.0.0.1", "127.0.0.1")]


def test_loopback_must_be_asked_for() -> None:
    assert media_addresses(None, loopback=True) == [Address("127.0.0.1", "127.0.0.1")]
    assert media_addresses("198.51.100.7", loopback=True) == [Address("127.0.0.1", "198.51.100.7")]
