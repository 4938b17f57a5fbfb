"""Sets up one WhatsApp call and runs it until Meta knows that it ended.

Inbound: answer the offer, pre_accept, ICE and DTLS, accept, release the media, carry. Nothing is
sent before the accept was confirmed, and silence is sent from then on. Without pre_accept the
accept comes first. Outbound: Meta's answer by webhook, ICE and DTLS, pick-up, release, carry.

Source: Meta's call flows and troubleshooting pages, 2026-06; read 2026-11-22.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from fwai.adapters.whatsapp.call_state import PROVIDER, CallTimers, WhatsAppCall
from fwai.adapters.whatsapp.events import CallConnect, Party
from fwai.adapters.whatsapp.interfaces import CallApi, MediaLeg, MediaPeer, PendingMedia
from fwai.adapters.whatsapp.sdp import check_remote_sdp, prepare_local_sdp
from fwai.audio.speech import SpeechDetector
from fwai.domain.call import CallId, CallOffer, CallState, Direction
from fwai.domain.events import CallerAudio, CallerEvent, CallerHungUp
from fwai.errors import ApiError, ApiUnknownError, BusyError, FwaiError, WireError
from fwai.interfaces.calls import CallControl, CallHandler

_log = structlog.get_logger()

EndedCallback = Callable[[WhatsAppCall, CallState, str], Awaitable[None]]
StateCallback = Callable[[WhatsAppCall, CallState], None]


@dataclass(frozen=True, slots=True)
class SetupContext:
    """Dependencies that all calls of the number share.

    Attributes:
        control: Ends calls at Meta; passed to the call manager, too.
        line: Our number, E.164, used when a webhook does not name it.
    """

    api: CallApi
    peer: MediaPeer
    calls: CallHandler
    control: CallControl
    timers: CallTimers
    line: str
    pre_accept: bool


class CallSetup:
    """Sets up calls and runs them.

    Args:
        on_state: Called with intermediate states.
        on_ended: Called with the final state; the first call counts.
    """

    def __init__(
        self, context: SetupContext, on_state: StateCallback, on_ended: EndedCallback
    ) -> None:
        self._context = context
        self._on_state = on_state
        self._on_ended = on_ended

    async def inbound(self, live: WhatsAppCall, event: CallConnect) -> None:
        """Run an inbound call to its end."""
        offer = CallOffer(
            provider=PROVIDER,
            provider_call_id=live.id,
            direction=Direction.INBOUND,
            caller=event.user.number,
            line=event.line or self._context.line,
        )
        with structlog.contextvars.bound_contextvars(provider_call_id=live.id):
            await self._run_setup(live, self._answer_call(live, event, offer), CallState.FAILED)

    async def outbound(self, live: WhatsAppCall, pending: PendingMedia) -> None:
        """Run an outbound call after it was placed; closes ``pending``."""
        if live.over.is_set():  # before this task could begin
            await pending.close()
            return
        with structlog.contextvars.bound_contextvars(provider_call_id=live.id):
            await self._run_setup(live, self._run_outbound(live, pending), CallState.NO_ANSWER)

    async def place(self, to: Party, reference: str) -> tuple[PendingMedia, str]:
        """Ask Meta to call a user; the caller of this closes the returned offer."""
        pending, description = await self._context.peer.offer()
        try:
            sdp = prepare_local_sdp(description, answer=False)
            return pending, await self._context.api.connect(to, sdp, reference)
        except BaseException:
            await pending.close()
            raise

    async def _run_setup(
        self, live: WhatsAppCall, work: Awaitable[None], timeout_state: CallState
    ) -> None:
        """Await ``work``; an error ends the call, a time-out with ``timeout_state``."""
        live.started = True
        state, cause = CallState.FAILED, ""
        try:
            await work
        except TimeoutError:
            state, cause = timeout_state, "not in time"
        except FwaiError as exc:
            cause = str(exc)
        except Exception:  # noqa: BLE001 - one broken call must not touch the others
            _log.exception("whatsapp_call_broke")
            cause = "internal error"
        if cause:
            state = live.outcome or state
            _log.warning("whatsapp_call_failed", reason=cause, state=state.value)
            await self._hang_up(live)
            await self._on_ended(live, state, cause)

    # ---- a user calls ---------------------------------------------------------------------------

    async def _answer_call(self, live: WhatsAppCall, event: CallConnect, offer: CallOffer) -> None:
        context = self._context
        async with asyncio.timeout(context.timers.set_up_s):
            ticket = (
                None if live.over.is_set() else await context.calls.offer(offer, context.control)
            )
            if ticket is None:
                _log.info("whatsapp_call_missed", reason="known or over already")
                return
            check_remote_sdp(event.sdp)
            leg, description = await context.peer.answer(event.sdp)
            try:
                await self._answer_with_media(
                    live, leg, prepare_local_sdp(description, answer=True)
                )
            except BaseException:
                await leg.close()
                raise
        await self._carry(live, leg, ticket.token)

    async def _answer_with_media(self, live: WhatsAppCall, leg: MediaLeg, sdp: str) -> None:
        if self._context.pre_accept:
            await self._context.api.pre_accept(live.id, sdp)
            await self._connect_media(leg)
            await self._accept(live, sdp)
        else:
            await self._accept(live, sdp)
            await self._connect_media(leg)

    async def _accept(self, live: WhatsAppCall, sdp: str) -> None:
        live.accepted = True  # whoever interrupts this cannot know better
        try:
            await self._context.api.accept(live.id, sdp)
        except ApiUnknownError:
            raise
        except ApiError:
            live.accepted = False
            raise

    async def _connect_media(self, leg: MediaLeg) -> None:
        try:
            async with asyncio.timeout(self._context.timers.connect_s):
                await leg.connect()
        except TimeoutError:
            raise WireError("whatsapp: Meta's media relay was not reached in time") from None

    # ---- we call --------------------------------------------------------------------------------

    async def _run_outbound(self, live: WhatsAppCall, pending: PendingMedia) -> None:
        leg: MediaLeg | None = None
        try:
            async with asyncio.timeout(live.ring_s or self._context.timers.ring_s):
                await live.answered.wait()
                answer = live.answer.sdp if live.answer is not None else ""
                check_remote_sdp(answer)
                leg = pending.accept(answer)
                await self._connect_media(leg)
                await self._wait_for_pick_up(live, leg)
            line = (live.answer.line if live.answer else "") or self._context.line
            token = await self._admit(
                CallOffer(
                    provider=PROVIDER,
                    provider_call_id=live.id,
                    direction=Direction.OUTBOUND,
                    caller=live.user.number,
                    line=line,
                    call_id=CallId(live.reference),
                )
            )
        except BaseException:
            await (leg or pending).close()
            raise
        await self._carry(live, leg, token)

    async def _admit(self, offer: CallOffer) -> str:
        ticket = await self._context.calls.offer(offer, self._context.control)
        if ticket is None:
            raise BusyError("the call is known already, or was given up")
        return ticket.token

    async def _wait_for_pick_up(self, live: WhatsAppCall, leg: MediaLeg) -> None:
        """Wait for Meta's ACCEPTED status or the user's speech, whichever is first.

        Audio alone means nothing: silence may flow while the telephone still rings.
        """
        broken = False
        speech = SpeechDetector(leg.sample_rate)

        def hear(event: CallerEvent) -> None:
            nonlocal broken
            if isinstance(event, CallerAudio):
                if speech.feed(event.pcm):
                    live.picked_up.set()
            elif isinstance(event, CallerHungUp):
                broken = True
                live.picked_up.set()

        leg.listen(hear)
        await live.picked_up.wait()
        if broken:
            live.picked_up.clear()
            await self._wait_for_terminate(live)
            raise WireError("whatsapp: the media ended before the user picked up")

    # ---- both -----------------------------------------------------------------------------------

    async def _carry(self, live: WhatsAppCall, leg: MediaLeg, token: str) -> None:
        """Hand the leg to the session, and end the call at Meta afterwards."""
        live.carried = True
        try:
            leg.release()
            self._on_state(live, CallState.IN_PROGRESS)
            carried = await self._context.calls.carry(token, live.id, leg)
        except BaseException:
            await leg.close()
            raise
        if not carried:
            await leg.close()
            raise BusyError("the call was given up meanwhile")
        if not live.over.is_set():
            await self._end_at_meta(live)
        await self._on_ended(live, CallState.COMPLETED, "")

    async def _end_at_meta(self, live: WhatsAppCall) -> None:
        """Wait for Meta's terminate after the media ended, else terminate the call."""
        await self._wait_for_terminate(live)
        if not live.over.is_set():
            await self._hang_up(live)

    async def _wait_for_terminate(self, live: WhatsAppCall) -> None:
        """Give Meta time to send its terminate webhook."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._context.timers.terminate_wait_s):
                await live.over.wait()

    async def _hang_up(self, live: WhatsAppCall) -> None:
        try:
            await self._context.control.hang_up(live.id)
        except FwaiError as exc:
            _log.warning("hang_up_failed", error=str(exc))
