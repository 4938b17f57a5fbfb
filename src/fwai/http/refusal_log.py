"""Counts refused requests, and tells of each reason and kind of address at most once a minute."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

REPORT_S: Final = 60.0
MAX_REASONS: Final = 200

_log = structlog.get_logger()


class RefusalLog:
    """Refusals of one kind of route.

    Args:
        event: The log line's name.
        now: Monotonic time in seconds.

    Attributes:
        counts: By reason and kind of address, since the start; reasons are ours, so they are few.
    """

    def __init__(self, event: str, now: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._now = now
        self._reported: dict[tuple[str, str], float] = {}
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, reason: str, address: str = "", **facts: object) -> None:
        """Count one, and log it unless one of the same reason was within the last minute.

        Args:
            reason: One of few; nothing that a stranger wrote.
            address: The kind of its address (`client_address.address_kind`); empty: not told apart.
            facts: Further values of the line.
        """
        key = (reason, address)
        if key not in self.counts and len(self.counts) >= MAX_REASONS:
            key = ("other", "")
        self.counts[key] += 1
        now = self._now()
        if now - self._reported.get(key, -REPORT_S) >= REPORT_S:
            self._reported[key] = now
            if address:
                facts["address"] = address
            _log.warning(self._event, reason=key[0], refused=self.counts[key], **facts)
