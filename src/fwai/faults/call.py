"""Runs one row: a whole call between a simulated caller and a simulated model, in virtual time."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec
from structlog.testing import capture_logs

from fwai.calls.session import CallSession
from fwai.domain.call import EndReason
from fwai.faults import build
from fwai.faults.caller import Caller
from fwai.faults.line import PhoneLine
from fwai.faults.moments import Moments
from fwai.faults.parts import LabFallback, LabLog, LabTools, LabWatch
from fwai.faults.row import Plan, Step
from fwai.faults.sentences import LabSentences
from fwai.faults.tap import AgentTap
from fwai.gemini.agent import GeminiAgent
from fwai.gemini.connection import LiveEndpoint
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.jumping_loop import JumpingLoop
from fwai.simulator.gemini.record import SessionRecord
from fwai.simulator.gemini.scenario import Fault, SessionFault
from fwai.simulator.gemini.server import GeminiLiveSimulator

LONGEST_S: Final = 7_200.0
DIAL_S: Final = 1.0  # the phone rings, and the model's session is opened meanwhile
LEAVE_S: Final = 30.0
UNIX_TIME: Final = 1_800_000_000.0
_CLIPS: Final = ClipLibrary.load()


@dataclass(slots=True)
class CallTrace:
    """Everything that is known of a call that is over.

    Attributes:
        ended: Why it ended; None when it did not.
        broke: What was raised.
        tasks_left: Names of tasks that outlived it.
        logs: What was logged.
    """

    plan: Plan
    line: PhoneLine
    caller: Caller
    tap: AgentTap
    tools: LabTools
    log: LabLog
    fallback: LabFallback
    watch: LabWatch
    moments: Moments
    sessions: Sequence[SessionRecord]
    ended: EndReason | None = None
    broke: str = ""
    tasks_left: tuple[str, ...] = ()
    logs: Sequence[Any] = ()


def run_call(plan: Plan) -> CallTrace:
    """Run one row in a loop of its own whose clock jumps."""
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(grace_s=0.0)) as runner:
        with capture_logs() as logs:
            trace = runner.run(_run(plan))
        trace.logs = logs
        return trace


async def _run(plan: Plan) -> CallTrace:
    row = plan.row
    at_moments = _at_the_service(plan)
    scenario = msgspec.structs.replace(
        build.scenario(),
        faults=(*row.faults, *at_moments),
        pace=row.pace,
        setup_ms=row.setup_ms,
        late_transcript=row.late_transcript,
    )
    async with GeminiLiveSimulator(scenario, clips=_CLIPS) as simulator:
        watch = LabWatch()
        endpoint = LiveEndpoint(simulator.url, "K")
        agent = GeminiAgent(endpoint, build.session_config(blocking=row.blocking), watch)
        line, moments = PhoneLine(), Moments()
        tap = AgentTap(agent, line.now)
        caller = Caller(line, tap, moments, _CLIPS)
        line.ticked = caller.watch
        tools = LabTools(line.now, moments, row.tool_s)
        fallback = LabFallback(row.human, row.voicemail)
        trace = CallTrace(
            plan, line, caller, tap, tools, LabLog(), fallback, watch, moments, simulator.sessions
        )
        before = asyncio.all_tasks()
        await _carry(trace, simulator)
        trace.tasks_left = tuple(sorted(t.get_name() for t in await _left(before)))
    return trace


async def _carry(trace: CallTrace, simulator: GeminiLiveSimulator) -> None:
    """Run the call; what is left of it after a while is cancelled."""
    try:
        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as tasks:
            strikes = tasks.create_task(_strike(trace, simulator), name="lab:strike")
            agent = tasks.create_task(trace.tap.run(), name="lab:agent")
            await asyncio.sleep(DIAL_S)
            trace.line.answered()
            helpers = [strikes, *_start_caller(trace, tasks)]
            trace.moments.happened("start", trace.line.now())
            try:
                trace.ended = await _session(trace).run()
                await asyncio.wait({agent}, timeout=LEAVE_S)
                if not agent.done():
                    trace.broke = "the agent did not end"
            finally:
                await trace.line.close()
                for task in (agent, *helpers):
                    task.cancel()
    except* Exception as group:  # noqa: BLE001 - what broke is the judge's to say
        trace.broke = repr(group.exceptions[0])[:200]


def _start_caller(trace: CallTrace, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    steps = _repeated(trace.plan.steps, trace.plan.row.times)
    return [
        tasks.create_task(trace.line.run(), name="lab:line"),
        tasks.create_task(trace.caller.run(steps), name="lab:caller"),
        tasks.create_task(trace.caller.lose_patience(), name="lab:patience"),
    ]


def _session(trace: CallTrace) -> CallSession:
    loop = asyncio.get_running_loop()
    return build.build_session(
        trace.line,
        trace.tap,
        trace.tools,
        trace.log,
        trace.fallback,
        LabSentences(),
        lambda: UNIX_TIME + loop.time(),
        trace.line.close,
    )


async def _strike(trace: CallTrace, simulator: GeminiLiveSimulator) -> None:
    """Let the hits of a row happen at their moment."""
    state = trace.plan.state
    if state is None or not trace.plan.row.hits:
        return
    await trace.moments.wait(state.on, state.nth)
    await asyncio.sleep(state.ms / 1000)
    for fault in trace.plan.row.hits:
        if fault.kind in get_args(SessionFault):
            simulator.begin(fault)
        elif state.at is None:
            await asyncio.sleep(fault.after_ms / 1000)
            with suppress(LookupError):  # nothing is open that could be hit
                simulator.strike(fault)
    trace.moments.happened("struck", trace.line.now())


def _at_the_service(plan: Plan) -> tuple[Fault, ...]:
    """Return the hits that the service itself must time."""
    state = plan.state
    if state is None or state.at is None:
        return ()
    return tuple(
        msgspec.structs.replace(fault, at=state.at, turn=state.turn, times=1)
        for fault in plan.row.hits
        if fault.kind not in get_args(SessionFault)
    )


def _repeated(steps: Sequence[Step], times: int) -> list[Step]:
    """Return a script whose steps but the last are gone through so often."""
    return [*list(steps[:-1]) * times, *steps[-1:]]


async def _left(before: Iterable[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Return the tasks of the call that still run a second after it."""
    await asyncio.sleep(1.0)
    own = {task for task in asyncio.all_tasks() if not _of_simulator(task)}
    return own - set(before) - {asyncio.current_task()}


def _of_simulator(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    where = "" if code is None else code.co_filename
    return "simulator" in where or "websockets" in where
