"""All WhatsApp calls: webhooks in, call actions out.

Theory of operation. A webhook is taken in without waiting; what must wait is one task per call, in
the server's task group. Meta repeats webhooks, sends them late and in any order, so a call's end is
remembered (a tombstone) and a connect that comes after it, twice, or too late does nothing. An end
that comes while the call is being set up cancels its task. Whoever ends the call, Meta is told: by
reject before the accept, by terminate from the accept on, unless it was Meta that told us.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from fwai.adapters.whatsapp.call_setup import CallSetup, SetupContext
from fwai.adapters.whatsapp.call_state import PROVIDER, CallTimers, Progress, Seen, WhatsAppCall
from fwai.adapters.whatsapp.events import (
    CallConnect,
    CallProgress,
    CallTerminated,
    Party,
)
from fwai.adapters.whatsapp.interfaces import CallApi, MediaPeer
from fwai.adapters.whatsapp.tasks import BoundedTasks
from fwai.domain.call import CallId, CallState, Direction
from fwai.errors import ApiError, BusyError
from fwai.interfaces.calls import CallHandler

REMEMBER_S: Final = 86_400.0
MAX_EARLY: Final = 256

_log = structlog.get_logger()

CallEvent = CallConnect | CallTerminated | CallProgress


class WhatsAppCalls:
    """Carries WhatsApp calls. Implements ``CallControl``.

    Args:
        api: Graph.
        peer: Makes the media.
        calls: Takes over each call.
        group: Owns the tasks of all calls; `close` ends those that nobody carries yet.
        line: Our number, E.164, where a webhook does not say.
        pre_accept: Connect the media before answering; False answers first.
        on_progress: Told how calls of ours fare; must not block or raise.
        clock: Unix time in seconds.
    """

    def __init__(
        self,
        api: CallApi,
        peer: MediaPeer,
        calls: CallHandler,
        group: asyncio.TaskGroup,
        *,
        line: str = "",
        pre_accept: bool = True,
        timers: CallTimers | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._peer = peer
        self._calls = calls
        self._tasks = BoundedTasks(group)
        self._timers = timers or CallTimers()
        self._on_progress = on_progress
        self._clock = clock
        lines = SetupContext(api, peer, calls, self, self._timers, line, pre_accept=pre_accept)
        self._setup = CallSetup(lines, self._tell, self._ended)
        self._live: dict[str, WhatsAppCall] = {}
        self._seen = Seen(clock, REMEMBER_S)
        self._over = Seen(clock, REMEMBER_S)
        self._hung_up = Seen(clock, REMEMBER_S)
        self._early: list[CallEvent] = []
        self._line = line
        self._dialling = 0

    @property
    def active(self) -> int:
        """How many calls are not over."""
        return len(self._live)

    @property
    def line(self) -> str:
        """Our number, E.164; empty until a webhook says it, when nobody else did."""
        return self._line

    # ---- webhooks -------------------------------------------------------------------------------

    def take(self, event: CallEvent) -> None:
        """Take in what Meta says; never waits."""
        if isinstance(event, CallConnect):
            self._line = self._line or event.line
        if isinstance(event, CallTerminated):
            self._terminated(event)
        elif isinstance(event, CallConnect) and event.direction is Direction.INBOUND:
            self._offered(event)
        else:
            self._progressed(event)

    def _offered(self, event: CallConnect) -> None:
        """A user calls."""
        if not self._seen.first(f"connect {event.call_id}"):
            _log.info("whatsapp_webhook_repeated", provider_call_id=event.call_id)
            return
        age_s = self._clock() - event.at if event.at is not None else 0.0
        late = "webhook came too late" if age_s > self._timers.stale_s else ""
        if reason := "over already" if event.call_id in self._over else late:
            _log.warning("whatsapp_call_missed", provider_call_id=event.call_id, reason=reason)
            return
        live = WhatsAppCall(event.call_id, Direction.INBOUND, event.user)
        self._begin(live, self._setup.inbound(live, event))

    def _terminated(self, event: CallTerminated) -> None:
        """A call is over, whoever ended it."""
        live = self._live.get(event.call_id)
        if live is None and event.direction is not Direction.INBOUND and self._keep_early(event):
            return
        if not self._over.first(event.call_id):
            return
        direction = live.direction if live else event.direction or Direction.INBOUND
        state = event.state(direction)
        _log.info(
            "whatsapp_terminated",
            provider_call_id=event.call_id,
            status=event.status[:20],
            codes=[one.code for one in event.problems],
        )
        if live is not None:
            live.over.set()
            live.cancel()
            if live.outcome is not None and not live.carried:
                state = live.outcome
            report = self._ended(live, state, event.cause)
        else:
            call_id = CallId(event.reference)
            report = self._calls.ended(PROVIDER, event.call_id, state, event.cause, call_id=call_id)
        self._tasks.start(report, f"whatsapp_end:{event.call_id}")

    def _progressed(self, event: CallConnect | CallProgress) -> None:
        """A call of ours was answered by Meta, rings, was taken or rejected."""
        live = self._live.get(event.call_id)
        if live is None:
            if event.call_id not in self._over:
                self._early_or_orphan(event)
            return
        if isinstance(event, CallConnect):
            if live.answer is None:
                live.answer = event
                live.answered.set()
            return
        if not self._seen.first(f"{event.status} {event.call_id}"):
            return
        match event.status:
            case "RINGING" if not live.picked_up.is_set():
                self._tell(live, CallState.RINGING)
                ringing = self._calls.ringing(CallId(live.reference), live.id)
                self._tasks.start(ringing, f"whatsapp_ringing:{live.id}")
            case "ACCEPTED":
                live.picked_up.set()
            case "REJECTED":
                live.outcome = CallState.REJECTED  # a terminate follows
            case _:
                pass

    def _early_or_orphan(self, event: CallConnect | CallProgress) -> None:
        """Keep what comes before Graph told us the id; end what nobody here asked for."""
        if self._keep_early(event):
            return
        if isinstance(event, CallConnect) and self._seen.first(f"orphan {event.call_id}"):
            _log.warning("whatsapp_call_unknown", provider_call_id=event.call_id)
            self._tasks.start(self._hang_up_quietly(event.call_id), f"whatsapp_end:{event.call_id}")

    def _keep_early(self, event: CallEvent) -> bool:
        """Keep an event that may belong to a call that is just being placed."""
        if not self._dialling or len(self._early) >= MAX_EARLY:
            return False
        self._early.append(event)
        return True

    # ---- calls of ours --------------------------------------------------------------------------

    async def dial(self, to: Party, reference: str, ring_s: float | None = None) -> str:
        """Call a user and return Meta's id.

        How it fares goes to ``on_progress``, and to the ``CallHandler`` under our id.

        Args:
            to: Number or user id.
            reference: Our id of the call.
            ring_s: How long the user may take, in seconds; None is that of the timers.

        Raises:
            ApiError: It was not placed; ``ApiUnknownError`` when that cannot be known.
            BusyError: No port is free, or the server stops.
            WireError: Our offer is unfit.
        """
        if self._tasks.closed:
            raise BusyError("draining")
        self._dialling += 1
        try:
            pending, call_id = await self._setup.place(to, reference)
            live = WhatsAppCall(call_id, Direction.OUTBOUND, to, reference, accepted=True)
            live.ring_s = ring_s
            self._tell(live, CallState.DIALING)
            if call_id in self._over or not self._begin(live, self._setup.outbound(live, pending)):
                await pending.close()
                self._tell(live, CallState.FAILED, "over at once")
        finally:
            self._dialling -= 1
            early, self._early = self._early, []
            for event in early:  # what belongs to another dial is kept again
                self.take(event)
        return call_id

    # ---- CallControl ----------------------------------------------------------------------------

    async def hang_up(self, provider_call_id: str) -> None:
        """End a call at Meta's side; one that is already over is no error.

        Raises:
            ApiError: Meta did not do it.
        """
        live = self._live.get(provider_call_id)
        if live is None:
            if provider_call_id not in self._over and provider_call_id not in self._hung_up:
                await self._api.terminate(provider_call_id)
                self._hung_up.first(provider_call_id)
            return
        if live.over.is_set() or live.ending:
            return
        live.ending = True
        try:
            if live.accepted:
                await self._api.terminate(provider_call_id)
            else:
                await self._api.reject(provider_call_id)
            live.over.set()
            self._hung_up.first(provider_call_id)
        finally:
            live.ending = False
            live.cancel()

    async def close(self) -> None:
        """End what is still being set up or rings; what is carried ends with its session."""
        self._tasks.closed = True
        async with asyncio.TaskGroup() as endings:
            for live in list(self._live.values()):
                if not live.carried:
                    endings.create_task(self._close(live), name=f"whatsapp_end:{live.id}")

    async def _close(self, live: WhatsAppCall) -> None:
        await self._hang_up_quietly(live.id)
        live.over.set()
        live.cancel()
        await self._ended(live, CallState.FAILED, "server stopped")

    def _begin(self, live: WhatsAppCall, work: Coroutine[Any, Any, None]) -> bool:
        """Start the call's task; the call is known until it is done."""
        self._live[live.id] = live
        live.task = self._tasks.start(work, f"whatsapp:{live.id}")
        if live.task is None:
            del self._live[live.id]
            return False
        live.task.add_done_callback(lambda _: self._live.pop(live.id, None))
        return True

    async def _ended(self, live: WhatsAppCall, state: CallState, cause: str) -> None:
        """Tell everybody that a call is over; the first word counts."""
        self._tell(live, state, cause)
        call_id = CallId(live.reference)
        await self._calls.ended(PROVIDER, live.id, state, cause, call_id=call_id)

    def _tell(self, live: WhatsAppCall, state: CallState, cause: str = "") -> None:
        if live.direction is Direction.OUTBOUND and not live.told:
            live.told = state.final
            self._on_progress(Progress(live.id, live.reference, live.user, state, cause))

    async def _hang_up_quietly(self, call_id: str) -> None:
        try:
            await self.hang_up(call_id)
        except ApiError as exc:
            _log.warning("hang_up_failed", provider_call_id=call_id, error=str(exc))
