"""Runs one call: the one task that owns everything it has, from offer to archive.

It opens the model session while the phone still rings, waits for the media stream, carries the
session and writes the last line. Whatever way the call ends (the stream never comes, the carrier
reports it over, a leg breaks, the server stops) is an ending of that one task.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from fwai.calls.call_records import CallRecords
from fwai.calls.fallback import APOLOGY_ONLY
from fwai.calls.limits import SessionLimits
from fwai.calls.live_call import LiveCall, ending
from fwai.calls.pacer import Pacer
from fwai.calls.session import CallSession
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.domain.call import Call, CallEnding, CallState, EndReason
from fwai.domain.events import AgentEvent, AgentLost
from fwai.domain.phone import masked
from fwai.interfaces.calls import CallFallback, Sentences, ToolRunner
from fwai.interfaces.media import AgentLeg, Recorder

HANG_UP_S: Final = 10.0
AGENT_DONE: Final = (EndReason.AGENT_HUNG_UP, EndReason.TRANSFERRED, EndReason.VOICEMAIL)
"""Ends at which nobody needs the agent any more."""

# Begins a recording of a call, given its sample rate in Hz and the loop's time; returns it with its
# file, relative to the recordings' directory, or None when nothing is recorded.
RecorderFor = Callable[[Call, int, float], tuple[Recorder, Path] | None]
OnOver = Callable[[CallSession, CallEnding], None]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CallParts:
    """What every call is built of.

    Attributes:
        agent_for: Makes the agent's leg for a call; not connected yet. It may look things up.
        tools: Runs the tools the model asks for.
        limits: How long things may last.
        recorder_for: Begins a recording, where calls are recorded.
        sentences: What is said without the model.
        fallback: What a caller gets whose agent cannot be brought back.
        on_over: Told of each session that is over, and how its call ended; must not block.
    """

    agent_for: Callable[[Call], Awaitable[AgentLeg]]
    tools: ToolRunner
    limits: SessionLimits
    recorder_for: RecorderFor
    sentences: Sentences
    fallback: CallFallback = APOLOGY_ONLY
    on_over: OnOver | None = None


class CallRunner:
    """Runs calls, each in a task of its own."""

    def __init__(self, parts: CallParts, records: CallRecords, pacer: Pacer) -> None:
        self._parts = parts
        self._records = records
        self._pacer = pacer

    async def run(self, live: LiveCall) -> None:
        """Be the call, from the carrier's first word to the last line of the archive."""
        call = live.call
        structlog.contextvars.clear_contextvars()  # a job that places a call is not the call
        with structlog.contextvars.bound_contextvars(call_id=call.id):
            _log.info(
                "call_offered",
                provider=call.provider,
                direction=call.direction.value,
                caller=masked(call.caller),
                agent=call.agent,
            )
            try:
                agent = await self._parts.agent_for(call)
                async with asyncio.TaskGroup() as tasks:
                    running = tasks.create_task(agent.run(), name="agent")
                    running.add_done_callback(lambda _: _agent_over(live, agent))
                    try:
                        await self._records.open(call, at=live.clock.now())
                        await self._carry(live, agent)
                    finally:
                        agent.close()
            except Exception:  # noqa: BLE001 - one broken call must not touch the others
                _log.exception("call_failed")
                await self._end_broken(live)

    async def _end_broken(self, live: LiveCall) -> None:
        """End a call that broke here, also for whoever waits at the other end of the line."""
        try:
            if live.call.provider_call_id and live.told_state is None:
                await self.hang_up_carrier(live)
        finally:
            # What breaks once a call is over for a reason does not change the reason.
            over = live.session.over if live.session is not None else live.told_reason
            await self._close(live, over or EndReason.INTERNAL_ERROR)

    async def hang_up_carrier(self, live: LiveCall) -> None:
        """End the carrier's call; the media stream is closed whatever comes of it."""
        try:
            async with asyncio.timeout(HANG_UP_S):
                await live.control.hang_up(live.call.provider_call_id)
        except Exception as exc:  # noqa: BLE001 - why the call ended is not changed by it
            _log.warning("hang_up_failed", error=type(exc).__name__)

    async def _carry(self, live: LiveCall, agent: AgentLeg) -> None:
        try:
            async with asyncio.timeout(live.connect_s):
                leg = await live.leg
        except (TimeoutError, asyncio.CancelledError) as exc:
            if isinstance(exc, asyncio.CancelledError) and not live.leg.cancelled():
                raise
            live.leg.cancel()
            await self._never_connected(live)
            return
        _log.info("call_answered", sample_rate=leg.sample_rate)
        await self._records.moved(live.call, CallState.IN_PROGRESS, at=live.clock.now())
        recorder = await self._recorder(live.call, leg.sample_rate)
        live.session = CallSession(
            live.call,
            leg,
            agent,
            self._parts.tools,
            TranscriptWriter(self._records.archive.log(live.call), live.clock.now),
            self._pacer,
            self._parts.limits,
            lambda: self.hang_up_carrier(live),
            recorder,
            self._parts.sentences,
            self._parts.fallback,
        )
        if live.told_state is not None:
            live.session.hang_up(live.told_reason or EndReason.CALLER_HUNG_UP)
        try:
            reason = await live.session.run()
        finally:
            if recorder is not None:
                await self._finish_recording(recorder)
        await self._close(live, reason)

    async def _recorder(self, call: Call, sample_rate: int) -> Recorder | None:
        begun = self._parts.recorder_for(call, sample_rate, asyncio.get_running_loop().time())
        if begun is None:
            return None
        recorder, path = begun
        await self._records.recorded(call, path)
        return recorder

    async def _finish_recording(self, recorder: Recorder) -> None:
        try:
            await recorder.close()
        except Exception as exc:  # noqa: BLE001 - the call is over; how it ended stands
            _log.exception("recording_not_finished", error=type(exc).__name__)

    async def _never_connected(self, live: LiveCall) -> None:
        """The stream never came: give the model session back and say how the call came out."""
        if live.abandoned and live.told_reason is EndReason.NOT_DIALED:
            return
        ended = live.told_reason is EndReason.CALLER_HUNG_UP or live.adopted_elsewhere
        if live.call.provider_call_id and not ended:
            await self.hang_up_carrier(live)
        reason = live.told_reason or EndReason.NEVER_CONNECTED
        known = reason not in (EndReason.CALLER_HUNG_UP, EndReason.NOT_DIALED)
        await self._close(live, reason if known else EndReason.NEVER_CONNECTED)

    async def _close(self, live: LiveCall, reason: EndReason) -> None:
        outcome = replace(ending(live, reason), cause=_cause(live, reason))
        _log.info(
            "call_ended",
            state=outcome.state.value,
            reason=reason.value,
            cause=outcome.cause,
            heard_s=round(outcome.audio_out_s or 0.0, 1),
            turns=len(outcome.latency_ms),
        )
        if not live.adopted_elsewhere:  # what others closed stays as they closed it
            await self._records.ended(live.call, outcome, at=live.clock.now())
        if self._parts.on_over is not None and live.session is not None:
            self._parts.on_over(live.session, outcome)


def _cause(live: LiveCall, reason: EndReason) -> str:
    """Return why a call ended as it did: the agent's trouble, else the carrier's word for it.

    A caller hangs up on an agent that is away, too, and the carrier's word says nothing of that.
    """
    away = live.session.replies.away_cause if live.session is not None else ""
    return live.cause if reason in AGENT_DONE else away or live.cause


def _agent_over(live: LiveCall, agent: AgentLeg) -> None:
    """End a call of ours whose agent was lost before anybody could speak with it.

    Nobody is rung up to hear an apology. Who calls us is answered: the session hears of the loss
    and does what there is to be done for them.
    """
    if live.leg.done() or (live.offered and not live.call.listen_only):
        return
    lost: list[AgentLost] = []

    def hear(event: AgentEvent) -> None:
        if isinstance(event, AgentLost):
            lost.append(event)

    agent.listen(hear)  # what it told while nobody listened
    if lost:
        live.cause = live.cause or lost[0].cause
        live.end(EndReason.AGENT_FAILED, CallState.FAILED)
