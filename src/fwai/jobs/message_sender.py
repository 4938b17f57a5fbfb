"""Messages to people: sent once, whatever happens in between.

Theory of operation. Before a message goes out its job is marked. A provider's refusal is final or
worth another try; no answer is *unknown* and never repeated by itself. After a crash behind the
mark nobody knows whether it went out, but providers report how a message fares to an address that
names the job: that report proves it sent. Only when none came for `EVIDENCE_S` it is sent again.
Mail needs no proof: it carries the same Message-ID each time, which makes it one message to every
receiver.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from fwai.domain.job import Begin, Dead, Done, Job, JobOutcome, Postpone, Retry, Unknown
from fwai.domain.wall_clock import Patience, WallClock
from fwai.errors import ApiError, ApiUnknownError, BusyError

EVIDENCE_S: Final = 120.0

Send = Callable[[Job], Awaitable[str]]


class MessageSender:
    """Handles one kind of message.

    Args:
        send: Sends what the job's payload says and returns the provider's id of it; raises
            ``ApiError`` or ``BusyError``, and ``ValueError`` when the payload can never be sent.
        repeatable: Sending it twice is the same as sending it once.
        evidence_s: How long a report may take after a crash.
        clock: The time now, aware.
        wall: Tells how the clock was set; None is the system's.
    """

    def __init__(
        self,
        send: Send,
        *,
        repeatable: bool = False,
        evidence_s: float = EVIDENCE_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wall: WallClock | None = None,
    ) -> None:
        self._send = send
        self._repeatable = repeatable
        self._evidence_s = evidence_s
        self._clock = clock
        wall = wall or WallClock(time.time, time.monotonic)
        self._patience = Patience(clock, wall, heard_here=True)

    async def __call__(self, job: Job, begin: Begin) -> JobOutcome:
        """Send it."""
        if job.begun_at is not None and not self._repeatable:
            # A report that came while this server was down is told again only now.
            settled_by = self._patience.until(job.id, job.begun_at, self._evidence_s)
            if settled_by is not None:
                return Postpone(settled_by, "waiting for the provider's report", begun=True)
        if not self._repeatable:
            await begin()
        try:
            ref = await self._send(job)
        except ApiUnknownError as exc:
            return Retry(str(exc)) if self._repeatable else Unknown(str(exc))
        except ApiError as exc:
            return Retry(str(exc)) if exc.retryable else Dead(str(exc))
        except BusyError as exc:
            return Retry(str(exc))
        except ValueError as exc:
            return Dead(str(exc))
        return Done(ref=ref)
