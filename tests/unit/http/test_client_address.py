"""Whose request it is, and that nobody can say they are somebody else."""

import pytest
from starlette.requests import HTTPConnection

from fwai.domain.host import networks
from fwai.http.client_address import MAX_HOPS, ClientAddresses, address_kind

ADDRESSES = ClientAddresses(networks(["10.0.0.0/24", "2001:db8:ffff::/48"]))


def told(peer: str | None, *forwarded: bytes) -> str:
    headers = [(b"x-forwarded-for", line) for line in forwarded]
    client = None if peer is None else (peer, 1234)
    return ADDRESSES.of({"type": "http", "client": client, "headers": headers})


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", ""),
        ("", ""),
        (None, ""),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("10.0.0.9", ""),
    ],
)
def test_without_a_header(peer: str | None, expected: str) -> None:
    assert told(peer) == expected


@pytest.mark.parametrize("peer", ["203.0.113.7", "10.0.1.1", "2001:db8::1"])
def test_a_stranger_who_forwards_is_nobody_else(peer: str) -> None:
    alone = told(peer)

    assert told(peer, b"198.51.100.1") == alone
    assert told(peer, b"198.51.100.1, 127.0.0.1") == alone


@pytest.mark.parametrize("proxy", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.9"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"198.51.100.1"], "198.51.100.1"),
        # What stands before the last one is the client's own invention.
        ([b"192.0.2.66, 198.51.100.1"], "198.51.100.1"),
        ([b"127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ([b"10.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ([b"192.0.2.66", b"198.51.100.1"], "198.51.100.1"),
        # Several proxies of ours.
        ([b"198.51.100.1, 10.0.0.1"], "198.51.100.1"),
        ([b"192.0.2.66, 198.51.100.1, 10.0.0.1, 127.0.0.1"], "198.51.100.1"),
        ([b"198.51.100.1, 2001:db8:ffff::9"], "198.51.100.1"),
        # Ways of writing.
        ([b"  198.51.100.1  "], "198.51.100.1"),
        ([b"198.51.100.1:4711"], "198.51.100.1"),
        ([b"[2001:db8:1:2::9]:443"], "2001:db8:1:2::/64"),
        ([b"2001:db8:1:2::9"], "2001:db8:1:2::/64"),
        ([b"::ffff:198.51.100.1"], "198.51.100.1"),
        # No proof of anything.
        ([], ""),
        ([b""], ""),
        ([b","], ""),
        ([b"198.51.100.1,"], ""),
        ([b"unknown"], ""),
        ([b"_hidden"], ""),
        ([b"198.51.100.1, unknown"], ""),
        ([b"10.0.0.1"], ""),
        ([b"127.0.0.1, ::1"], ""),
        ([b"\xff\xfe"], ""),
        ([b"["], ""),
        ([b"[]:"], ""),
        ([b"999.1.1.1"], ""),
        ([b"198.51.100.1/24"], ""),
        ([b"0x7f.1"], ""),
        ([b"1" * 9_000], ""),
        ([b"198.51.100.1" + b", 10.0.0.1" * 5_000], ""),
    ],
    ids=range(30),
)
def test_behind_a_proxy_of_ours(proxy: str, lines: list[bytes], expected: str) -> None:
    assert told(proxy, *lines) == expected


def test_no_more_proxies_are_followed_than_anybody_has() -> None:
    assert told("127.0.0.1", b"198.51.100.1" + b", 10.0.0.1" * (MAX_HOPS - 1)) == "198.51.100.1"
    assert told("127.0.0.1", b"198.51.100.1" + b", 10.0.0.1" * MAX_HOPS) == ""


@pytest.mark.parametrize("text", ["10.0.0.0/33", "proxy.example.com", "10.0.0", "*", "::/129"])
def test_what_is_no_network_is_named_with_the_fix(text: str) -> None:
    with pytest.raises(ValueError, match=r"no address or network; write 10\.0\.0\.7") as refused:
        networks([text])

    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("address", "kind"),
    [("203.0.113.7", "ipv4"), ("2001:db8:1:2::/64", "ipv6"), ("", "unproven"), (None, "unproven")],
)
def test_a_log_may_tell_the_kind_of_an_address(address: str | None, kind: str) -> None:
    state = {} if address is None else {"client_address": address}

    assert address_kind(HTTPConnection({"type": "websocket", "state": state})) == kind
