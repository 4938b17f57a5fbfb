"""Whether a call that comes in may begin: bounds on what one caller, and all of them, can spend.

A signed request is the provider's and is never answered 429, which would lose the call: a call that
is one too many is told that the line is busy, like one that the machine cannot carry. Each call
holds a model session from its first request on, so those whose sound has not come yet are bounded,
too: beyond the bound, one whose sound is later than any carrier's gives way to the new one, so that
whoever opens calls and lets them wait keeps nobody out. What a caller shows as their number is
theirs to choose: the bound on one number keeps a person's telephone from eating the house, the
bound on all calls keeps everybody's from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fwai.calls.live_call import LiveCall
from fwai.domain.call import Call, CallState, EndReason
from fwai.errors import BusyError
from fwai.interfaces.limits import UNHEARD, LimitAlarms
from fwai.rates import Rate, Rates

STRETCH_S: Final = 600
LATE_S: Final = 8.0  # a carrier opens its stream within three, a browser within five
WITHHELD: Final = "withheld"
MANY: Final = 5
"""Callers who show no number are counted as one, who has so many times the room of one."""


@dataclass(frozen=True, slots=True)
class InboundLimits:
    """How many calls may come in, besides what the machine can carry.

    Attributes:
        per_caller: Calls of one number in ten minutes.
        at_once: Calls of one number at the same time.
        waiting: Calls whose sound has not come yet, of all callers.
        exempt: Numbers that the bounds of one number do not hold for, such as the owner's.
        bounded_elsewhere: Providers whose callers have no number, and have signed in.
    """

    per_caller: int = 12
    at_once: int = 4
    waiting: int = 20
    exempt: frozenset[str] = field(default_factory=frozenset)
    bounded_elsewhere: frozenset[str] = field(default_factory=frozenset)


class Admission:
    """Decides on calls that come in.

    Args:
        limits: How many there may be.
        clock: Monotonic time in seconds.
        alarms: Told when a limit was reached.
    """

    def __init__(
        self,
        limits: InboundLimits,
        clock: Callable[[], float],
        alarms: LimitAlarms = UNHEARD,
    ) -> None:
        self._limits = limits
        self._rates = Rates(clock)
        self._alarms = alarms

    def admit(self, call: Call, live: Sequence[LiveCall]) -> None:
        """Count a call that begins; another one may have to give way to it.

        Args:
            call: It.
            live: The calls that are not over, the oldest first.

        Raises:
            BusyError: It is one too many.
        """
        limits = self._limits
        offered = [one for one in live if one.offered]
        if call.provider not in limits.bounded_elsewhere and call.caller not in limits.exempt:
            self._admit_caller(call.caller, offered)
        waiting = [one for one in offered if one.session is None and one.told_state is None]
        if len(waiting) >= limits.waiting:
            error = self._reached("CALLS_WAITING", limits.waiting, "too many calls wait for sound")
            if waiting[0].clock.age_s < LATE_S:
                raise error
            waiting[0].end(EndReason.NEVER_CONNECTED, CallState.FAILED)

    def _admit_caller(self, caller: str, offered: Sequence[LiveCall]) -> None:
        limits, room = self._limits, 1 if caller else MANY
        here = [one for one in offered if one.call.provider not in limits.bounded_elsewhere]
        at_once = limits.at_once * room
        if sum(one.call.caller == caller for one in here) >= at_once:
            raise self._reached("CALLS_AT_ONCE_PER_CALLER", at_once, "too many calls of one number")
        rate = Rate("calls", limits.per_caller * room, STRETCH_S)
        if self._rates.count(rate, caller or WITHHELD):
            raise self._reached("CALLS_PER_CALLER", rate.most, "this number calls too often")

    def _reached(self, limit: str, most: int, why: str) -> BusyError:
        self._alarms.reached(limit, most)
        return BusyError(why)
