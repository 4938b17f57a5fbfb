"""WhatsApp calls that we did not answer: too late, over before we could, or refused."""

import time
from collections.abc import Callable

from fwai.adapters.whatsapp.call_state import PROVIDER
from fwai.adapters.whatsapp.events import CallTerminated, Party
from fwai.domain.call import CallOffer, CallState, Direction
from fwai.domain.wall_clock import WallClock
from fwai.interfaces.calls import CallHandler
from fwai.tasks import IsolatedTasks


class MissedReports:
    """Tells of missed calls; whoever knows a call already keeps it as it is.

    Args:
        calls: Keeps them.
        tasks: Owns the telling.
        line: Our number, E.164, as far as it is known.
    """

    def __init__(self, calls: CallHandler, tasks: IsolatedTasks, line: Callable[[], str]) -> None:
        self._calls = calls
        self._tasks = tasks
        self._line = line

    def start(
        self, call_id: str, user: Party, state: CallState, cause: str, line: str = ""
    ) -> None:
        """Tell of a call without waiting."""
        self._tasks.start(
            self.tell(call_id, user, state, cause, line), f"whatsapp_missed:{call_id}"
        )

    def ended(self, event: CallTerminated, state: CallState) -> None:
        """Tell of the end of a call that we know nothing of; ours carry a reference."""
        if event.direction is not Direction.OUTBOUND and not event.reference:
            self.start(event.call_id, event.user, state, event.cause)

    async def tell(
        self, call_id: str, user: Party, state: CallState, cause: str, line: str = ""
    ) -> None:
        """Tell of a call."""
        line = line or self._line()
        offer = CallOffer(PROVIDER, call_id, Direction.INBOUND, user.number, line)
        await self._calls.missed(offer, state, cause)


class WebhookAge:
    """Tells how old webhooks are.

    Args:
        clock: Unix time in seconds.
        wall: Tells how the clock was set; None is the system's.
    """

    def __init__(self, clock: Callable[[], float], wall: WallClock | None = None) -> None:
        self._clock = clock
        self._wall = wall or WallClock(time.time, time.monotonic)

    def least_s(self, at: float | None) -> float:
        """Return how old one from ``at`` is at least, in seconds.

        When the clock was set, nobody can say whether it is right now or was before.
        """
        if at is None:
            return 0.0
        age_s = self._clock() - at
        return min(age_s, age_s - self._wall.look())
