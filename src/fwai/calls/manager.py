"""All calls of this process: who is admitted, who owns what, and that nothing is left behind.

One task per call, from the carrier's first word to the last line of the archive, owns everything
the call has: the model session (open while the phone still rings), the stream's token, the
session, the recording. Whatever way the call ends (the stream never comes, the carrier reports it
over, a leg breaks, the server stops) is an ending of that one task.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from fwai.calls.capacity import Capacity
from fwai.calls.limits import SessionLimits
from fwai.calls.pacer import Pacer
from fwai.calls.session import CallSession
from fwai.calls.story import Story
from fwai.calls.stream_tokens import StreamTokens
from fwai.domain.call import (
    Call,
    CallEnding,
    CallId,
    CallOffer,
    CallState,
    Direction,
    EndReason,
    StreamTicket,
)
from fwai.domain.phone import masked
from fwai.errors import ApiError, BusyError, StoreError
from fwai.interfaces import AgentLeg, CallArchive, CallControl, CallerLeg, Recorder, ToolRunner

STREAM_S: Final = 30.0  # from the answer to the stream
HANG_UP_S: Final = 10.0

_log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _LiveCall:
    """A call that is not over yet.

    Attributes:
        leg: Resolved with the caller's leg once the stream is open.
        over: Set when the task that owns the call has done everything.
    """

    call: Call
    control: CallControl
    agent: AgentLeg
    leg: asyncio.Future[CallerLeg]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    session: CallSession | None = None
    told_state: CallState | None = None


class CallManager:
    """Carries calls. Implements ``CallHandler``.

    Args:
        agent_for: Makes the agent's leg for a call; not connected yet.
        agent_id_for: Chooses the agent for a line of ours.
        most_calls: Fixed number of simultaneous calls, or None to go by what is measured.
        recorder_for: Opens a recording for a call, its sample rate in Hz and the loop's time.
        on_idle: Called when the last call is over; must not block.
    """

    def __init__(
        self,
        agent_for: Callable[[Call], AgentLeg],
        agent_id_for: Callable[[str], str],
        tools: ToolRunner,
        archive: CallArchive,
        limits: SessionLimits,
        most_calls: int | None,
        recorder_for: Callable[[Call, int, float], Awaitable[Recorder | None]],
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._agent_for = agent_for
        self._agent_id_for = agent_id_for
        self._tools = tools
        self._archive = archive
        self._limits = limits
        self._recorder_for = recorder_for
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer()
        self._capacity = Capacity(most_calls, lambda: self._pacer.lag_s)
        self._tokens = StreamTokens(self._loop.time)
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()
        self._live: dict[CallId, _LiveCall] = {}
        self._by_provider: dict[tuple[str, str], _LiveCall] = {}
        self.draining = False
        self.on_over: Callable[[CallSession, CallEnding], None] | None = None

    # ---- the process's side ---------------------------------------------------------------------

    @property
    def active(self) -> int:
        """How many calls are not over."""
        return len(self._live)

    @property
    def refusal(self) -> str | None:
        """Why no further call is admitted now; None when one is."""
        if self._group is None or self.draining:
            return "draining"
        return self._capacity.refusal(len(self._live))

    async def run(self, ready: asyncio.Event) -> None:
        """Own all calls until `stop`; then end those that are left and return."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            ready.set()
            await self._stop.wait()
            self._group = None
            for live in list(self._live.values()):
                self._end(live, EndReason.SERVER_STOPPED, CallState.FAILED)

    def drain(self) -> None:
        """Admit no further call; those that run go on."""
        self.draining = True

    def stop(self) -> None:
        """End all calls and let `run` return."""
        self.draining = True
        self._stop.set()

    def hang_up(self, call_id: CallId) -> bool:
        """End a live call for the operator; False when there is none of that id."""
        live = self._live.get(call_id)
        if live is None:
            return False
        self._end(live, EndReason.OPERATOR, CallState.CANCELED)
        return True

    # ---- CallHandler ----------------------------------------------------------------------------

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        """Prepare the agent's side of a call and admit one stream."""
        key = (offer.provider, offer.provider_call_id)
        live = self._by_provider.get(key)
        if live is None:
            if await self._was_here(*key):
                return None  # and is over: a replayed request opens nothing
            live = self._by_provider.get(key) or self._begin(offer, control)
        elif live.leg.done() or live.told_state is not None:
            return None
        token = self._tokens.mint(live.call.id, offer.provider_call_id)
        return StreamTicket(live.call.id, token)

    def admits(self, token: str) -> bool:
        """Whether a stream with this token may be accepted at all."""
        return self._tokens.good(token)

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        """Run the call whose stream is open to its end."""
        call_id = self._tokens.redeem(token, provider_call_id)
        live = self._live.get(call_id) if call_id is not None else None
        if live is None or live.leg.done():
            return False
        live.leg.set_result(leg)
        await live.over.wait()
        return True

    async def ended(
        self, provider: str, provider_call_id: str, state: CallState, cause: str = ""
    ) -> None:
        """The provider says that the call is over."""
        live = self._by_provider.get((provider, provider_call_id))
        if live is None or live.told_state is not None:
            return
        with structlog.contextvars.bound_contextvars(call_id=live.call.id):
            _log.info("carrier_reported_end", state=state.value, cause=cause)
        live.told_state = state
        self._end(live, EndReason.CALLER_HUNG_UP, state)

    # ---- one call -------------------------------------------------------------------------------

    async def _was_here(self, provider: str, provider_call_id: str) -> bool:
        try:
            return await self._archive.state_of(provider, provider_call_id) is not None
        except StoreError as exc:
            _log.error("call_not_looked_up", error=str(exc))
            return False  # a sick disk must not silence the phone

    def _begin(self, offer: CallOffer, control: CallControl) -> _LiveCall:
        refusal = self.refusal
        if refusal is not None or self._group is None:
            raise BusyError(refusal or "stopped")
        call = Call(
            id=CallId(f"{time.strftime('%Y%m%d')}-{secrets.token_hex(8)}"),
            provider=offer.provider,
            direction=offer.direction,
            caller=offer.caller,
            line=offer.line,
            agent=self._agent_id_for(offer.line),
            provider_call_id=offer.provider_call_id,
            listen_only=offer.listen_only,
        )
        live = _LiveCall(call, control, self._agent_for(call), self._loop.create_future())
        self._live[call.id] = live
        self._by_provider[(offer.provider, offer.provider_call_id)] = live
        self._group.create_task(self._own(live), name=f"call:{call.id}")
        return live

    def _end(self, live: _LiveCall, reason: EndReason, state: CallState) -> None:
        """Make the call's task end the call, wherever it stands."""
        if live.told_state is None:
            live.told_state = state
        if live.session is not None:
            live.session.hang_up(reason)
        elif not live.leg.done():
            live.leg.cancel()

    async def _own(self, live: _LiveCall) -> None:
        """Be the call, from the carrier's first word to the last line of the archive."""
        call = live.call
        with structlog.contextvars.bound_contextvars(call_id=call.id):
            _log.info(
                "call_offered",
                provider=call.provider,
                direction=call.direction.value,
                caller=masked(call.caller),
                agent=call.agent,
            )
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(live.agent.run(), name="agent")
                    try:
                        await self._open(call)
                        await self._carry(live)
                    finally:
                        live.agent.close()
            except Exception:  # noqa: BLE001 - one broken call must not touch the others
                _log.exception("call_failed")
                await self._close(live, EndReason.INTERNAL_ERROR)
            finally:
                self._tokens.revoke(call.id)
                self._live.pop(call.id, None)
                self._by_provider.pop((call.provider, call.provider_call_id), None)
                live.over.set()
                if not self._live:
                    self._on_idle()

    async def _open(self, call: Call) -> None:
        direction_state = (
            CallState.RINGING if call.direction is Direction.INBOUND else CallState.DIALING
        )
        try:
            await self._archive.open(call, direction_state, time.time())
        except StoreError as exc:
            # A full disk must not silence the phone.
            _log.error("call_not_archived", error=str(exc))

    async def _carry(self, live: _LiveCall) -> None:
        try:
            async with asyncio.timeout(STREAM_S):
                leg = await live.leg
        except (TimeoutError, asyncio.CancelledError) as exc:
            if isinstance(exc, asyncio.CancelledError) and not live.leg.cancelled():
                raise
            live.leg.cancel()
            await self._never_connected(live)
            return
        _log.info("call_answered", sample_rate=leg.sample_rate)
        await self._set_state(live.call, CallState.IN_PROGRESS)
        recorder = await self._recorder(live.call, leg.sample_rate)
        live.session = CallSession(
            live.call,
            leg,
            live.agent,
            self._tools,
            Story(self._archive.log(live.call)),
            self._pacer,
            self._limits,
            lambda: self._hang_up_carrier(live),
            recorder,
        )
        if live.told_state is not None:
            live.session.hang_up(EndReason.CALLER_HUNG_UP)
        try:
            reason = await live.session.run()
        finally:
            if recorder is not None:
                await recorder.close()
        await self._close(live, reason)

    async def _recorder(self, call: Call, sample_rate: int) -> Recorder | None:
        try:
            return await self._recorder_for(call, sample_rate, self._loop.time())
        except StoreError as exc:
            _log.error("call_not_recorded", error=str(exc))
            return None

    async def _never_connected(self, live: _LiveCall) -> None:
        """The stream never came: give the model session back and say how the call came out."""
        await self._hang_up_carrier(live)
        await self._close(live, EndReason.NEVER_CONNECTED)

    async def _close(self, live: _LiveCall, reason: EndReason) -> None:
        ending = _ending(live, reason)
        _log.info(
            "call_ended",
            state=ending.state.value,
            reason=reason.value,
            heard_s=round(ending.audio_out_s, 1),
            turns=len(ending.latency_ms),
        )
        try:
            await self._archive.end(live.call, ending, time.time())
        except StoreError as exc:
            _log.error("call_not_archived", error=str(exc))
        if self.on_over is not None and live.session is not None:
            self.on_over(live.session, ending)

    async def _set_state(self, call: Call, state: CallState) -> None:
        try:
            await self._archive.set_state(call.id, state, time.time())
        except StoreError as exc:
            _log.error("call_not_archived", error=str(exc))

    async def _hang_up_carrier(self, live: _LiveCall) -> None:
        """End the carrier's call; the media stream is closed whatever comes of it."""
        try:
            async with asyncio.timeout(HANG_UP_S):
                await live.control.hang_up(live.call.provider_call_id)
        except (ApiError, TimeoutError) as exc:
            _log.warning("hang_up_failed", error=type(exc).__name__)


def _ending(live: _LiveCall, reason: EndReason) -> CallEnding:
    session = live.session
    if session is None:
        state = live.told_state or CallState.FAILED
        return CallEnding(CallState.NO_ANSWER if state is CallState.COMPLETED else state, reason)
    broken = reason in (
        EndReason.INTERNAL_ERROR,
        EndReason.AGENT_FAILED,
        EndReason.SERVER_STOPPED,
        EndReason.STREAM_FAILED,
    )
    return CallEnding(
        CallState.FAILED if broken else CallState.COMPLETED,
        reason,
        usage=dict(session.tokens),
        latency_ms=tuple(round(t.latency_ms) for t in session.turns if t.latency_ms is not None),
        audio_in_s=round(session.audio_in_ms / 1000.0, 2),
        audio_out_s=round(session.voice.heard_ms / 1000.0, 2),
    )
