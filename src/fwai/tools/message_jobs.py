"""Sends a tool's messages as background jobs, within rate limits, and reports their delivery.

A tool writes its job and waits for it, briefly. The job's key is made of call, tool and arguments:
asking again finds the same job and sends nothing. No result ever says that a message arrived.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fwai.domain.call import Call
from fwai.domain.job import Job, JobState, NewJob
from fwai.domain.quota import UNLIMITED
from fwai.errors import ToolError
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.messages import MessageQuotas
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Outcome
from fwai.tools.recipient import Recipient

WAIT_S: Final = 5.0  # below the tools' own limit, so that what is known by then is told
DAY_S: Final = 86_400.0
DELIVERY_UNKNOWN: Final[Mapping[str, Any]] = {"delivery": "unknown"}
MAX_KEPT: Final = 10_000

# Builds the jobs that publish an event: its type, a key that repeats share, data, the call.
Announce = Callable[[str, str, Mapping[str, Any], Call | None], Sequence[NewJob]]


def delivery_outcome(job: Job, label: str, carrier: str) -> Outcome:
    """Build the outcome that reports a message's delivery by the state of its job.

    ``label`` names the message, such as "text message"; ``carrier`` who accepts it, such as "the
    network".

    Raises:
        ToolError: It was not sent, or that is unknown.
    """
    match job.state:
        case JobState.DONE:
            return Outcome(
                f"The {label} was handed to {carrier}; whether it arrives is not known yet.",
                {"delivery": "accepted", "message_id": job.ref},
            )
        case JobState.DEAD | JobState.CANCELED:
            raise ToolError(f"The {label} was not sent. Say so and offer another way.")
        case JobState.UNKNOWN:
            raise ToolError(
                f"It is not known whether the {label} went out. Do not send it again; say so.",
                DELIVERY_UNKNOWN,
            )
        case JobState.WAITING | JobState.RUNNING:
            return Outcome(
                f"The {label} is not sent yet; it is being tried. Say that it may take a while, "
                "and do not send it again.",
                {"delivery": "pending"},
            )


class DayCount:
    """Counts uses per key in the last 24 hours, in memory.

    Args:
        most: Number of keys in memory; the least recently used is dropped.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MAX_KEPT) -> None:
        self._clock = clock
        self._most = most
        self._uses: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, what: str) -> int:
        """Return the uses of a key in the last 24 hours."""
        uses = self._uses.get(what)
        if uses is None:
            return 0
        while uses and uses[0] <= self._clock() - DAY_S:
            uses.popleft()
        return len(uses)

    def add(self, what: str) -> None:
        """Count one use."""
        self._uses.setdefault(what, deque()).append(self._clock())
        self._uses.move_to_end(what)
        if len(self._uses) > self._most:
            self._uses.popitem(last=False)

    def undo(self, what: str) -> None:
        """Take the newest use back."""
        if uses := self._uses.get(what):
            uses.pop()


class DayLimit:
    """Rate limit of one kind of message: per recipient and per caller in 24 hours.

    Counts the stored jobs, which survive a restart, and those in memory that are not stored yet.

    Args:
        kind: Kind of the jobs.
        label: Names the message in words.
        most: Messages to one recipient, and to others for one caller. All callers without a number
            are one.
        clock: Any seconds.
    """

    def __init__(
        self,
        jobs: JobSubmitter,
        kind: str,
        label: str,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label
        self._jobs = jobs
        self._kind = kind
        self._most = most
        self._count = DayCount(clock)
        self._counted: OrderedDict[str, Sequence[str]] = OrderedDict()

    def is_counted(self, key: str) -> bool:
        """Whether this action was counted already."""
        return key in self._counted

    async def acquire(
        self, context: ToolContext, key: str, *, phone: str = "", address: str = ""
    ) -> None:
        """Count a message against the limit; the same action is counted once.

        Raises:
            ToolError: That would be too many; nothing was counted.
            StoreError: The database failed.
        """
        if key in self._counted:
            return
        written = 0
        counted: list[str] = []
        if phone:
            written = await self._jobs.count_for_recipient(self._kind, phone)
            counted.append(f"phone:{phone}")
        if address:
            counted.append(f"address:{address}")
        if not context.trusted and not (phone and phone == context.to):
            written = max(written, await self._jobs.count_for_caller(self._kind, context.to))
            counted.append(f"caller:{context.to}")
        # From here on nothing waits, so that many calls at once cannot all find room.
        if max([written, *map(self._count.count, counted)]) >= self._most:
            raise ToolError(
                f"No further {self.label} can be sent to them today. Say so and offer another way."
            )
        for what in counted:
            self._count.add(what)
        self._counted[key] = counted
        if len(self._counted) > MAX_KEPT:
            self._counted.popitem(last=False)

    def release(self, key: str) -> None:
        """Take a counted action back because it failed; an uncounted one is ignored."""
        for what in self._counted.pop(key, ()):
            self._count.undo(what)


class Outbox:
    """Sends one kind of message within its limits; a repeated action is not counted again.

    Args:
        kind: Kind of the tool and of its jobs.
        carrier: Who accepts the message, in words.
        per_call: Most messages in one call.
        limit: Daily limit.
        quotas: Limits of the server, of the name of the kind.
        dictated_only: Those count only messages to whom a caller dictated; else all that callers
            ask for.
    """

    def __init__(
        self,
        jobs: JobSubmitter,
        kind: str,
        carrier: str,
        *,
        per_call: int,
        limit: DayLimit,
        quotas: MessageQuotas = UNLIMITED,
        dictated_only: bool = True,
    ) -> None:
        self._jobs = jobs
        self._kind = kind
        self._carrier = carrier
        self._per_call = per_call
        self._limit = limit
        self._quotas = quotas
        self._dictated_only = dictated_only

    async def send(
        self,
        context: ToolContext,
        payload: Mapping[str, Any],
        recipient: Recipient,
        *,
        phone: str = "",
        address: str = "",
    ) -> Outcome:
        """Submit the job, wait briefly and return its outcome.

        ``phone`` is the person it concerns, ``address`` where it goes when that is not the
        person's number; messages to either are counted.

        Raises:
            ToolError: It was not sent, or that is unknown.
            StoreError: The database failed.
        """
        key = context.key(self._kind, payload)
        if not self._limit.is_counted(key):
            if not context.allow(self._kind, self._per_call):
                raise ToolError(f"No further {self._limit.label} can be sent in this call.")
            if not recipient.owner:
                await self._limit.acquire(context, key, phone=phone, address=address)
                await self._count(context, key, recipient)
        new = NewJob(
            self._kind,
            key,
            payload,
            call_id=context.call_id,
            phone=phone,
            confirmation=recipient.confirmation,
        )
        job = await self._jobs.submit(new, WAIT_S)
        return delivery_outcome(job, self._limit.label, self._carrier)

    async def _count(self, context: ToolContext, key: str, recipient: Recipient) -> None:
        """Count it against the limits of the server; of an operator's own nothing is counted."""
        if context.trusted or (self._dictated_only and not recipient.dictated):
            return
        try:
            await take(self._quotas, self._kind, context, recipient)
        except BaseException:
            self._limit.release(key)
            raise


async def take(
    quotas: MessageQuotas, name: str, context: ToolContext, recipient: Recipient
) -> None:
    """Count one against the limits of the server.

    Raises:
        ToolError: There is no more of it today; nothing was counted.
        StoreError: The database failed; nothing was counted.
    """
    dictated = recipient.to if recipient.dictated else ""
    if full := await quotas.take(name, dictated, context.to if dictated else ""):
        raise ToolError(
            f"No further {full} are possible from here today. Say so and offer another way."
        )
