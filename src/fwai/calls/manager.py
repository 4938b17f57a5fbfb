"""All calls of this process: who is admitted, who owns what, and that nothing is left behind.

One task per call, from the carrier's first word to the last line of the archive, owns everything
the call has: the model session (open while the phone still rings), the stream's token, the
session, the recording. Whatever way the call ends (the stream never comes, the carrier reports it
over, a leg breaks, the server stops) is an ending of that one task.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import structlog

from fwai.calls.call_records import CallRecords
from fwai.calls.capacity import Capacity
from fwai.calls.limits import SessionLimits
from fwai.calls.live_call import LiveCall, ending, new_call_id
from fwai.calls.pacer import Pacer
from fwai.calls.session import CallSession
from fwai.calls.stream_tokens import StreamTokens
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.domain.call import (
    Call,
    CallEnding,
    CallId,
    CallOffer,
    CallState,
    DialOrder,
    Direction,
    EndReason,
    StreamTicket,
)
from fwai.domain.phone import masked
from fwai.errors import ApiError, ApiUnknownError, BusyError, StoreError
from fwai.interfaces.media import (
    AgentLeg,
    CallArchive,
    CallControl,
    CallerLeg,
    OutboundLine,
    Recorder,
    ToolRunner,
)

STREAM_S: Final = 30.0  # from the answer to the stream
HANG_UP_S: Final = 10.0
DIAL_S: Final = 25.0  # above what a provider's client may take

_log = structlog.get_logger()


class CallManager:
    """Carries calls. Implements ``CallHandler``.

    Args:
        agent_for: Makes the agent's leg for a call; not connected yet. It may look things up.
        agent_id_for: Chooses the agent for a line of ours.
        max_calls: Fixed number of simultaneous calls, or None to go by what is measured.
        recorder_for: Opens a recording for a call, its sample rate in Hz and the loop's time.
        on_idle: Called when the last call is over; must not block.
        speaks_to_machines: Whether an agent, by its id, leaves a message with a machine.
    """

    def __init__(
        self,
        agent_for: Callable[[Call], Awaitable[AgentLeg]],
        agent_id_for: Callable[[str], str],
        tools: ToolRunner,
        archive: CallArchive,
        limits: SessionLimits,
        max_calls: int | None,
        recorder_for: Callable[[Call, int, float], Awaitable[Recorder | None]],
        on_idle: Callable[[], None] = lambda: None,
        speaks_to_machines: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._speaks_to_machines = speaks_to_machines
        self._agent_for = agent_for
        self._agent_id_for = agent_id_for
        self._tools = tools
        self._records = CallRecords(archive)
        self._limits = limits
        self._recorder_for = recorder_for
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer()
        self._capacity = Capacity(max_calls, lambda: self._pacer.lag_s)
        self._tokens = StreamTokens(self._loop.time)
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()
        self._live: dict[CallId, LiveCall] = {}
        self._by_provider: dict[tuple[str, str], LiveCall] = {}
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

    def live(self, call_id: CallId) -> bool:
        """Whether a call is carried or rings here."""
        return call_id in self._live

    def outbound(self, provider: str) -> int:
        """How many calls of ours a provider carries or rings now."""
        return sum(
            live.call.provider == provider and live.call.direction is Direction.OUTBOUND
            for live in self._live.values()
        )

    def session(self, call_id: CallId) -> CallSession | None:
        """Return the session of a call that is being carried; None of any other."""
        live = self._live.get(call_id)
        return None if live is None else live.session

    async def place(self, call: Call, line: OutboundLine, order: DialOrder) -> str:
        """Place a call that the archive knows, its model session open while it rings.

        When it cannot be known whether it was placed, its news are waited for all the same.

        Returns:
            The provider's id of it.

        Raises:
            ApiError: It was not placed; ``ApiUnknownError`` when that cannot be known.
            BusyError: This server has no room.
        """
        live = self._begin(call, line, order.ring_s + STREAM_S)
        token = self._tokens.mint(call.id, "", order.ring_s + STREAM_S)
        try:
            async with asyncio.timeout(DIAL_S):
                provider_call_id = await line.dial(replace(order, token=token))
        except ApiUnknownError:
            raise
        except TimeoutError:
            raise ApiUnknownError(call.provider, f"no answer within {DIAL_S:.0f} s") from None
        except BaseException:
            live.abandoned = True
            self._end(live, EndReason.NOT_DIALED, CallState.FAILED)
            self._forget(live)  # it may be placed again at once
            raise
        if not live.call.provider_call_id:  # else its news came first; the id there is the call's
            await self._bind(live, provider_call_id)
        given_up = live.over.is_set() or live.told_state is not None
        if given_up and live.told_reason is not EndReason.CALLER_HUNG_UP:
            await self._hang_up_carrier(live)  # there was nothing to hang up until now
        return provider_call_id

    # ---- CallHandler ----------------------------------------------------------------------------

    async def ringing(self, call_id: CallId, provider_call_id: str) -> None:
        """A call of ours rings."""
        live = self._live.get(call_id)
        if live is not None:
            await self._bind(live, provider_call_id)
            await self._records.moved(live.call, CallState.RINGING)
            return
        record = await self._records.record(call_id)
        if record is not None and record.state is CallState.DIALING:  # placed before a restart
            call = replace(record.call, provider_call_id=provider_call_id)
            await self._records.named(call)
            await self._records.moved(call, CallState.RINGING)

    async def machine_answered(self, provider: str, provider_call_id: str) -> None:
        """Leave a message with the machine, or hang up, as the agent is set."""
        live = self._by_provider.get((provider, provider_call_id))
        if live is None or live.machine:
            return
        live.machine = True
        _log.info("machine_answered", call_id=live.call.id)
        if live.session is None or not self._speaks_to_machines(live.call.agent):
            self._end(live, EndReason.VOICEMAIL, CallState.COMPLETED)
        else:
            live.session.leave_message()

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        """Prepare the agent's side of a call and admit one stream."""
        key = (offer.provider, offer.provider_call_id)
        live = self._by_provider.get(key)
        if live is None and offer.call_id:
            live = await self._placed(offer, control)
            if live is None:
                return None
        if live is None:
            if await self._records.was_here(*key):
                return None  # and is over: a replayed request opens nothing
            live = self._by_provider.get(key) or self._begin(self._new_call(offer), control)
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
        await self._bind(live, provider_call_id)
        if live.leg.done():
            return False
        live.leg.set_result(leg)
        await live.over.wait()
        return True

    async def ended(
        self,
        provider: str,
        provider_call_id: str,
        state: CallState,
        cause: str = "",
        *,
        call_id: CallId = CallId(""),  # noqa: B008 - a plain string
    ) -> None:
        """The provider says that the call is over."""
        live = self._by_provider.get((provider, provider_call_id)) or self._live.get(call_id)
        if live is None:
            await self._ended_elsewhere(call_id, state, cause)
            return
        if live.told_state is not None:
            return
        live.cause = cause
        with structlog.contextvars.bound_contextvars(call_id=live.call.id):
            _log.info("carrier_reported_end", state=state.value, cause=cause)
        self._end(live, EndReason.CALLER_HUNG_UP, state)

    # ---- one call -------------------------------------------------------------------------------

    async def _placed(self, offer: CallOffer, control: CallControl) -> LiveCall | None:
        """Return the call of ours that was answered; None when it is over or not ours."""
        live = self._live.get(offer.call_id)
        if live is None:
            # It was placed before a restart: it goes on here.
            record = await self._records.record(offer.call_id)
            if record is None or record.state not in (CallState.DIALING, CallState.RINGING):
                return None
            live = self._live.get(offer.call_id) or self._begin(record.call, control)
        await self._bind(live, offer.provider_call_id)
        return live

    async def _ended_elsewhere(self, call_id: CallId, state: CallState, cause: str) -> None:
        """Close a call of ours that nobody carries here: it was placed before a restart."""
        record = await self._records.record(call_id) if call_id else None
        if record is None or record.state.final:
            return
        state = CallState.NO_ANSWER if state is CallState.COMPLETED else state
        outcome = CallEnding(state, EndReason.NEVER_CONNECTED, cause=cause)
        await self._records.ended(record.call, outcome)

    async def _bind(self, live: LiveCall, provider_call_id: str) -> None:
        """Keep the provider's id of a call of ours, whoever tells it first."""
        if live.call.provider_call_id == provider_call_id or not provider_call_id:
            return
        live.call = replace(live.call, provider_call_id=provider_call_id)
        if not live.over.is_set():
            self._by_provider[(live.call.provider, provider_call_id)] = live
        await self._records.named(live.call)

    def _new_call(self, offer: CallOffer) -> Call:
        return Call(
            id=new_call_id(),
            provider=offer.provider,
            direction=offer.direction,
            caller=offer.caller,
            line=offer.line,
            agent=self._agent_id_for(offer.line),
            provider_call_id=offer.provider_call_id,
            listen_only=offer.listen_only,
        )

    def _begin(self, call: Call, control: CallControl, connect_s: float = STREAM_S) -> LiveCall:
        refusal = self.refusal
        if refusal is not None or self._group is None:
            raise BusyError(refusal or "stopped")
        live = LiveCall(call, control, self._loop.create_future(), connect_s)
        self._live[call.id] = live
        if call.provider_call_id:
            self._by_provider[(call.provider, call.provider_call_id)] = live
        self._group.create_task(self._own(live), name=f"call:{call.id}")
        return live

    def _end(self, live: LiveCall, reason: EndReason, state: CallState) -> None:
        """Make the call's task end the call, wherever it stands."""
        if live.told_state is None:
            live.told_state = state
            live.told_reason = reason
        if live.session is not None:
            live.session.hang_up(reason)
        elif not live.leg.done():
            live.leg.cancel()

    def _forget(self, live: LiveCall) -> None:
        """Let go of a call that is over: of its token and of every id it was known by."""
        if self._live.get(live.call.id) is live:
            del self._live[live.call.id]
            self._tokens.revoke(live.call.id)
        for key in [key for key, one in self._by_provider.items() if one is live]:
            del self._by_provider[key]

    async def _own(self, live: LiveCall) -> None:
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
                agent = await self._agent_for(call)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(agent.run(), name="agent")
                    try:
                        await self._records.open(call)
                        await self._carry(live, agent)
                    finally:
                        agent.close()
            except Exception:  # noqa: BLE001 - one broken call must not touch the others
                _log.exception("call_failed")
                await self._close(live, EndReason.INTERNAL_ERROR)
            finally:
                self._forget(live)
                live.over.set()
                if not self._live:
                    self._on_idle()

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
        await self._records.moved(live.call, CallState.IN_PROGRESS)
        recorder = await self._recorder(live.call, leg.sample_rate)
        live.session = CallSession(
            live.call,
            leg,
            agent,
            self._tools,
            TranscriptWriter(self._records.archive.log(live.call)),
            self._pacer,
            self._limits,
            lambda: self._hang_up_carrier(live),
            recorder,
        )
        if live.told_state is not None:
            live.session.hang_up(live.told_reason or EndReason.CALLER_HUNG_UP)
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

    async def _never_connected(self, live: LiveCall) -> None:
        """The stream never came: give the model session back and say how the call came out."""
        if live.abandoned and live.told_reason is EndReason.NOT_DIALED:
            return
        if live.call.provider_call_id and live.told_reason is not EndReason.CALLER_HUNG_UP:
            await self._hang_up_carrier(live)
        reason = live.told_reason or EndReason.NEVER_CONNECTED
        known = reason not in (EndReason.CALLER_HUNG_UP, EndReason.NOT_DIALED)
        await self._close(live, reason if known else EndReason.NEVER_CONNECTED)

    async def _close(self, live: LiveCall, reason: EndReason) -> None:
        outcome = replace(ending(live, reason), cause=live.cause)
        _log.info(
            "call_ended",
            state=outcome.state.value,
            reason=reason.value,
            heard_s=round(outcome.audio_out_s, 1),
            turns=len(outcome.latency_ms),
        )
        await self._records.ended(live.call, outcome)
        if self.on_over is not None and live.session is not None:
            self.on_over(live.session, outcome)

    async def _hang_up_carrier(self, live: LiveCall) -> None:
        """End the carrier's call; the media stream is closed whatever comes of it."""
        try:
            async with asyncio.timeout(HANG_UP_S):
                await live.control.hang_up(live.call.provider_call_id)
        except (ApiError, TimeoutError) as exc:
            _log.warning("hang_up_failed", error=type(exc).__name__)
