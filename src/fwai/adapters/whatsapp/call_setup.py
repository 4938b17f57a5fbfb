"""The life of one WhatsApp call, from webhook or request to the last word to Meta.

Inbound: answer the offer, pre_accept, ICE and DTLS, accept, open the gate, carry. Nothing is sent
before the accept was confirmed, and silence is sent from then on. Without pre_accept the accept
comes first. Outbound: Meta's answer by webhook, ICE and DTLS, pick-up, open the gate, carry.

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
from fwai.adapters.whatsapp.sdp import check_offer, for_meta
from fwai.audio.speech import SpeechDetector
from fwai.domain.call import CallId, CallOffer, CallState, Direction
from fwai.domain.events import CallerAudio, CallerEvent, CallerHungUp
from fwai.errors import ApiError, ApiUnknownError, BusyError, FwaiError, WireError
from fwai.interfaces.calls import CallControl, CallHandler

_log = structlog.get_logger()

Ended = Callable[[WhatsAppCall, CallState, str], Awaitable[None]]
Told = Callable[[WhatsAppCall, CallState], None]


@dataclass(frozen=True, slots=True)
class SetupContext:
    """What every call of this number shares.

    Attributes:
        control: Ends calls at Meta's side; given to the call manager, too.
        line: Our number, E.164, where a webhook does not say.
    """

    api: CallApi
    peer: MediaPeer
    calls: CallHandler
    control: CallControl
    timers: CallTimers
    line: str
    pre_accept: bool


class CallSetup:
    """Sets calls up and carries them.

    Args:
        told: Hears of states on the way.
        ended: Hears how a call came out; the first word counts.
    """

    def __init__(self, lines: SetupContext, told: Told, ended: Ended) -> None:
        self._context = lines
        self._told = told
        self._ended = ended

    async def inbound(self, live: WhatsAppCall, event: CallConnect) -> None:
        """Be a call of a user, whatever becomes of it."""
        offer = CallOffer(
            provider=PROVIDER,
            provider_call_id=live.id,
            direction=Direction.INBOUND,
            caller=event.user.number,
            line=event.line or self._context.line,
        )
        with structlog.contextvars.bound_contextvars(provider_call_id=live.id):
            await self._guarded(live, self._answer_call(live, event, offer), CallState.FAILED)

    async def outbound(self, live: WhatsAppCall, pending: PendingMedia) -> None:
        """Be a call of ours from the moment it rings; closes ``pending``."""
        if live.over.is_set():  # before this task could begin
            await pending.close()
            return
        with structlog.contextvars.bound_contextvars(provider_call_id=live.id):
            await self._guarded(live, self._await_pick_up(live, pending), CallState.NO_ANSWER)

    async def place(self, to: Party, reference: str) -> tuple[PendingMedia, str]:
        """Ask Meta to call a user; the offer is to be closed by the caller of this."""
        pending, description = await self._context.peer.offer()
        try:
            sdp = for_meta(description, answer=False)
            return pending, await self._context.api.connect(to, sdp, reference)
        except BaseException:
            await pending.close()
            raise

    async def _guarded(self, live: WhatsAppCall, work: Awaitable[None], late: CallState) -> None:
        """Do the work; whatever goes wrong becomes an ending. ``late`` is that of a time-out."""
        live.started = True
        state, cause = CallState.FAILED, ""
        try:
            await work
        except TimeoutError:
            state, cause = late, "not in time"
        except FwaiError as exc:
            cause = str(exc)
        except Exception:  # noqa: BLE001 - one broken call must not touch the others
            _log.exception("whatsapp_call_broke")
            cause = "internal error"
        if cause:
            state = live.outcome or state
            _log.warning("whatsapp_call_failed", reason=cause, state=state.value)
            await self._hang_up(live)
            await self._ended(live, state, cause)

    # ---- a user calls ---------------------------------------------------------------------------

    async def _answer_call(self, live: WhatsAppCall, event: CallConnect, offer: CallOffer) -> None:
        lines = self._context
        async with asyncio.timeout(lines.timers.set_up_s):
            ticket = None if live.over.is_set() else await lines.calls.offer(offer, lines.control)
            if ticket is None:
                _log.info("whatsapp_call_missed", reason="known or over already")
                return
            check_offer(event.sdp)
            leg, description = await lines.peer.answer(event.sdp)
            try:
                await self._connect(live, leg, for_meta(description, answer=True))
            except BaseException:
                await leg.close()
                raise
        await self._carry(live, leg, ticket.token)

    async def _connect(self, live: WhatsAppCall, leg: MediaLeg, sdp: str) -> None:
        if self._context.pre_accept:
            await self._context.api.pre_accept(live.id, sdp)
            await self._reach(leg)
            await self._accept(live, sdp)
        else:
            await self._accept(live, sdp)
            await self._reach(leg)

    async def _accept(self, live: WhatsAppCall, sdp: str) -> None:
        live.accepted = True  # whoever interrupts this cannot know better
        try:
            await self._context.api.accept(live.id, sdp)
        except ApiUnknownError:
            raise
        except ApiError:
            live.accepted = False
            raise

    async def _reach(self, leg: MediaLeg) -> None:
        try:
            async with asyncio.timeout(self._context.timers.connect_s):
                await leg.connect()
        except TimeoutError:
            raise WireError("whatsapp: Meta's media relay was not reached in time") from None

    # ---- we call --------------------------------------------------------------------------------

    async def _await_pick_up(self, live: WhatsAppCall, pending: PendingMedia) -> None:
        leg: MediaLeg | None = None
        try:
            async with asyncio.timeout(live.ring_s or self._context.timers.ring_s):
                await live.answered.wait()
                answer = live.answer.sdp if live.answer is not None else ""
                check_offer(answer)
                leg = pending.accept(answer)
                await self._reach(leg)
                await self._picked_up(live, leg)
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

    async def _picked_up(self, live: WhatsAppCall, leg: MediaLeg) -> None:
        """Wait for Meta's word or the user's voice, whichever is first.

        Sound alone means nothing: silence may flow while the telephone still rings.
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
            await self._last_word(live)
            raise WireError("whatsapp: the media ended before the user picked up")

    # ---- both -----------------------------------------------------------------------------------

    async def _carry(self, live: WhatsAppCall, leg: MediaLeg, token: str) -> None:
        """Give the leg to the session, and see to it that Meta knows the end."""
        live.carried = True
        leg.release()
        self._told(live, CallState.IN_PROGRESS)
        if not await self._context.calls.carry(token, live.id, leg):
            await leg.close()
            raise BusyError("the call was given up meanwhile")
        if not live.over.is_set():
            await self._goodbye(live)
        await self._ended(live, CallState.COMPLETED, "")

    async def _goodbye(self, live: WhatsAppCall) -> None:
        """The media is over; if Meta does not say the same soon, end the call there, too."""
        await self._last_word(live)
        if not live.over.is_set():
            await self._hang_up(live)

    async def _last_word(self, live: WhatsAppCall) -> None:
        """Give Meta time to say that the call is over, and how it came out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._context.timers.goodbye_s):
                await live.over.wait()

    async def _hang_up(self, live: WhatsAppCall) -> None:
        try:
            await self._context.control.hang_up(live.id)
        except ApiError as exc:
            _log.warning("hang_up_failed", error=str(exc))
