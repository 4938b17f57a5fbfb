"""Messages that a tool sends: as jobs, so that each goes out once, and told as what is known.

A tool writes its job and waits for it, briefly. The job's key is made of call, tool and arguments:
asking again finds the same job and sends nothing. Nobody here ever says that something arrived.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from fwai.domain.call import Call
from fwai.domain.job import Job, JobState, NewJob
from fwai.errors import ToolError
from fwai.tools.base import Outcome, ToolContext

WITHIN_S: Final = 5.0  # below the tools' own limit, so that what is known by then is told
DAY_S: Final = 86_400.0
NOBODY_KNOWS: Final[Mapping[str, Any]] = {"delivery": "unknown"}
MOST_KEPT: Final = 10_000

# What tells others of something: its kind, a key that the same thing has again, facts, the call.
Announce = Callable[[str, str, Mapping[str, Any], Call | None], Sequence[NewJob]]


class Orders(Protocol):
    """Takes work that is done once; every method raises ``StoreError``."""

    async def give(self, new: NewJob, within_s: float) -> Job:
        """Write a job, wait a little, and return it as it is then."""
        ...

    async def given(self, kind: str, phone: str) -> int:
        """Return how many jobs of a kind a person got in the last 24 hours."""
        ...


def told(job: Job, thing: str, taker: str) -> Outcome:
    """Return what may be said of a message by the state of its job.

    ``thing`` is what it is, such as "text message"; ``taker`` who takes it on its way, such as
    "the network".

    Raises:
        ToolError: It was not sent, or nobody knows.
    """
    match job.state:
        case JobState.DONE:
            return Outcome(
                f"The {thing} was handed to {taker}; whether it arrives is not known yet.",
                {"delivery": "accepted", "message_id": job.ref},
            )
        case JobState.DEAD | JobState.CANCELED:
            raise ToolError(f"The {thing} was not sent. Say so and offer another way.")
        case JobState.UNKNOWN:
            raise ToolError(
                f"It is not known whether the {thing} went out. Do not send it again; say so.",
                NOBODY_KNOWS,
            )
        case JobState.WAITING | JobState.RUNNING:
            return Outcome(
                f"The {thing} is not sent yet; it is being tried. Say that it may take a while, "
                "and do not send it again.",
                {"delivery": "pending"},
            )


class DayCount:
    """How often something was used in the last 24 hours, as far as this process knows.

    Args:
        most: Different things that are kept; the one longest unused is forgotten.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST_KEPT) -> None:
        self._clock = clock
        self._most = most
        self._uses: OrderedDict[str, deque[float]] = OrderedDict()

    def of(self, what: str) -> int:
        """Return the count."""
        uses = self._uses.get(what)
        if uses is None:
            return 0
        while uses and uses[0] <= self._clock() - DAY_S:
            uses.popleft()
        return len(uses)

    def add(self, what: str) -> None:
        """Count one more."""
        self._uses.setdefault(what, deque()).append(self._clock())
        self._uses.move_to_end(what)
        if len(self._uses) > self._most:
            self._uses.popitem(last=False)


class Outbox:
    """Sends one kind of message, within its limits; what was asked for already counts for nothing.

    Args:
        kind: Of the tool and of its jobs.
        thing: What is sent, in words.
        taker: Who takes it on its way, in words.
        per_call: Messages in one call at most.
        per_day: Messages to one recipient in 24 hours at most.
        clock: Any seconds.
    """

    def __init__(
        self,
        orders: Orders,
        kind: str,
        thing: str,
        taker: str,
        *,
        per_call: int,
        per_day: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._orders = orders
        self._kind = kind
        self._thing = thing
        self._taker = taker
        self._per_call = per_call
        self._per_day = per_day
        self._to_address = DayCount(clock)
        self._passed: OrderedDict[str, None] = OrderedDict()

    async def send(
        self,
        context: ToolContext,
        payload: Mapping[str, Any],
        *,
        phone: str = "",
        address: str = "",
    ) -> Outcome:
        """Send what ``payload`` says and return what became of it.

        ``phone`` is the person it concerns, ``address`` where it goes when that is not the
        person's number; messages to either are counted.

        Raises:
            ToolError: It was not sent, or nobody knows.
            StoreError: The database failed.
        """
        key = context.key(self._kind, payload)
        if key not in self._passed:
            await self._check(context, phone, address)
            self._remember(key, address)
        job = await self._orders.give(
            NewJob(self._kind, key, payload, call_id=context.call_id, phone=phone), WITHIN_S
        )
        return told(job, self._thing, self._taker)

    async def _check(self, context: ToolContext, phone: str, address: str) -> None:
        given = await self._orders.given(self._kind, phone) if phone else 0
        if max(given, self._to_address.of(address)) >= self._per_day:
            raise ToolError(
                f"No further {self._thing} can be sent to them today. Say so and offer another way."
            )
        if not context.allow(self._kind, self._per_call):
            raise ToolError(f"No further {self._thing} can be sent in this call.")

    def _remember(self, key: str, address: str) -> None:
        if address:
            self._to_address.add(address)
        self._passed[key] = None
        if len(self._passed) > MOST_KEPT:
            self._passed.popitem(last=False)
