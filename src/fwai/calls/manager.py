"""Admits calls, owns their tasks, and hears from providers what becomes of them.

One task per call (`call_runner`) owns everything the call has. This class decides which calls begin
one, finds the call that a provider speaks of, and ends all of them when the server stops.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import structlog

from fwai.calls.admission import Admission, InboundLimits
from fwai.calls.call_records import CallRecords
from fwai.calls.call_runner import CallParts, CallRunner, OnOver, RecorderFor
from fwai.calls.capacity import Capacity
from fwai.calls.fallback import APOLOGY_ONLY
from fwai.calls.limits import SessionLimits
from fwai.calls.live_call import LiveCall, LiveCallRegistry, call_of
from fwai.calls.missed_calls import MissedCalls
from fwai.calls.pacer import Pacer
from fwai.calls.placing import STREAM_S, OutboundPlacer
from fwai.calls.sentence_clips import shipped_only
from fwai.calls.session import CallSession
from fwai.calls.stream_tokens import StreamTokens
from fwai.domain.call import (
    Call,
    CallId,
    CallOffer,
    CallState,
    EndReason,
    StreamTicket,
)
from fwai.domain.failure import UNWATCHED
from fwai.domain.instance import InstanceStatus
from fwai.errors import BusyError
from fwai.interfaces.calls import CallControl, CallFallback, Sentences, ToolRunner
from fwai.interfaces.failures import Failures
from fwai.interfaces.media import AgentLeg, CallerLeg
from fwai.interfaces.store import CallArchive
from fwai.tasks import IsolatedTasks, start_enduring

_log = structlog.get_logger()


class CallManager:
    """Carries calls. Implements ``CallHandler`` and ``LiveCalls``.

    Args:
        agent_for: Makes the agent's leg for a call; not connected yet. It may look things up.
        agent_id_for: Chooses the agent for a line of ours.
        max_calls: Fixed number of simultaneous calls, or None to go by what is measured.
        recorder_for: Begins a recording, where calls are recorded.
        on_idle: Called when the last call is over; must not block.
        speaks_to_machines: Whether an agent, by its id, leaves a message with a machine.
        on_over: Told of each session that is over, and how its call ended; must not block.
        admission: Bounds the calls that come in; None takes what is usual.
        status: What this process tells its siblings; says when they took its calls over.
        now: The time in the zone whose days calls are kept by.
        failures: Told when what writes calls down failed.

    Attributes:
        placer: Places outbound calls.
    """

    def __init__(
        self,
        agent_for: Callable[[Call], Awaitable[AgentLeg]],
        agent_id_for: Callable[[str], str],
        tools: ToolRunner,
        archive: CallArchive,
        limits: SessionLimits,
        max_calls: int | None,
        recorder_for: RecorderFor,
        on_idle: Callable[[], None] = lambda: None,
        speaks_to_machines: Callable[[str], bool] = lambda _: False,
        on_over: OnOver | None = None,
        status: InstanceStatus | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        failures: Failures = UNWATCHED,
        admission: Admission | None = None,
        sentences: Sentences | None = None,
        fallback: CallFallback = APOLOGY_ONLY,
    ) -> None:
        self._failures = failures
        self._now = now
        self._speaks_to_machines = speaks_to_machines
        self._agent_id_for = agent_id_for
        self._records = CallRecords(archive)
        self._on_idle = on_idle
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer()
        sentences = sentences or shipped_only()
        parts = CallParts(agent_for, tools, limits, recorder_for, sentences, fallback, on_over)
        self._runner = CallRunner(parts, self._records, self._pacer)
        self._capacity = Capacity(max_calls, lambda: self._pacer.lag_s)
        self._tokens = StreamTokens(self._loop.time)
        self._tasks: IsolatedTasks | None = None
        self._stop = asyncio.Event()
        self._live = LiveCallRegistry()
        self._admission = admission or Admission(InboundLimits(), self._loop.time)
        self._missed = MissedCalls(self._live, self._records, self._new_call)
        self._status = status or InstanceStatus()
        self._status.subscribe(self._disown)
        self.placer = OutboundPlacer(
            self._live, self._tokens, self._records, self._runner, self._begin, self._forget
        )

    # ---- the process's side ---------------------------------------------------------------------

    @property
    def draining(self) -> bool:
        """Whether no further call is admitted."""
        return self._status.draining

    @property
    def active(self) -> int:
        """How many calls are not over."""
        return len(self._live)

    @property
    def refusal(self) -> str | None:
        """Why no further call is admitted now; None when one is."""
        stopping = self._tasks is None or self.draining
        return "draining" if stopping else self._capacity.refusal(len(self._live))

    async def run(self, ready: asyncio.Event) -> None:
        """Own all calls until `stop`; then end those that are left and return."""
        async with asyncio.TaskGroup() as records:
            start_enduring(records, self._records.run, "call_records", self._failures)
            try:
                async with asyncio.TaskGroup() as group:
                    self._tasks = IsolatedTasks(group)
                    ready.set()
                    await self._stop.wait()
                    self._tasks = None
                    for live in self._live.all():
                        live.end(EndReason.SERVER_STOPPED, CallState.FAILED)
            finally:
                self._records.stop()

    def drain(self) -> None:
        """Admit no further call; those that run go on."""
        self._status.draining = True

    def stop(self) -> None:
        """End all calls and let `run` return."""
        self._status.draining = True
        self._stop.set()

    # ---- LiveCalls ------------------------------------------------------------------------------

    def hang_up(self, call_id: CallId) -> bool:
        """End a live call for the operator; False when there is none of that id."""
        live = self._live.get(call_id)
        if live is None:
            return False
        live.end(EndReason.OPERATOR, CallState.CANCELED)
        return True

    def live(self, call_id: CallId) -> bool:
        """Whether a call is carried or rings here."""
        return self._live.get(call_id) is not None

    def session(self, call_id: CallId) -> CallSession | None:
        """Return the session of a call that is being carried; None of any other."""
        live = self._live.get(call_id)
        return None if live is None else live.session

    # ---- CallHandler ----------------------------------------------------------------------------

    async def ringing(self, call_id: CallId, provider_call_id: str) -> None:
        """A call of ours rings."""
        await self.placer.ringing(call_id, provider_call_id)

    async def machine_answered(self, provider: str, provider_call_id: str) -> None:
        """Leave a message with the machine, or hang up, as the agent is set."""
        live = self._live.find(provider, provider_call_id)
        if live is None or live.machine:
            return
        live.machine = True
        _log.info("machine_answered", call_id=live.call.id)
        if live.session is None or not self._speaks_to_machines(live.call.agent):
            live.end(EndReason.VOICEMAIL, CallState.COMPLETED)
        else:
            live.session.leave_message()

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket | None:
        """Prepare the agent's side of a call and admit one stream."""
        key = (offer.provider, offer.provider_call_id)
        live = self._live.find(*key)
        if live is None and offer.call_id:
            live = await self.placer.answered(offer, control)
            if live is None:
                return None
        if live is None:
            if await self._records.was_here(*key) and not self._missed.was_refused(*key):
                return None  # and is over: a replayed request opens nothing
            try:
                live = self._live.find(*key)
                live = live or self._begin(self._new_call(offer), control, offered=True)
            except BusyError as exc:
                await self._missed.refused(offer, str(exc))
                raise
        elif live.leg.done() or live.told_state is not None:
            return None
        token = self._tokens.mint(live.call.id, *key)
        return StreamTicket(live.call.id, token)

    def admission(self, provider: str, token: str) -> AbstractContextManager[bool]:
        """Hold a token for one connection; the value says whether it may be accepted at all."""
        return self._tokens.admission(provider, token)

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        """Run the call whose stream is open to its end."""
        call_id = self._tokens.redeem(token, provider_call_id)
        live = self._live.get(call_id) if call_id is not None else None
        if live is None or live.leg.done():
            return False
        await self.placer.bind(live, provider_call_id)
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
        live = self._live.find(provider, provider_call_id) or self._live.get(call_id)
        if live is None:
            await self._records.ended_elsewhere(call_id, state, cause)
            return
        if live.told_state is not None:
            return
        live.cause = cause
        with structlog.contextvars.bound_contextvars(call_id=live.call.id):
            _log.info("carrier_reported_end", state=state.value, cause=cause)
        live.end(EndReason.CALLER_HUNG_UP, state)

    async def missed(self, offer: CallOffer, state: CallState, cause: str = "") -> None:
        """Keep a call that came in and was never carried."""
        await self._missed.missed(offer, state, cause)

    # ---- one call -------------------------------------------------------------------------------

    def _new_call(self, offer: CallOffer) -> Call:
        return call_of(offer, offer.agent or self._agent_id_for(offer.line), self._now())

    def _begin(
        self,
        call: Call,
        control: CallControl,
        connect_s: float = STREAM_S,
        *,
        offered: bool = False,
    ) -> LiveCall:
        refusal = self.refusal
        if refusal is not None or self._tasks is None:
            raise BusyError(refusal or "stopped")
        if offered:
            self._admission.admit(call, self._live.all())
        live = LiveCall(call, control, self._loop.create_future(), connect_s, offered)
        self._live.add(live)
        self._status.calls = len(self._live)
        if self._tasks.start(self._own(live), f"call:{call.id}") is None:
            self._forget(live)
            raise BusyError("too many calls")
        return live

    async def _own(self, live: LiveCall) -> None:
        try:
            await self._runner.run(live)
        finally:
            self._forget(live)
            live.over.set()
            if not len(self._live):
                self._on_idle()

    def _forget(self, live: LiveCall) -> None:
        """Let go of a call that is over: of its token and of every id it was known by."""
        if self._live.remove(live):
            self._tokens.revoke(live.call.id)
        self._missed.carried(live.call)
        self._status.calls = len(self._live)

    def _disown(self) -> None:
        """Others took the calls of this process over: end them here."""
        for live in self._live.all():
            live.disowned = True
            live.end(EndReason.SERVER_CRASHED, CallState.FAILED)
