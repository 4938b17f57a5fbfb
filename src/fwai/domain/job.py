"""Background jobs: kinds, states, outcomes, and the type of their handlers.

Theory of operation. A job is a row, written in the transaction of what caused it; its key makes a
second one of the same kind impossible. A worker leases due jobs; when the lease runs out, as after
a crash, the job is due again. A handler whose work cannot be repeated without harm marks the moment
before it (``begun_at``): a job that is leased again with that mark may have had its effect already,
and its handler must look for evidence before it acts.
"""

import enum
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

# ---- kinds: each names the handler of its jobs; they stand in the database ----------------------

DIAL: Final = "dial"
WATCH_CALL: Final = "watch_call"
CALLBACK: Final = "callback"
FOLLOW_UP: Final = "follow"
SUMMARY: Final = "summary"
EVENT: Final = "event"
HANG_UP: Final = "hang_up"
HOUSEKEEPING: Final = "housekeeping"
SEND_SMS: Final = "send_sms"
SEND_EMAIL: Final = "send_email"
SEND_WHATSAPP: Final = "send_whatsapp"
REPLACE_WHATSAPP: Final = "replace_whatsapp"
"""Sends the template in place of a text that WhatsApp refused: part of one message, not another."""
ASK_CALL_PERMISSION: Final = "ask_call_permission"

MAX_ATTEMPTS: Final = 8
FIRST_GAP_S: Final = 5.0
LONGEST_GAP_S: Final = 3600.0
JITTER: Final = 0.2


class JobState(enum.StrEnum):
    """State of a job; the last four are final unless an operator revives it."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    UNKNOWN = "unknown"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether the job is not run again by itself."""
        return self not in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to enqueue.

    Attributes:
        kind: Names its handler.
        key: At most 160 characters; a job with the same key is not written twice.
        payload: What the handler needs, as JSON.
        run_at: When it is due; None is at once.
        call_id: The call it belongs to, or empty.
        phone: The person it concerns, E.164, so that it can be erased; or empty.
        confirmation: What was said when a recipient was confirmed whom a caller had dictated; empty
            where no words are kept, None when nobody was dictated.
    """

    kind: str
    key: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    run_at: datetime | None = None
    call_id: str = ""
    phone: str = ""
    confirmation: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A stored job.

    Attributes:
        id: Also the message id that its receiver gets, to recognise retries.
        attempts: How often it was leased, this time included.
        begun_at: When an attempt reached the effect that must not happen twice; None when none did.
        ref: The provider's id of what was done.
        result: What its handler returned.
        error: Why it is not done, for the operator; nothing personal.
        confirmation: As it was given.
    """

    id: str
    kind: str
    key: str
    payload: Mapping[str, Any]
    state: JobState
    run_at: datetime
    attempts: int
    created_at: datetime
    begun_at: datetime | None = None
    finished_at: datetime | None = None
    call_id: str = ""
    phone: str = ""
    ref: str = ""
    result: Mapping[str, Any] | None = None
    error: str | None = None
    confirmation: Mapping[str, str] | None = None


# ---- outcomes that a handler returns ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """The job succeeded; ``ref`` is the provider's id of its effect."""

    result: Mapping[str, Any] = field(default_factory=dict)
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempt failed without effect: retry with backoff or after ``after_s``."""

    why: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Postpone:
    """The job is not due yet: run it at ``run_at``; this counts as no attempt.

    Attributes:
        begun: An earlier attempt may have had its effect; the mark stays.
    """

    run_at: datetime
    why: str = ""
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """The job failed for good; an operator must look."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The job's effect is unknown and a retry could repeat it; an operator must look."""

    why: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """The job is obsolete."""

    why: str = ""


JobOutcome = Done | Retry | Postpone | Dead | Unknown | Dropped

Begin = Callable[[], Awaitable[None]]
"""Marks the job as begun; awaited right before the first thing that must not happen twice."""


class JobHandler(Protocol):
    """Runs the jobs of one kind."""

    def __call__(self, job: Job, begin: Begin) -> Awaitable[JobOutcome]:
        """Run the job; await ``begin`` before the first effect that must not happen twice."""
        ...


def retry_delay_s(attempts: int, jitter: float) -> float:
    """Return the exponential backoff after so many attempts, in seconds.

    Args:
        attempts: At least 1.
        jitter: In [0, 1); spreads the delay by a fifth either way.
    """
    gap = min(FIRST_GAP_S * 4.0 ** (attempts - 1), LONGEST_GAP_S)
    return gap * (1.0 - JITTER + 2.0 * JITTER * jitter)


def action_key(scope: str, tool: str, args: Mapping[str, Any]) -> str:
    """Build the key of an action: the same for the same scope (a call), tool and arguments."""
    canonical = json.dumps(args, sort_keys=True, ensure_ascii=False, default=str)
    digest = hashlib.sha256(canonical.encode(errors="replace")).hexdigest()[:32]
    return f"{tool}:{scope}:{digest}"
