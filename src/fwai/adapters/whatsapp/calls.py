"""Manages WhatsApp calls: handles call webhooks and sends call actions.

Theory of operation. A webhook is handled without waiting; what must wait runs in one task per call,
in the server's task group. Meta repeats webhooks, sends them late and in any order, so a call's end
is remembered (a tombstone) and a connect that comes after it, twice, or too late does nothing. An
end that comes while the call is being set up cancels its task. When we end a call, Meta gets a
reject before the accept, and a terminate from the accept on.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import structlog

from fwai.adapters.whatsapp.call_setup import CallSetup, SetupContext
from fwai.adapters.whatsapp.call_state import (
    PROVIDER,
    CallTimers,
    Progress,
    RecentKeys,
    WhatsAppCall,
)
from fwai.adapters.whatsapp.events import (
    CallConnect,
    CallProgress,
    CallTerminated,
    Party,
)
from fwai.adapters.whatsapp.interfaces import CallApi, MediaPeer
from fwai.adapters.whatsapp.missed import MissedReports, WebhookAge
from fwai.domain.call import CallId, CallState, Direction
from fwai.errors import BusyError, FwaiError
from fwai.interfaces.calls import CallHandler
from fwai.tasks import IsolatedTasks

REMEMBER_S: Final = 86_400.0
MAX_EARLY_EVENTS: Final = 256
MAX_TASKS: Final = 2_000

_log = structlog.get_logger()

CallEvent = CallConnect | CallTerminated | CallProgress


class WhatsAppCalls:
    """Manages WhatsApp calls. Implements ``CallControl``.

    Args:
        api: Graph API.
        peer: Creates WebRTC legs.
        calls: Takes over each call.
        group: Owns the tasks of all calls; `close` ends those that nobody carries yet.
        line: Our number, E.164, used when a webhook does not name it.
        pre_accept: Connect the media before answering; False answers first.
        on_progress: Called with the progress of outbound calls; must not block or raise.
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
        self._tasks = IsolatedTasks(group, MAX_TASKS)
        self._timers = timers or CallTimers()
        self._on_progress = on_progress
        self._age = WebhookAge(clock)
        self._missed = MissedReports(calls, self._tasks, lambda: self._line)
        context = SetupContext(api, peer, calls, self, self._timers, line, pre_accept=pre_accept)
        self._setup = CallSetup(context, self._report_state, self._report_end)
        self._live: dict[str, WhatsAppCall] = {}
        self._seen, self._over, self._hung_up = (
            RecentKeys(time.monotonic, REMEMBER_S) for _ in range(3)
        )
        self._early_events: list[CallEvent] = []
        self._line = line
        self._dialling = 0

    @property
    def active(self) -> int:
        """How many calls are not over."""
        return len(self._live)

    @property
    def line(self) -> str:
        """Our number, E.164; empty until a webhook names it, if not configured."""
        return self._line

    def handle(self, event: CallEvent) -> None:
        """Handle a call webhook; never waits."""
        if isinstance(event, CallConnect):
            self._line = self._line or event.line
        if isinstance(event, CallTerminated):
            self._handle_terminate(event)
        elif isinstance(event, CallConnect) and event.direction is Direction.INBOUND:
            self._handle_offer(event)
        else:
            self._handle_progress(event)

    def _handle_offer(self, event: CallConnect) -> None:
        """Handle an inbound call."""
        if not self._seen.add(f"connect {event.call_id}"):
            _log.info("whatsapp_webhook_repeated", provider_call_id=event.call_id)
            return
        age_s = self._age.least_s(event.at)
        late = "webhook came too late" if age_s > self._timers.stale_s else ""
        if reason := "over already" if event.call_id in self._over else late:
            _log.warning("whatsapp_call_missed", provider_call_id=event.call_id, reason=reason)
            self._missed.start(event.call_id, event.user, CallState.NO_ANSWER, reason, event.line)
            return
        live = WhatsAppCall(event.call_id, Direction.INBOUND, event.user)
        self._start(live, self._setup.inbound(live, event))

    def _handle_terminate(self, event: CallTerminated) -> None:
        """Handle the end of a call."""
        live = self._live.get(event.call_id)
        if live is None and event.direction is not Direction.INBOUND and self._buffer_early(event):
            return
        if not self._over.add(event.call_id):
            return
        state = event.state(live.direction if live else event.direction or Direction.INBOUND)
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
            report = self._report_end(live, state, event.cause)
        else:
            call_id = CallId(event.reference)
            report = self._calls.ended(PROVIDER, event.call_id, state, event.cause, call_id=call_id)
            self._missed.ended(event, state)
        again = partial(self._calls.ended, PROVIDER, event.call_id, state, event.cause)
        self._tasks.start(report, f"whatsapp_end:{event.call_id}", clean_up=again)

    def _handle_progress(self, event: CallConnect | CallProgress) -> None:
        """Handle an outbound call's answer, ringing, pick-up or rejection."""
        live = self._live.get(event.call_id)
        if live is None:
            if event.call_id not in self._over:
                self._handle_unknown_call(event)
            return
        if isinstance(event, CallConnect):
            if live.answer is None:
                live.answer = event
                live.answered.set()
            return
        if not self._seen.add(f"{event.status} {event.call_id}"):
            return
        match event.status:
            case "RINGING" if not live.picked_up.is_set():
                self._report_state(live, CallState.RINGING)
                ringing = self._calls.ringing(CallId(live.reference), live.id)
                self._tasks.start(ringing, f"whatsapp_ringing:{live.id}")
            case "ACCEPTED":
                live.picked_up.set()
            case "REJECTED":
                live.outcome = CallState.REJECTED  # a terminate follows
            case _:
                pass

    def _handle_unknown_call(self, event: CallConnect | CallProgress) -> None:
        """Buffer an event that came before our request's response; end an unknown call."""
        if self._buffer_early(event):
            return
        if isinstance(event, CallConnect) and self._seen.add(f"orphan {event.call_id}"):
            _log.warning("whatsapp_call_unknown", provider_call_id=event.call_id)
            self._tasks.start(
                _hang_up_quietly(self, event.call_id), f"whatsapp_end:{event.call_id}"
            )

    def _buffer_early(self, event: CallEvent) -> bool:
        """Buffer an event that may belong to a call that is just being placed."""
        if not self._dialling or len(self._early_events) >= MAX_EARLY_EVENTS:
            return False
        self._early_events.append(event)
        return True

    # ---- calls of ours --------------------------------------------------------------------------

    async def dial(self, to: Party, reference: str, ring_s: float | None = None) -> str:
        """Call a user and return Meta's id.

        Its progress goes to ``on_progress``, and to the ``CallHandler`` under our id.

        Args:
            to: Number or user id.
            reference: Our id of the call.
            ring_s: Ring time-out in seconds; None is that of the timers.

        Raises:
            ApiError: It was not placed; ``ApiUnknownError`` when that cannot be known.
            BusyError: No port is free, or the server stops.
            WireError: Our offer is invalid.
        """
        if self._tasks.closed:
            raise BusyError("draining")
        self._dialling += 1
        try:
            pending, call_id = await self._setup.place(to, reference)
            live = WhatsAppCall(call_id, Direction.OUTBOUND, to, reference, accepted=True)
            live.ring_s = ring_s
            self._report_state(live, CallState.DIALING)
            if call_id in self._over or not self._start(live, self._setup.outbound(live, pending)):
                await pending.close()
                self._report_state(live, CallState.FAILED, "over at once")
        finally:
            self._dialling -= 1
            early, self._early_events = self._early_events, []
            for event in early:  # what belongs to another dial is kept again
                self.handle(event)
        return call_id

    # ---- CallControl ----------------------------------------------------------------------------

    async def hang_up(self, provider_call_id: str) -> None:
        """End a call at Meta; one that is already over is no error.

        Raises:
            ApiError: Meta did not do it.
        """
        live = self._live.get(provider_call_id)
        if live is None:
            if provider_call_id not in self._over and provider_call_id not in self._hung_up:
                await self._api.terminate(provider_call_id)
                self._hung_up.add(provider_call_id)
            return
        if live.over.is_set() or live.hanging_up:
            return
        live.hanging_up = True
        try:
            if live.accepted:
                await self._api.terminate(provider_call_id)
            else:
                await self._api.reject(provider_call_id)
            live.over.set()
            self._hung_up.add(provider_call_id)
        finally:
            live.hanging_up = False
            live.cancel()

    async def close(self) -> None:
        """End calls that are being set up or ring; others end with their sessions."""
        self._tasks.closed = True
        async with asyncio.TaskGroup() as group:
            endings = IsolatedTasks(group)
            for live in [one for one in self._live.values() if not one.carried]:
                endings.start(self._close(live, "server stopped"), f"whatsapp_end:{live.id}")

    async def _close(self, live: WhatsAppCall, cause: str) -> None:
        await _hang_up_quietly(self, live.id)
        live.over.set()
        live.cancel()
        await self._report_end(live, CallState.FAILED, cause)

    def _start(self, live: WhatsAppCall, work: Coroutine[Any, Any, None]) -> bool:
        """Start the call's task; the call stays registered until it is done."""
        self._live[live.id] = live
        live.task = self._tasks.start(
            work, f"whatsapp:{live.id}", clean_up=lambda: self._close(live, "internal error")
        )
        if live.task is None:
            del self._live[live.id]
            return False
        live.task.add_done_callback(lambda _: self._live.pop(live.id, None))
        return True

    async def _report_end(self, live: WhatsAppCall, state: CallState, cause: str) -> None:
        """Report a call's end; the first report counts."""
        self._report_state(live, state, cause)
        await self._calls.ended(PROVIDER, live.id, state, cause, call_id=CallId(live.reference))
        if live.direction is Direction.INBOUND and not live.carried:
            await self._missed.tell(live.id, live.user, state, cause)

    def _report_state(self, live: WhatsAppCall, state: CallState, cause: str = "") -> None:
        if live.direction is Direction.OUTBOUND and not live.end_reported:
            live.end_reported = state.final
            self._on_progress(Progress(live.id, live.reference, live.user, state, cause))


async def _hang_up_quietly(calls: WhatsAppCalls, call_id: str) -> None:
    try:
        await calls.hang_up(call_id)
    except FwaiError as exc:
        _log.warning("hang_up_failed", provider_call_id=call_id, error=str(exc))
