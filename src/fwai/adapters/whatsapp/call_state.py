"""State of WhatsApp calls, timers, and a memory of recent keys for deduplication."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fwai.adapters.whatsapp.events import CallConnect, Party
from fwai.domain.call import CallState, Direction

PROVIDER: Final = "whatsapp"


@dataclass(frozen=True, slots=True)
class CallTimers:
    """Time limits of a call, in seconds.

    Attributes:
        stale_s: A connect older than this is a missed call: Meta waits 30 to 60 s for the accept.
        set_up_s: From the webhook to the accept; less than the call manager waits for a stream.
        connect_s: For ICE and DTLS.
        ring_s: For a user to pick up a call of ours.
        goodbye_s: For Meta to say that a call is over whose media ended, before we end it.
    """

    stale_s: float = 45.0
    set_up_s: float = 25.0
    connect_s: float = 10.0
    ring_s: float = 60.0
    terminate_wait_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress report of an outbound call.

    Attributes:
        reference: Our id of the call, as passed to `dial`.
        cause: In words, for final states.
    """

    call_id: str
    reference: str
    user: Party
    state: CallState
    cause: str = ""


@dataclass(eq=False, slots=True)
class WhatsAppCall:
    """State of a call from its first webhook, or our request, until its task is done.

    Attributes:
        started: Its task has begun, so that cancelling it lets it clean up.
        carried: The session has the leg: from now on the call manager ends the call.
        accepted: Meta may count the call as answered: it is ended by terminate, not by reject.
        over: Meta reported the end, or confirmed ours.
        hanging_up: Our reject or terminate request is in progress.
        end_reported: The end was reported to ``on_progress``.
        answer: Outbound: Meta's answer to our offer.
        answered: Outbound: `answer` is there.
        picked_up: Outbound: the user took the call.
        outcome: Final state by Meta's statuses.
        ring_s: Outbound: ring time-out in seconds; None is `CallTimers.ring_s`.
    """

    id: str
    direction: Direction
    user: Party
    reference: str = ""
    started: bool = False
    carried: bool = False
    accepted: bool = False
    hanging_up: bool = False
    end_reported: bool = False
    outcome: CallState | None = None
    ring_s: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    picked_up: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    answer: CallConnect | None = None
    task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Cancel the set-up task, unless called from it."""
        if self.task is None or not self.started or self.carried:
            return
        if self.task is not asyncio.current_task():
            self.task.cancel()


class RecentKeys:
    """A bounded set of recent keys that expire.

    Args:
        clock: Monotonic time in seconds.
        life_s: How long a key is kept.
        most: Most keys at once; the oldest are dropped.
    """

    def __init__(self, clock: Callable[[], float], life_s: float, most: int = 20_000) -> None:
        self._clock = clock
        self._life_s = life_s
        self._most = most
        self._keys: dict[str, float] = {}

    def __contains__(self, key: str) -> bool:
        at = self._keys.get(key)
        return at is not None and self._clock() - at < self._life_s

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str) -> bool:
        """Add ``key``; False when it is present already."""
        if key in self:
            return False
        now = self._clock()
        self._keys.pop(key, None)  # an expired one goes to the end
        self._keys[key] = now
        while self._keys:
            oldest, at = next(iter(self._keys.items()))
            if len(self._keys) <= self._most and now - at < self._life_s:
                break
            del self._keys[oldest]
        return True
