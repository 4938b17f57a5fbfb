"""A wall clock that is set while something waits, rings, runs or is held: nothing minds.

Each case sets the clock by each of `STEPS_S` in the middle of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

import virtual_time
from fakes import (
    CALL,
    HANG_UP,
    FakeAgent,
    FakeArchive,
    FakeCaller,
    FakeControl,
    FakeTools,
    admits,
)
from fwai.adapters.whatsapp.token import AppKeys, TokenManager
from fwai.audio.pcm import silence
from fwai.calls.dial_slots import DialLimits
from fwai.calls.dialer import EVIDENCE_S, Dialer
from fwai.calls.limits import SessionLimits
from fwai.calls.manager import CallManager
from fwai.calls.placing import STREAM_S
from fwai.domain.api_key import ApiKey, Role
from fwai.domain.call import Call, CallEnding, CallId, CallOffer, CallState, Direction, EndReason
from fwai.domain.events import (
    AgentAudio,
    AgentEvent,
    AgentSaid,
    CallerAudio,
    CallerEvent,
    CallerSaid,
    GenerationEnded,
    TurnEnded,
)
from fwai.domain.hours import CallingHours
from fwai.domain.idempotency import Claim
from fwai.domain.job import Done, Job, JobOutcome, NewJob, Postpone
from fwai.domain.outbound import DialRules
from fwai.http.access import Access
from fwai.jobs.message_sender import EVIDENCE_S as REPORT_S
from fwai.jobs.message_sender import MessageSender
from fwai.jobs.signals import JobSignals
from fwai.jobs.submission import JobSubmission
from fwai.jobs.worker import LONGEST_SLEEP_S, Worker
from fwai.web.idempotency import ABANDONED, Idempotency
from two_clocks import STEPS_S, TwoClocks
from unit.calls.test_dialer import KOLKATA, Phones
from unit.jobs.kit import PHONE, Begin, Begun, MemoryJobs, a_job, no_mark

DAY_S = 86_400.0
every_step = pytest.mark.parametrize("step_s", STEPS_S)


# ---- jobs that wait -----------------------------------------------------------------------------


@every_step
@pytest.mark.parametrize("before", [True, False])
def test_a_job_comes_within_a_minute_of_its_time(step_s: float, before: bool) -> None:
    """It is for a time of day, two hours ahead; the clock is set before or after it is written."""

    async def main() -> None:
        def clock() -> datetime:
            return datetime.now(UTC)

        ran: list[datetime] = []

        async def handle(job: Job, begin: Begin) -> JobOutcome:
            ran.append(clock())
            return Done()

        jobs, signals = MemoryJobs(clock), JobSignals()
        jobs.on_new = signals.written
        worker = Worker(jobs, {"sms": handle}, signals)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run())
            await asyncio.sleep(1000)
            if before:
                virtual_time.set_wall_clock(step_s)
            due = clock() + timedelta(hours=2)
            await jobs.enqueue(NewJob("sms", "a", run_at=due))
            await asyncio.sleep(100)
            if not before:
                virtual_time.set_wall_clock(step_s)
            left_s = (due - clock()).total_seconds()
            await asyncio.sleep(max(left_s, 0.0) + LONGEST_SLEEP_S + 1)
            worker.stop()
        assert len(ran) == 1
        assert ran[0] >= due
        assert left_s < 0 or ran[0] - due < timedelta(seconds=1)

    virtual_time.run(main())


@every_step
def test_work_for_now_is_begun_at_once_however_far_the_clock_was_set(step_s: float) -> None:
    async def main() -> None:
        ran = asyncio.Event()

        async def handle(job: Job, begin: Begin) -> JobOutcome:
            ran.set()
            return Done()

        jobs, signals = MemoryJobs(lambda: datetime.now(UTC)), JobSignals()
        jobs.on_new = signals.written
        worker = Worker(jobs, {"sms": handle}, signals)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run())
            await asyncio.sleep(10)
            virtual_time.set_wall_clock(step_s)
            await jobs.enqueue(NewJob("sms", "a"))
            async with asyncio.timeout(0.5):
                await ran.wait()
            worker.stop()

    virtual_time.run(main())


# ---- what must not be done twice ----------------------------------------------------------------


async def answered_after(
    clocks: TwoClocks, ask: Callable[[], Awaitable[JobOutcome]], *, most: int = 200
) -> tuple[JobOutcome | None, float]:
    """Ask whenever it says, at least each minute, until it is not put off any more."""
    began = clocks.steady_s
    for _ in range(most):
        outcome = await ask()
        if not isinstance(outcome, Postpone):
            return outcome, clocks.steady_s - began
        clocks.go_on(min(max((outcome.run_at - clocks()).total_seconds(), 0.001), 60.0))
    raise AssertionError("put off for ever")


@every_step
@pytest.mark.parametrize("whose", ["ours", "of a process before"])
async def test_a_message_is_not_sent_again_before_its_report_had_its_time(
    step_s: float, whose: str
) -> None:
    clocks, sent = TwoClocks(), list[str]()

    async def send(job: Job) -> str:
        sent.append(job.id)
        return "m-1"

    begun_at = clocks()
    if whose != "ours":
        clocks.go_on(3600)
    sender = MessageSender(send, clock=clocks, wall=clocks.wall)
    clocks.go_on(20)
    job = a_job(begun_at=begun_at)
    assert isinstance(await sender(job, no_mark), Postpone)
    clocks.set_wall(step_s)

    outcome, waited_s = await answered_after(clocks, lambda: sender(job, no_mark))

    assert outcome == Done(ref="m-1")
    assert len(sent) == 1
    assert waited_s == pytest.approx(REPORT_S - 20, abs=1.0)


RULES = DialRules({"plivo": "+918888800000"}, ("a",), CallingHours.parse("00:00-24:00"), KOLKATA)


class Desk:
    """A dialer on clocks that can be set."""

    def __init__(self, **limits: float) -> None:
        self.clocks = TwoClocks()
        self.archive = FakeArchive()
        self.phones = Phones()
        self.dialer = Dialer(
            RULES,
            DialLimits(**limits),  # type: ignore[arg-type]
            {"plivo": SimpleNamespace()},
            self.archive,
            self.phones,
            self,
            clock=self.clocks,
            wall=self.clocks.wall,
        )

    async def do_not_call(self, phone: str) -> bool:
        return False

    def keep(self, call_id: str, state: CallState = CallState.QUEUED) -> None:
        call = replace(CALL, id=CallId(call_id), direction=Direction.OUTBOUND, provider_call_id="")
        self.archive.calls[call.id], self.archive.states[call.id] = call, state

    async def dial(self, call_id: str, **facts: object) -> JobOutcome:
        job = a_job("dial", id=f"job-{call_id}", payload={"call_id": call_id}, **facts)
        return await self.dialer.dial(job, Begun())


@every_step
async def test_a_call_is_not_dialled_again_while_it_may_ring(step_s: float) -> None:
    desk = Desk()
    desk.keep("c-1", CallState.DIALING)
    begun_at = desk.clocks()
    desk.clocks.go_on(20)
    assert isinstance(await desk.dial("c-1", begun_at=begun_at), Postpone)
    desk.clocks.set_wall(step_s)

    outcome, waited_s = await answered_after(
        desk.clocks, lambda: desk.dial("c-1", begun_at=begun_at)
    )

    assert outcome == Done(ref="p-1")
    assert len(desk.phones.orders) == 1
    assert waited_s == pytest.approx(EVIDENCE_S - 20, abs=1.0)


@every_step
async def test_a_slot_comes_in_its_time(step_s: float) -> None:
    desk = Desk(per_second=0.05)
    for number in range(3):
        desk.keep(f"c-{number}")
    await desk.dial("c-0")
    desk.clocks.go_on(5)
    desk.clocks.set_wall(step_s)

    _, waited_s = await answered_after(desk.clocks, lambda: desk.dial("c-1"))
    _, then_s = await answered_after(desk.clocks, lambda: desk.dial("c-2"))

    assert [waited_s, then_s] == pytest.approx([15.0, 20.0], abs=1.0)


@every_step
async def test_a_request_that_another_works_on_is_not_done_a_second_time(step_s: float) -> None:
    clocks = TwoClocks()
    claim = Claim("req_1", mine=False, same=True, claimed_at=clocks())
    house = Idempotency(SimpleNamespace(), clocks, clocks.wall)
    clocks.go_on(10)
    clocks.set_wall(step_s)

    assert not house._may_take_over(claim)
    clocks.go_on(ABANDONED.total_seconds() - 15)
    assert not house._may_take_over(claim)
    clocks.go_on(7)
    assert house._may_take_over(claim), "whoever worked on it is gone"


@every_step
async def test_a_day_is_a_day_for_its_limits(step_s: float) -> None:
    """Whoever got as many messages as may gets none because the clock was set."""
    clocks = TwoClocks()
    jobs = MemoryJobs(clocks)
    submission = JobSubmission(jobs, JobSignals(), clocks.wall)
    await jobs.enqueue(NewJob("send_sms", "a", phone=PHONE, call_id="c-1"))
    jobs.callers["c-1"] = PHONE
    clocks.go_on(3600)
    clocks.set_wall(step_s)

    assert await submission.count_for_recipient("send_sms", PHONE) == 1
    assert await submission.count_for_caller("send_sms", PHONE) == 1
    clocks.go_on(42 * DAY_S)
    assert await submission.count_for_recipient("send_sms", PHONE) == 0


# ---- what is held -------------------------------------------------------------------------------


@every_step
def test_a_session_of_the_console_lasts(step_s: float) -> None:
    clocks = TwoClocks()
    key = ApiKey("desk", Role.ADMIN, "key")
    access = Access(
        (key,),
        loopback=False,
        secure_cookies=True,
        clock=lambda: clocks.wall_s,
        wall=clocks.wall,
    )
    cookie = access._cookie("name", access._known[0]).partition(";")[0].partition("=")[2]
    clocks.go_on(60)
    clocks.set_wall(step_s)

    session = access._session(cookie)
    assert session is not None
    assert session[0] == "name"
    clocks.go_on(42 * DAY_S)
    assert access._session(cookie) is None


@every_step
def test_a_token_is_renewed_no_sooner_and_no_later(step_s: float, tmp_path: Path) -> None:
    asked: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(asyncio.get_running_loop().time())
        return httpx.Response(500)

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            import time

            keys = AppKeys("app", "secret")
            tokens = TokenManager(http, "given", keys, tmp_path / "t.json", time.time)
            assert await tokens.renew("given") is None
            virtual_time.set_wall_clock(step_s)
            await asyncio.sleep(30)
            assert await tokens.renew("given") is None
            await asyncio.sleep(31)
            assert await tokens.renew("given") is None

    virtual_time.run(main())
    assert len(asked) == 2
    assert asked[1] - asked[0] == pytest.approx(61.0)


# ---- calls --------------------------------------------------------------------------------------


class Kept(FakeArchive):
    """Remembers when everything was."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[tuple[str, float]] = []

    async def open(self, call: Call, state: CallState, at: float) -> None:
        self.times.append((state.value, at))
        await super().open(call, state, at)

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        self.times.append((state.value, at))
        return await super().set_state(call_id, state, at)

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        self.times.append(("ended", at))
        return await super().end(call, ending, at)

    def log(self, call: Call) -> "Lines":  # type: ignore[override]
        return self.logs.setdefault(call.id, Lines(self))  # type: ignore[return-value, arg-type]


class Lines:
    """A call's log that remembers when each line was."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def caller_said(self, text: str, at: float, turn: int) -> None:
        self._kept.times.append(("caller", at))

    def agent_said(self, text: str, at: float, turn: int, *, interrupted: bool = False) -> None:
        self._kept.times.append(("agent", at))

    def tool_finished(self, request: object, result: object, at: float, elapsed_ms: float) -> None:
        self._kept.times.append(("tool", at))

    def note(self, what: str, at: float, **facts: object) -> None:
        self._kept.times.append((what, at))


# As loud as speech, and as uneven.
SECOND = AgentAudio(b"".join((b"\x00\x20" * 480, b"\x00\x08" * 480)[at % 2] for at in range(50)))


def conversation() -> Sequence[tuple[float, AgentEvent]]:
    events: list[tuple[float, AgentEvent]] = []
    for number in range(6):
        at = 2.0 + 8 * number
        events += [
            (at, CallerSaid(f"question {number}")),
            (at + 1, AgentSaid(f"answer {number}")),
            (at + 1, SECOND),
            (at + 2, GenerationEnded()),
            (at + 2, TurnEnded()),
        ]
    return events


def sound(seconds: int) -> list[tuple[float, CallerEvent]]:
    return [(0.5 * number, CallerAudio(silence(500, 8000))) for number in range(2 * seconds)]


async def manager_with(archive: FakeArchive, tasks: asyncio.TaskGroup) -> CallManager:
    async def agent_for(call: Call) -> FakeAgent:
        return FakeAgent(conversation())

    calls = CallManager(
        agent_for=agent_for,
        agent_id_for=lambda _: "FWAI_Core",
        tools=FakeTools(),
        archive=archive,
        limits=SessionLimits(max_call_s=600),
        max_calls=5,
        recorder_for=lambda *_: None,
    )
    ready = asyncio.Event()
    tasks.create_task(calls.run(ready))
    await ready.wait()
    return calls


INBOUND = CallOffer("plivo", "carrier-1", Direction.INBOUND, CALL.caller, CALL.line)


@every_step
def test_a_live_call_goes_on_and_its_times_tell_what_happened(step_s: float) -> None:
    archive = Kept()

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            calls = await manager_with(archive, tasks)
            ticket = await calls.offer(INBOUND, FakeControl())
            assert ticket is not None
            loop = asyncio.get_running_loop()
            loop.call_later(20, virtual_time.set_wall_clock, step_s)
            caller = FakeCaller([*sound(60), (60.0, HANG_UP)])
            assert await calls.carry(ticket.token, "carrier-1", caller)
            calls.stop()

    virtual_time.run(main())
    (ending,) = archive.endings.values()
    assert (ending.state, ending.reason) == (CallState.COMPLETED, EndReason.CALLER_HUNG_UP)
    stamps = dict(archive.times)
    assert stamps["ended"] - stamps["in_progress"] == pytest.approx(60.0, abs=1.0)
    assert [at for _, at in archive.times] == sorted(at for _, at in archive.times)
    assert {"caller", "agent"} <= stamps.keys()


@every_step
def test_a_ringing_call_rings_as_long_and_its_token_lives_as_long(step_s: float) -> None:
    archive = Kept()

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            calls = await manager_with(archive, tasks)
            ticket = await calls.offer(INBOUND, FakeControl())
            assert ticket is not None
            await asyncio.sleep(5)
            virtual_time.set_wall_clock(step_s)
            await asyncio.sleep(STREAM_S - 6)
            assert admits(calls, ticket.token)
            assert archive.endings == {}
            await asyncio.sleep(2)
            assert not admits(calls, ticket.token)
            calls.stop()

    virtual_time.run(main())
    (ending,) = archive.endings.values()
    assert ending.reason is EndReason.NEVER_CONNECTED


@every_step
def test_a_call_still_has_its_time_limit(step_s: float) -> None:
    archive = Kept()

    async def main() -> float:
        async with asyncio.TaskGroup() as tasks:
            calls = await manager_with(archive, tasks)
            ticket = await calls.offer(INBOUND, FakeControl())
            assert ticket is not None
            loop = asyncio.get_running_loop()
            began = loop.time()
            loop.call_later(20, virtual_time.set_wall_clock, step_s)
            with suppress(TimeoutError):
                await calls.carry(ticket.token, "carrier-1", FakeCaller(speech(700)))
            calls.stop()
            return loop.time() - began

    assert virtual_time.run(main()) == pytest.approx(600.0, abs=5.0)
    (ending,) = archive.endings.values()
    assert ending.reason is EndReason.TIME_LIMIT


def speech(seconds: int) -> list[tuple[float, CallerEvent]]:
    """Return sound that keeps a call from falling silent."""
    loud = b"\x00\x40\x00\xc0" * 2000
    return [(0.5 * number, CallerAudio(loud)) for number in range(2 * seconds)]
