"""Runs WebRTC calls from browsers, from the SDP offer to the hang-up."""

import asyncio
import secrets
from dataclasses import dataclass, replace
from typing import Final

import structlog

from fwai.adapters.webrtc import peer
from fwai.adapters.webrtc.leg import WebRtcLeg
from fwai.domain.call import CallId, CallOffer, CallState, Direction, StreamTicket
from fwai.errors import BusyError, WireError
from fwai.http.refusal_log import RefusalLog
from fwai.interfaces.calls import CallHandler
from fwai.tasks import IsolatedTasks

PROVIDER: Final = "browser"
OWNERS_KEPT: Final = 64  # of calls that are over

_log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _BrowserCall:
    """A call in progress.

    Attributes:
        owner: Id of the client that began it.
        connecting: The task that connects the media; None once connected.
    """

    provider_call_id: str
    ticket: StreamTicket
    owner: str
    leg: WebRtcLeg
    connecting: asyncio.Task[None] | None = None


class BrowserLine:
    """Runs calls from browsers. Implements ``CallControl``.

    Args:
        options: WebRTC options.
        calls: Takes over each call.
        tasks: Owns what a call leaves running.
    """

    def __init__(
        self, options: peer.PeerOptions, calls: CallHandler, tasks: asyncio.TaskGroup
    ) -> None:
        self._options = options
        self._calls = calls
        self._tasks = IsolatedTasks(tasks)
        self._active: dict[str, _BrowserCall] = {}
        self._owners: dict[CallId, tuple[str, str]] = {}
        self._refused = RefusalLog("stream_refused")

    @property
    def active(self) -> int:
        """How many calls hold a port."""
        return len(self._active)

    async def answer(
        self, offer_sdp: str, owner: str, *, local: bool, agent: str = ""
    ) -> tuple[CallId, str]:
        """Answer a call.

        Args:
            offer_sdp: The browser's offer, with its candidates.
            owner: Id of the client that may follow and end the call.
            local: The browser is on this machine.
            agent: Id of the agent who is to speak; empty takes the first one.

        Returns:
            The call's id and the answer.

        Raises:
            WireError: The offer cannot be parsed or has no supported audio.
            BusyError: No further call can be carried now.
        """
        options = self._options
        if local:
            options = replace(options, loopback=True, public_ip=None)
        try:
            leg, answer_sdp = await peer.answer(offer_sdp, options)
        except BusyError as exc:
            await self._calls.missed(_offer(agent), CallState.BUSY, str(exc))
            raise
        try:
            call = await self._offer_call(leg, owner, agent)
        except BaseException:
            await leg.close()
            raise
        self._active[call.provider_call_id] = call
        self._owners[call.ticket.call_id] = (owner, call.provider_call_id)
        name = f"browser:{call.ticket.call_id}"
        call.connecting = self._tasks.start(
            self._run(call), name, clean_up=lambda: self._failed(call, "internal error")
        )
        if call.connecting is None:
            await self.hang_up(call.provider_call_id)
            await self._failed(call, "too many calls")
            raise BusyError("too many calls")
        return call.ticket.call_id, answer_sdp

    async def _offer_call(self, leg: WebRtcLeg, owner: str, agent: str) -> _BrowserCall:
        offer = _offer(agent)
        ticket = await self._calls.offer(offer, self)
        if ticket is None:
            raise BusyError("the call was refused")
        return _BrowserCall(offer.provider_call_id, ticket, owner, leg)

    def is_owner(self, call_id: CallId, owner: str) -> bool:
        """Whether ``owner`` began this call; stays true for a short while after its end."""
        return self._owners.get(call_id, ("", ""))[0] == owner

    async def end_call(self, call_id: CallId) -> None:
        """End a call for its caller; one that is over is no error."""
        _, provider_call_id = self._owners[call_id]
        await self._calls.ended(PROVIDER, provider_call_id, CallState.COMPLETED, "caller hung up")

    async def hang_up(self, provider_call_id: str) -> None:
        """Close the connection to the browser; a call that is over is no error."""
        call = self._active.pop(provider_call_id, None)
        if call is None:
            return
        if call.connecting is not None:
            call.connecting.cancel()
        await call.leg.close()

    async def _run(self, call: _BrowserCall) -> None:
        """Connect the media and carry the call; the leg's limit is its deadline."""
        try:
            await self._connect_and_carry(call)
        finally:
            self._active.pop(call.provider_call_id, None)
            self._forget_oldest()
            await call.leg.close()

    async def _connect_and_carry(self, call: _BrowserCall) -> None:
        with structlog.contextvars.bound_contextvars(call_id=call.ticket.call_id):
            try:
                await call.leg.connect()
            except (WireError, OSError) as exc:
                call.connecting = None  # the manager's hang-up must not cancel what closes the leg
                _log.warning("browser_not_reached", error=type(exc).__name__)
                await self._failed(call, "media not connected")
                return
            call.connecting = None
            call.leg.release()
            if not await self._calls.carry(call.ticket.token, call.provider_call_id, call.leg):
                self._refused.add("the call is over", provider=PROVIDER)

    async def _failed(self, call: _BrowserCall, cause: str) -> None:
        await self._calls.ended(PROVIDER, call.provider_call_id, CallState.FAILED, cause)

    def _forget_oldest(self) -> None:
        """Forget the owners of the oldest calls that are over."""
        for call_id, (_, provider_call_id) in list(self._owners.items()):
            if len(self._owners) <= len(self._active) + OWNERS_KEPT:
                return
            if provider_call_id not in self._active:
                del self._owners[call_id]


def _offer(agent: str) -> CallOffer:
    provider_call_id = secrets.token_hex(12)
    return CallOffer(PROVIDER, provider_call_id, Direction.INBOUND, caller="", line="", agent=agent)
