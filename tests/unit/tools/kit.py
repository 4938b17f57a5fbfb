"""What a tool needs around it in a test."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from fakes import CALL
from fwai.domain.call import Call, EndReason
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.job import Job, JobState, NewJob
from fwai.domain.read_back import Confirmation, ReadBack
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Tool
from fwai.tools.registry import ToolRegistry

INDIA = ZoneInfo("Asia/Kolkata")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=INDIA)  # a Sunday, noon
PHONE = CALL.caller
OTHER = "+919999900009"
CONFIRMED = Confirmation("Nine nine, right?", "Yes.")

Before = Callable[[], Awaitable[bool]]


@dataclass
class Actions:
    """A live call: counts uses, and remembers that it was told to end.

    Attributes:
        heard: Every recipient was named before, read back and answered; else each is from its
            second naming on.
        asked: The recipients that were named.
    """

    goodbye_said: bool = True
    finished: list[EndReason] = field(default_factory=list)
    before: Before | None = None
    uses: dict[str, int] = field(default_factory=dict)
    heard: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    def finish(self, reason: EndReason, before: Before | None = None) -> bool:
        self.finished.append(reason)
        self.before = before
        return self.goodbye_said

    async def confirm(self, kind: str, recipient: str) -> Confirmation | ReadBack:
        self.asked.append((kind, recipient))
        first = not self.heard and self.asked.count((kind, recipient)) == 1
        return ReadBack.NAMED if first else CONFIRMED

    def allow(self, what: str, limit: int) -> bool:
        self.uses[what] = self.uses.get(what, 0) + 1
        return self.uses[what] <= limit


@dataclass
class JobSubmission:
    """A worker that settles every job at once, as it is told."""

    state: JobState = JobState.DONE
    before: int = 0
    wishes: dict[str, int] = field(default_factory=dict)  # jobs of earlier calls, by caller
    error: Exception | None = None
    jobs: dict[str, Job] = field(default_factory=dict)

    async def submit(self, new: NewJob, within_s: float) -> Job:
        assert 0.0 < within_s < 8.0, "a tool may not wait longer than it has time"
        assert len(new.key) <= 160
        if self.error is not None:
            raise self.error
        number = len(self.jobs) + 1
        job = Job(
            id=f"job_{number}",
            kind=new.kind,
            key=new.key,
            payload=new.payload,
            state=self.state,
            run_at=NOW,
            attempts=1,
            created_at=NOW,
            call_id=new.call_id,
            phone=new.phone,
            confirmation=new.confirmation,
            ref=f"m-{number}" if self.state is JobState.DONE else "",
        )
        return self.jobs.setdefault(new.key, job)

    async def count_for_recipient(self, kind: str, phone: str) -> int:
        assert phone, "people without a number are not one person"
        mine = [job for job in self.jobs.values() if (job.kind, job.phone) == (kind, phone)]
        return self.before + len(mine)

    async def count_for_caller(self, kind: str, caller: str) -> int:
        return self.wishes.get(caller, 0)

    @property
    def payloads(self) -> list[Mapping[str, Any]]:
        return [job.payload for job in self.jobs.values()]


@dataclass
class Announced:
    """Takes news and makes a job of each."""

    news: list[tuple[str, str, Mapping[str, Any], Call | None]] = field(default_factory=list)

    def __call__(
        self, kind: str, key: str, data: Mapping[str, Any], call: Call | None
    ) -> list[NewJob]:
        self.news.append((kind, key, data, call))
        return [NewJob("event", f"event:{kind}:{key}:0")]


@dataclass
class Quotas:
    """The server's limits: of each name what is left, and everything that was taken."""

    left: dict[str, int] = field(default_factory=dict)
    taken: list[tuple[str, str, str]] = field(default_factory=list)
    given_back: list[str] = field(default_factory=list)

    async def take(self, name: str, recipient: str = "", asked_by: str = "") -> str:
        if self.left.get(name, 1) <= 0:
            return f"things called {name}"
        self.left[name] = self.left.get(name, 1_000) - 1
        self.taken.append((name, recipient, asked_by))
        return ""

    async def give_back(self, name: str) -> None:
        self.given_back.append(name)


async def run(
    tool: Tool[Any],
    args: Mapping[str, Any] | None = None,
    *,
    actions: Actions | None = None,
    caller: str = CALL.caller,
    name: str = "",
    call: Call = CALL,
) -> ToolResult:
    """Let the model use ``tool`` in a live call, by default one with everything read back."""
    request = ToolCall("id-1", name or tool.name, args or {})
    return await ToolRegistry([tool]).run(
        request, replace(call, caller=caller), actions or Actions(heard=True)
    )


async def use(
    tool: Tool[Any],
    args: Mapping[str, Any] | None = None,
    *,
    to: str = PHONE,
    scope: str = "request-1",
    call: Call | None = None,
) -> ToolResult:
    """Let an operator use ``tool``, without a live call."""
    context = ToolContext(to, scope, call, None, trusted=True)
    return await ToolRegistry([tool]).use(tool.name, args or {}, context)


def noon() -> datetime:
    """Return the present of these tests, as a server's clock gives it."""
    return NOW.astimezone(UTC)


class NoArgs(BaseModel):
    pass
