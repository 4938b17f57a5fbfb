"""Guards outgoing webhook URLs against SSRF: host allow-list, address checks and DNS pinning.

Without a check anybody who may place a call could make this server talk to the machines beside it,
or fetch the cloud's credentials. So a host must be allowed by the operator, its name is looked up
once, every address it has is checked, and the connection goes to one of the checked addresses: a
second lookup could answer differently (DNS rebinding). Of several each may be tried, because the
first one of a name need not be the one that answers (IPv6 that leads nowhere, a machine that is
down); one bad address among them refuses the name.

=====================  ====================  =======================================
address                host allowed by *.    host named exactly, or in the settings
=====================  ====================  =======================================
public                 https                 https
private, loopback,     no                    https and http
carrier-grade NAT
link-local, metadata,  no                    no
multicast, mapped,
6to4, reserved
=====================  ====================  =======================================
"""

import asyncio
import enum
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import httpx

from fwai.errors import ApiError

MAX_URL_CHARS: Final = 2048
LOOKUP_S: Final = 3.0
MAX_ADDRESSES: Final = 8  # of one name that are tried
_NAME: Final = "webhook"
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_SETTING: Final = "WEBHOOK_ALLOWED_HOSTS"

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_ENTRY: Final = re.compile(r"(\*\.)?(\[[0-9a-fA-F:.]+\]|[^\s:/?#@*\\\[\]%]+)(?::([0-9]{1,5}))?")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# What resolvers of the C library take for an address: 127.1, 2130706433, 0x7f000001.
_NUMERIC: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


def _parse_networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_PRIVATE: Final = _parse_networks(
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
    "::1/128", "fc00::/7",
)  # fmt: skip
# Where clouds hand out credentials outside 169.254.0.0/16: Alibaba, Azure, AWS, Google.
_METADATA: Final = _parse_networks(
    "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::254/128"
)
# Global for some versions of ipaddress, but they carry an IPv4 address or lead nowhere.
_SPECIAL: Final = _parse_networks("192.0.0.0/24", "192.88.99.0/24", "2002::/16", "3fff::/20")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_V6: Final = ipaddress.ip_network("2000::/3")


class _AddressClass(enum.Enum):
    PUBLIC = enum.auto()
    PRIVATE = enum.auto()
    NEVER = enum.auto()


@dataclass(frozen=True, slots=True)
class PinnedUrl:
    """A checked URL with its host resolved to checked addresses.

    Attributes:
        urls: The same URL with an address in place of the name, one for each address: what to
            connect to, in this order. At least one, at most `MAX_ADDRESSES`.
        host: The ``Host`` header.
        name: The name that the server's certificate must have.
    """

    urls: tuple[httpx.URL, ...]
    host: str
    name: str

    @property
    def url(self) -> httpx.URL:
        """What to connect to first."""
        return self.urls[0]


@dataclass(frozen=True, slots=True)
class _Entry:
    host: str
    port: int | None
    subdomains: bool  # written with *.

    def matches(self, host: str) -> bool:
        return host.endswith(f".{self.host}") if self.subdomains else host == self.host


class UrlGuard:
    """Checks webhook URLs against an allow-list and pins them to checked addresses.

    Args:
        allowed_hosts: ``host``, ``host:port``, ``*.example.com`` (not example.com itself); without
            a port only 443, or 80 for plain http.
        own: URLs of the operator's own settings; their hosts count as listed exactly.
        lookup: Resolves a name to all its addresses; the system's resolver by default.

    Raises:
        ValueError: An entry cannot be understood; every one is named with its fix.
    """

    def __init__(
        self,
        allowed_hosts: Collection[str],
        own: Collection[str] = (),
        *,
        lookup: Lookup | None = None,
    ) -> None:
        problems: list[str] = []
        self._entries: list[_Entry] = []
        for text in allowed_hosts:
            try:
                self._entries.append(_parse_entry(text.strip()))
            except ValueError as exc:
                problems.append(str(exc))
        for place, text in enumerate(own):
            try:
                url = _parse(text)
                self._entries.append(_Entry(_host(url), _port(url), subdomains=False))
            except ValueError as exc:
                problems.append(f"webhook URL {place + 1} of the settings: {exc}")
        if problems:
            raise ValueError("; ".join(problems))
        self._lookup = lookup or _resolve_dns

    def check(self, url: str) -> None:
        """Check everything about ``url`` that needs no DNS.

        Raises:
            ValueError: Why nothing may be posted there, and the fix; names the host at most.
        """
        self._validate(url)

    async def pin(self, url: str) -> PinnedUrl:
        """Check ``url``, resolve its host once and return what to connect to, every address.

        Raises:
            ValueError: Nothing may be posted there.
            ApiError: The name could not be looked up now; worth another try.
        """
        parsed = self._validate(url)
        host = _host(parsed)
        addresses = await self.resolve(host, _port(parsed), secure=parsed.scheme == "https")
        urls = tuple(parsed.copy_with(host=address) for address in addresses)
        return PinnedUrl(urls, parsed.netloc.decode("ascii"), host)

    async def resolve(self, host: str, port: int, *, secure: bool = True) -> tuple[str, ...]:
        """Resolve a host that passed `check` to the addresses to connect to.

        They keep the resolver's order, but for the families, which take turns: where one of them
        leads nowhere, the second try is the other's.

        One bad address among several is enough for a refusal.

        Args:
            host: Name or literal address, lower case, ASCII.
            port: Where on it.
            secure: Whether TLS will be used.

        Raises:
            ValueError: An address of the name is not allowed.
            ApiError: No answer within `LOOKUP_S`, or the name does not exist; worth another try.
        """
        literal = _literal(host)
        addresses = [str(literal)] if literal else await self._addresses(host, port)
        exact = self._is_exact(host, port)
        for address in addresses:
            _check_address(host, ipaddress.ip_address(address), exact=exact, secure=secure)
        return _by_turns(addresses)[:MAX_ADDRESSES]

    def _validate(self, url: str) -> httpx.URL:
        parsed = _parse(url)
        host, port = _host(parsed), _port(parsed)
        default = _DEFAULT_PORTS[parsed.scheme]
        matching = [entry for entry in self._entries if entry.matches(host)]
        if not matching:
            raise ValueError(f"host {host} is not allowed; add it to {_SETTING}")
        if not any((entry.port or default) == port for entry in matching):
            raise ValueError(
                f"port {port} of {host} is not allowed; add {host}:{port} to {_SETTING}"
            )
        exact = self._is_exact(host, port)
        if parsed.scheme == "http" and not exact:
            raise ValueError(f"plain http to {host} is not allowed; use https")
        literal = _literal(host)
        if literal is not None:
            _check_address(host, literal, exact=exact, secure=parsed.scheme == "https")
        return parsed

    def _is_exact(self, host: str, port: int) -> bool:
        """Whether the host is listed exactly, with this port or a default one."""
        return any(
            not entry.subdomains
            and entry.matches(host)
            and (port == entry.port if entry.port else port in _DEFAULT_PORTS.values())
            for entry in self._entries
        )

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            async with asyncio.timeout(LOOKUP_S):
                found = await self._lookup(host, port)
        except TimeoutError:
            raise ApiError(_NAME, f"{host}: no answer from the DNS", retryable=True) from None
        except (OSError, UnicodeError):
            raise ApiError(_NAME, f"{host}: not found in the DNS", retryable=True) from None
        if not found:
            raise ApiError(_NAME, f"{host}: has no address in the DNS", retryable=True)
        return found


def _by_turns(addresses: Sequence[str]) -> tuple[str, ...]:
    """Return each address once, the families by turns, the first one's first."""
    families: dict[bool, list[str]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(":" in address, []).append(address)
    rows = zip_longest(*families.values())
    return tuple(address for row in rows for address in row if address is not None)


async def _resolve_dns(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _parse(url: str) -> httpx.URL:
    """Parse a URL with the parser that connects; two parsers can disagree about the host."""
    if len(url) > MAX_URL_CHARS:
        raise ValueError(f"the URL has {len(url)} characters; at most {MAX_URL_CHARS}")
    if "\\" in url or any(char.isspace() or not char.isprintable() for char in url):
        raise ValueError("the URL holds blanks, backslashes or control characters; remove them")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise ValueError("not a URL; write it as https://host/path") from None
    if parsed.scheme not in _DEFAULT_PORTS:
        raise ValueError("the URL must begin with https://")
    if parsed.userinfo:
        raise ValueError("the URL holds a user name or password; remove it, messages are signed")
    if "#" in url:
        raise ValueError("the URL holds a #fragment; remove it")
    _check_host(_host(parsed))
    if not 1 <= _port(parsed) <= 65535:
        raise ValueError("the URL's port must be 1 to 65535")
    return parsed


def _check_host(host: str) -> None:
    if not host:
        raise ValueError("the URL names no host; write it as https://host/path")
    if _literal(host) is not None:
        return
    if host.endswith("."):
        raise ValueError("the host ends with a dot; remove it")
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise ValueError("the host is not a valid name")
    if _NUMERIC.fullmatch(host):
        raise ValueError("the host is a number; write an address with four parts, or a name")


def _parse_entry(text: str) -> _Entry:
    match = _ENTRY.fullmatch(text)
    fix = f"{_SETTING}: {text!r} is not understood; write host, host:port or *.example.com"
    if match is None:
        raise ValueError(fix)
    subdomains, host, port = match.groups()
    if port is not None and not 1 <= int(port) <= 65535:
        raise ValueError(f"{_SETTING}: {text!r}: the port must be 1 to 65535")
    try:
        ascii_host = _host(httpx.URL(f"https://{host}/"))
        _check_host(ascii_host)
    except (httpx.InvalidURL, ValueError):
        raise ValueError(fix) from None
    if subdomains and ("." not in ascii_host or _literal(ascii_host) is not None):
        raise ValueError(f"{_SETTING}: {text!r} is too wide; name a domain, as in *.example.com")
    return _Entry(ascii_host, int(port) if port else None, subdomains=bool(subdomains))


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").lower()


def _port(url: httpx.URL) -> int:
    return _DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def _literal(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_address(host: str, address: _Address, *, exact: bool, secure: bool) -> None:
    match _classify(address):
        case _AddressClass.NEVER:
            raise ValueError(
                f"{host} leads to an address that is never posted to; use another host"
            )
        case _AddressClass.PRIVATE if not exact:
            raise ValueError(
                f"{host} leads into a private network; if that is meant, name it in {_SETTING} "
                "without *"
            )
        case _AddressClass.PUBLIC if not secure:
            raise ValueError(f"plain http to {host} crosses the internet; use https")


def _classify(address: _Address) -> _AddressClass:
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        inner = _classify(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        return _AddressClass.PUBLIC if inner is _AddressClass.PUBLIC else _AddressClass.NEVER
    if any(address in network for network in (*_METADATA, *_SPECIAL)):
        return _AddressClass.NEVER
    if any(address in network for network in _PRIVATE):
        return _AddressClass.PRIVATE
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_V6:
        return _AddressClass.NEVER
    public = address.is_global and not address.is_multicast and not address.is_reserved
    return _AddressClass.PUBLIC if public else _AddressClass.NEVER
