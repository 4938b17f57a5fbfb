"""Counts what happens against limits: so many by one name within a time that moves along.

The package ``limits`` decides; where it counts is ours. Its own memory starts a thread every 10 ms
while requests come, which walks over every name that was ever seen, goes by the clock on the wall
and has no bound: beside live sound and under a flood that is the attack. `Windows` has a bound, no
thread, and a clock that is handed in. The counts are of one process: two share nothing yet.
"""

import math
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItemPerSecond
from limits.storage.base import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

MOST_NAMES: Final = 5_000
MOST_HITS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Rate:
    """How much there may be.

    Attributes:
        what: Names of different rates are different names; stands in logs.
        most: How many in any stretch of ``per_s`` seconds.
        per_s: Whole seconds.
    """

    what: str
    most: int
    per_s: int = 60


class Windows(Storage, MovingWindowSupport):
    """Remembers when things happened. Implements what ``limits`` needs for a moving window.

    Where too much is to be remembered, the names that were not seen for longest are forgotten:
    whoever invents names only forgives others.

    Args:
        clock: Monotonic time in seconds.
        most_names: How many names are remembered.
        most_hits: How many moments, of all names together.
    """

    STORAGE_SCHEME: list[str] | None = None

    def __init__(
        self,
        clock: Callable[[], float],
        most_names: int = MOST_NAMES,
        most_hits: int = MOST_HITS,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._most_names = most_names
        self._most_hits = most_hits
        self._hits: OrderedDict[str, list[float]] = OrderedDict()
        self._kept = 0

    def __len__(self) -> int:
        """How many moments are remembered."""
        return self._kept

    @property
    def names(self) -> int:
        """How many names are remembered."""
        return len(self._hits)

    @property
    def base_exceptions(self) -> type[Exception]:
        """What ``limits`` would wrap; nothing is expected here."""
        return ValueError

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` for a name; False, and nothing is counted, where that is too much."""
        now = self._clock()
        hits = self._fresh(key, now - expiry)
        if len(hits) + amount > limit:
            return False
        self._hits.setdefault(key, hits)
        hits.extend([now] * amount)
        self._kept += amount
        while len(self._hits) > self._most_names or self._kept > self._most_hits:
            _, forgotten = self._hits.popitem(last=False)
            self._kept -= len(forgotten)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002
        """Return when the oldest thing that still counts happened, and how many count."""
        now = self._clock()
        hits = self._fresh(key, now - expiry)
        return (hits[0], len(hits)) if hits else (now, 0)

    def get(self, key: str) -> int:
        """Return how often a name is remembered."""
        return len(self._hits.get(key, ()))

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Fixed windows are not kept here."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """Fixed windows are not kept here."""
        raise NotImplementedError

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget everything; returns how many names that were."""
        names = len(self._hits)
        self._hits.clear()
        self._kept = 0
        return names

    def clear(self, key: str) -> None:
        """Forget a name."""
        self._kept -= len(self._hits.pop(key, ()))

    def _fresh(self, key: str, since: float) -> list[float]:
        """Return what still counts of a name, and forget what does not."""
        hits = self._hits.get(key)
        if hits is None:
            return []
        self._hits.move_to_end(key)
        if gone := bisect_right(hits, since):
            del hits[:gone]
            self._kept -= gone
            if not hits:
                del self._hits[key]
        return hits


class Rates:
    """Counts by name, and says how long to wait where it is too much.

    Args:
        clock: Monotonic time in seconds.
        windows: Where it is counted; None is an own place of the usual size.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, windows: Windows | None = None
    ) -> None:
        self._clock = clock
        self.windows = Windows(clock) if windows is None else windows
        self._limiter = MovingWindowRateLimiter(self.windows)

    def count(self, rate: Rate, name: str) -> int:
        """Count one for a name; returns the seconds to wait where there is no room, else 0."""
        if self._limiter.hit(_item(rate), name):
            return 0
        return self._wait_s(rate, name)

    def full(self, rate: Rate, name: str) -> int:
        """Return the seconds to wait until there is room for one more; 0 when there is."""
        if self._limiter.test(_item(rate), name):
            return 0
        return self._wait_s(rate, name)

    def _wait_s(self, rate: Rate, name: str) -> int:
        resets_at = self._limiter.get_window_stats(_item(rate), name).reset_time
        return max(math.ceil(resets_at - self._clock()), 1)


def _item(rate: Rate) -> RateLimitItemPerSecond:
    return RateLimitItemPerSecond(rate.most, rate.per_s, rate.what)
