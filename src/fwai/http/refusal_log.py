"""Counts refused requests, and tells of each reason at most once a minute."""

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
        counts: By reason, since the start; reasons are ours, so they are few.
    """

    def __init__(self, event: str, now: Callable[[], float] = time.monotonic) -> None:
        self._event = event
        self._now = now
        self._reported: dict[str, float] = {}
        self.counts: Counter[str] = Counter()

    def add(self, reason: str, **facts: object) -> None:
        """Count one, and log it unless one of the same reason was within the last minute.

        Args:
            reason: One of few; nothing that a stranger wrote.
            facts: Further values of the line.
        """
        if reason not in self.counts and len(self.counts) >= MAX_REASONS:
            reason = "other"
        self.counts[reason] += 1
        now = self._now()
        if now - self._reported.get(reason, -REPORT_S) >= REPORT_S:
            self._reported[reason] = now
            _log.warning(self._event, reason=reason, refused=self.counts[reason], **facts)
