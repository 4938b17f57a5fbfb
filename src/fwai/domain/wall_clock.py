"""The wall clock of a process that lives on while somebody sets it.

Theory of operation. What lasts within a process is measured by its monotonic clock. What must
outlive it is stamped with wall-clock time, and a stamp means something else once the clock was set.
A step is noticed by comparing both clocks; from then on an older stamp can be read as it would be
had it been written with the clock of now. What happened between two looks is taken as one step.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

LEAST_STEP_S: Final = 0.5  # below it are roundings, and what keeps clocks in step by themselves
MAX_STEPS: Final = 100
MAX_WAITS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Step:
    """One step that was noticed.

    Attributes:
        at: When, by the monotonic clock.
        before: What the wall clock would have said then.
        by: How far it was set, in seconds; forward is positive.
    """

    at: float
    before: float
    by: float


class WallClock:
    """Compares the wall clock with a monotonic one, and remembers how it was set.

    Args:
        wall: Unix time in seconds.
        steady: Monotonic time in seconds.

    Attributes:
        moved_s: By how much the clock was set altogether since this object was made, in seconds.
    """

    def __init__(self, wall: Callable[[], float], steady: Callable[[], float]) -> None:
        self._wall = wall
        self._steady = steady
        self._ahead = wall() - steady()
        self._steps: deque[_Step] = deque(maxlen=MAX_STEPS)
        self.moved_s = 0.0

    def look(self) -> float:
        """Notice whether the clock was set since the last look; return `moved_s`."""
        now, steady = self._wall(), self._steady()
        by = now - steady - self._ahead
        if abs(by) >= LEAST_STEP_S:
            self._steps.append(_Step(steady, now - by, by))
            self._ahead += by
            self.moved_s += by
        return self.moved_s

    def now(self) -> float:
        """Return Unix time in seconds."""
        return self._wall()

    def steady(self) -> float:
        """Return monotonic time in seconds."""
        return self._steady()

    def unmoved(self) -> float:
        """Return Unix time as it would be had nobody set the clock since the start."""
        return self._wall() - self.look()

    def forward_s(self, within_s: float) -> float:
        """Return by how much the clock was set forward in the last ``within_s`` seconds.

        Whatever was written before looks older than it is by as much.
        """
        self.look()
        since = self._steady() - within_s
        return sum(step.by for step in self._steps if step.by > 0 and step.at >= since)

    def before(self, life_s: float) -> float:
        """Return the Unix time before which a stamp is certainly ``life_s`` seconds old.

        A clock that was set forward meanwhile makes nothing older than it is.
        """
        return self._wall() - life_s - self.forward_s(life_s)

    def reread(self, stamp: float) -> float:
        """Return what a stamp of this process would be, written with the clock of now.

        Where that cannot be told (after a step back a stamp may be from before or behind it), it
        stays as it is; it may be later than now when another process wrote it.
        """
        self.look()
        now = self._wall()
        for step in self._steps:
            if (step.by > 0 and stamp <= step.before) or (step.by < 0 and stamp > now):
                stamp += step.by
        return stamp


class Patience:
    """How long something is waited for since a stamp, however the clock is set meanwhile.

    Args:
        clock: The time now, aware.
        wall: Tells how the clock was set.
        heard_here: What is waited for is told to this process, so that it had no chance to come
            before now.
    """

    def __init__(
        self, clock: Callable[[], datetime], wall: WallClock, *, heard_here: bool = False
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._since = clock() if heard_here else None
        # Stamps that cannot be, later than now: they count from when they were first seen.
        self._seen: OrderedDict[str, datetime] = OrderedDict()

    def until(self, name: str, stamp: datetime, patience_s: float) -> datetime | None:
        """Return until when to wait for what began at ``stamp``; None when that is over.

        Args:
            name: Of what is waited for, the same each time.
            stamp: When it began.
            patience_s: How long to wait from then on, in seconds.
        """
        now = self._clock()
        begun = self._reread(stamp)
        if begun > now:
            begun = min(self._reread(self._seen.setdefault(name, now)), now)
            if len(self._seen) > MAX_WAITS:
                self._seen.popitem(last=False)
        if self._since is not None:
            begun = max(begun, min(self._reread(self._since), now))
        until = begun + timedelta(seconds=patience_s)
        if now < until:
            return until
        self._seen.pop(name, None)
        return None

    def _reread(self, stamp: datetime) -> datetime:
        at = stamp.timestamp()
        return stamp + timedelta(seconds=self._wall.reread(at) - at)
