"""Messages that a tool sends: as jobs, so that each goes out once, and told as what is known.

A tool writes its job and waits for it, briefly. The job's key is made of call, tool and arguments:
asking again finds the same job and sends nothing. Nobody here ever says that something arrived.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fwai.domain.call import Call
from fwai.domain.job import Job, JobState, NewJob
from fwai.errors import ToolError
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Outcome

WITHIN_S: Final = 5.0  # below the tools' own limit, so that what is known by then is told
DAY_S: Final = 86_400.0
NOBODY_KNOWS: Final[Mapping[str, Any]] = {"delivery": "unknown"}
MAX_KEPT: Final = 10_000

# What tells others of something: its kind, a key that the same thing has again, facts, the call.
Announce = Callable[[str, str, Mapping[str, Any], Call | None], Sequence[NewJob]]


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

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MAX_KEPT) -> None:
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

    def undo(self, what: str) -> None:
        """Count one less."""
        if uses := self._uses.get(what):
            uses.pop()


class DayLimit:
    """How many messages of one kind may go out in 24 hours: to a recipient, and for a caller.

    The jobs tell what a restart must not forget, and the memory what is not written yet.

    Args:
        kind: Of the jobs.
        thing: What is sent, in words.
        most: To one recipient, and to others for one caller. All callers without a number are one.
        clock: Any seconds.
    """

    def __init__(
        self,
        jobs: JobSubmitter,
        kind: str,
        thing: str,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.thing = thing
        self._jobs = jobs
        self._kind = kind
        self._most = most
        self._count = DayCount(clock)
        self._passed: OrderedDict[str, Sequence[str]] = OrderedDict()

    def passed(self, key: str) -> bool:
        """Whether this very action was taken in already."""
        return key in self._passed

    async def take(
        self, context: ToolContext, key: str, *, phone: str = "", address: str = ""
    ) -> None:
        """Count one message more; the same action is counted once.

        Raises:
            ToolError: That would be too many; nothing was counted.
            StoreError: The database failed.
        """
        if key in self._passed:
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
        if max([written, *map(self._count.of, counted)]) >= self._most:
            raise ToolError(
                f"No further {self.thing} can be sent to them today. Say so and offer another way."
            )
        for what in counted:
            self._count.add(what)
        self._passed[key] = counted
        if len(self._passed) > MAX_KEPT:
            self._passed.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Count an action no longer, as nothing came of it; one not taken in is left alone."""
        for what in self._passed.pop(key, ()):
            self._count.undo(what)


class Outbox:
    """Sends one kind of message, within its limits; what was asked for already counts for nothing.

    Args:
        kind: Of the tool and of its jobs.
        taker: Who takes it on its way, in words.
        per_call: Messages in one call at most.
        limit: Of each day.
    """

    def __init__(
        self, jobs: JobSubmitter, kind: str, taker: str, *, per_call: int, limit: DayLimit
    ) -> None:
        self._jobs = jobs
        self._kind = kind
        self._taker = taker
        self._per_call = per_call
        self._limit = limit

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
        if not self._limit.passed(key):
            if not context.allow(self._kind, self._per_call):
                raise ToolError(f"No further {self._limit.thing} can be sent in this call.")
            await self._limit.take(context, key, phone=phone, address=address)
        job = await self._jobs.submit(
            NewJob(self._kind, key, payload, call_id=context.call_id, phone=phone), WITHIN_S
        )
        return told(job, self._limit.thing, self._taker)
