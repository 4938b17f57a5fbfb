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
HOUSEKEEPING: Final = "housekeeping"
SEND_SMS: Final = "send_sms"
SEND_EMAIL: Final = "send_email"
SEND_WHATSAPP: Final = "send_whatsapp"
ASK_CALL_PERMISSION: Final = "ask_call_permission"

MAX_ATTEMPTS: Final = 8
FIRST_GAP_S: Final = 5.0
LONGEST_GAP_S: Final = 3600.0
JITTER: Final = 0.2


class JobState(enum.StrEnum):
    """Where a job stands; the last four are final unless an operator revives it."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    UNKNOWN = "unknown"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be written.

    Attributes:
        kind: Names its handler.
        key: At most 160 characters; a job with the same key is not written twice.
        payload: What the handler needs, as JSON.
        run_at: When it is due; None is at once.
        call_id: The call it belongs to, or empty.
        phone: The person it concerns, E.164, so that it can be erased; or empty.
    """

    kind: str
    key: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    run_at: datetime | None = None
    call_id: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is kept.

    Attributes:
        id: Also the id of what leaves the server for it, where a receiver can tell repetitions.
        attempts: How often it was leased, this time included.
        begun_at: When an attempt came to the point of no return; None when none did.
        ref: The provider's id of what was done.
        result: What its handler returned.
        error: Why it is not done, for the operator; nothing personal.
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


# ---- what a handler answers ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """It is done; ``ref`` is the provider's id of it."""

    result: Mapping[str, Any] = field(default_factory=dict)
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """It did not work and nothing happened: try again, after a growing delay or ``after_s``."""

    why: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Postpone:
    """It is not the time for it: try at ``run_at``, which counts as no attempt.

    Attributes:
        begun: An earlier attempt may have had its effect; the mark stays.
    """

    run_at: datetime
    why: str = ""
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """It cannot be done; an operator must look."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been done and repeating it could do it twice; an operator must look."""

    why: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """There is no reason to do it any more."""

    why: str = ""


JobOutcome = Done | Retry | Postpone | Dead | Unknown | Dropped

Begin = Callable[[], Awaitable[None]]
"""Marks the job as begun; awaited right before the first thing that must not happen twice."""


class JobHandler(Protocol):
    """Does the work of one kind of job."""

    def __call__(self, job: Job, begin: Begin) -> Awaitable[JobOutcome]:
        """Do it; await ``begin`` before the first thing that must not happen twice."""
        ...


def retry_delay_s(attempts: int, jitter: float) -> float:
    """Return how long to wait after so many attempts, in seconds.

    Args:
        attempts: At least 1.
        jitter: In [0, 1); spreads the gap by a fifth either way.
    """
    gap = min(FIRST_GAP_S * 4.0 ** (attempts - 1), LONGEST_GAP_S)
    return gap * (1.0 - JITTER + 2.0 * JITTER * jitter)


def action_key(scope: str, tool: str, args: Mapping[str, Any]) -> str:
    """Return the key of one action: the same for the same scope (a call), tool and arguments."""
    canonical = json.dumps(args, sort_keys=True, ensure_ascii=False, default=str)
    digest = hashlib.sha256(canonical.encode(errors="replace")).hexdigest()[:32]
    return f"{tool}:{scope}:{digest}"
