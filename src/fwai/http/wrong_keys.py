"""Counts wrong keys, has whoever sends many of them wait, and tells of it in the log.

Theory of operation. Right keys are answered at once, whatever came from their address: strangers
may sit behind the same proxy. A wrong one is counted for its address (a network of 64 bits in
IPv6); from the sixth on the answer waits for a second, then twice as long each time, up to
`MAX_DELAY_S`. Only `MAX_WAITING` answers wait at once, for each holds a connection: what comes
beyond them is told so at once. Addresses are forgotten after `FORGET_S`, and the one that was
silent for longest when there are `MAX_ADDRESSES`.
"""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

FREE: Final = 5
MAX_DELAY_S: Final = 4.0
MAX_WAITING: Final = 64
MAX_ADDRESSES: Final = 1_000
FORGET_S: Final = 900.0
LOG_EVERY_S: Final = 60.0
MAX_LINES: Final = 20  # in that time, of all addresses together

_log = structlog.get_logger()


@dataclass(slots=True)
class _Seen:
    """What came from one address."""

    wrong: int = 0
    at: float = 0.0
    logged_at: float | None = None
    untold: int = 0


class WrongKeys:
    """Those that came to one server.

    Args:
        clock: Seconds that only grow.

    Attributes:
        total: Wrong keys since the start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self._clock = clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._waiting = 0
        self._lines = 0
        self._lines_since = 0.0

    def right(self, address: str) -> None:
        """Forget the wrong keys of an address: a right one came from it."""
        if self._seen:
            self._seen.pop(_network(address), None)

    async def wrong(self, address: str) -> float:
        """Count a wrong key, and wait before it may be answered.

        Returns:
            0 when its answer may go out; else the seconds after which to try again, because too
            many answers wait already.
        """
        delay_s = self._count(_network(address))
        if not delay_s:
            return 0.0
        if self._waiting >= MAX_WAITING:
            return delay_s
        self._waiting += 1
        try:
            await asyncio.sleep(delay_s)
        finally:
            self._waiting -= 1
        return 0.0

    def _count(self, network: str) -> float:
        """Count a wrong key and return for how long its answer waits, in seconds."""
        now = self._clock()
        self.total += 1
        seen = self._seen.pop(network, None)
        if seen is None or now - seen.at > FORGET_S:
            seen = _Seen()
        seen.wrong += 1
        seen.untold += 1
        seen.at = now
        self._seen[network] = seen  # the newest last
        if len(self._seen) > MAX_ADDRESSES:
            self._seen.popitem(last=False)
        self._tell(network, seen, now)
        over = seen.wrong - FREE
        return min(2.0 ** (over - 1), MAX_DELAY_S) if over > 0 else 0.0

    def _tell(self, network: str, seen: _Seen, now: float) -> None:
        if now - self._lines_since >= LOG_EVERY_S:
            self._lines, self._lines_since = 0, now
        quiet = seen.logged_at is not None and now - seen.logged_at < LOG_EVERY_S
        if quiet or self._lines >= MAX_LINES:
            return
        self._lines += 1
        _log.warning("wrong_key", address=masked(network), times=seen.untold, total=self.total)
        seen.logged_at, seen.untold = now, 0


def masked(address: str) -> str:
    """Return an address for a log: without its last part, which tells a household apart."""
    try:
        ip = ipaddress.ip_network(address, strict=False).network_address
    except ValueError:
        return "unknown"
    if ip.version == 4:
        return f"{str(ip).rpartition('.')[0]}.x"
    return f"{ipaddress.ip_network((ip, 48), strict=False).network_address}x"


def _network(address: str) -> str:
    """Return what counts as one address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return address
