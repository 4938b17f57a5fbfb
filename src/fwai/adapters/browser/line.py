"""Calls whose telephone is a browser: from its offer to the end."""

import asyncio
import secrets
from dataclasses import dataclass, replace
from typing import Final

import structlog

from fwai.adapters.webrtc import peer
from fwai.adapters.webrtc.leg import WebRtcLeg
from fwai.domain.call import CallId, CallOffer, CallState, Direction, StreamTicket
from fwai.errors import BusyError, WireError
from fwai.interfaces.calls import CallHandler

PROVIDER: Final = "browser"
OWNERS_KEPT: Final = 64  # of calls that are over

_log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _BrowserCall:
    """A call that is not over.

    Attributes:
        owner: Who began it.
        connecting: The task that looks for the way to the browser; None once that was found.
    """

    provider_call_id: str
    ticket: StreamTicket
    owner: str
    leg: WebRtcLeg
    connecting: asyncio.Task[None] | None = None


class BrowserLine:
    """Carries calls from browsers. Implements ``CallControl``.

    Args:
        options: How media are carried.
        calls: Takes over each call.
        tasks: Owns what a call leaves running.
    """

    def __init__(
        self, options: peer.PeerOptions, calls: CallHandler, tasks: asyncio.TaskGroup
    ) -> None:
        self._options = options
        self._calls = calls
        self._tasks = tasks
        self._live: dict[str, _BrowserCall] = {}
        self._owners: dict[CallId, tuple[str, str]] = {}

    @property
    def active(self) -> int:
        """How many calls hold a port."""
        return len(self._live)

    async def answer(self, offer_sdp: str, owner: str, *, near: bool) -> tuple[CallId, str]:
        """Take a call.

        Args:
            offer_sdp: The browser's offer, with its candidates.
            owner: Who may follow and end the call.
            near: The browser is on this machine.

        Returns:
            The call's id and the answer.

        Raises:
            WireError: The offer cannot be read or has no sound that we understand.
            BusyError: No further call can be carried now.
        """
        options = self._options
        if near:
            options = replace(options, loopback=True, public_ip=None)
        leg, answer_sdp = await peer.answer(offer_sdp, options)
        try:
            call = await self._offered(leg, owner)
        except BaseException:
            await leg.close()
            raise
        self._live[call.provider_call_id] = call
        self._owners[call.ticket.call_id] = (owner, call.provider_call_id)
        name = f"browser:{call.ticket.call_id}"
        call.connecting = self._tasks.create_task(self._own(call), name=name)
        return call.ticket.call_id, answer_sdp

    async def _offered(self, leg: WebRtcLeg, owner: str) -> _BrowserCall:
        provider_call_id = secrets.token_hex(12)
        offer = CallOffer(PROVIDER, provider_call_id, Direction.INBOUND, caller="", line="")
        ticket = await self._calls.offer(offer, self)
        if ticket is None:
            raise BusyError("the call was refused")
        return _BrowserCall(provider_call_id, ticket, owner, leg)

    def belongs(self, call_id: CallId, owner: str) -> bool:
        """Whether ``owner`` began this call; true for a short while after its end, too."""
        return self._owners.get(call_id, ("", ""))[0] == owner

    async def give_up(self, call_id: CallId) -> None:
        """End a call because its caller wants that; one that is over is no error."""
        _, provider_call_id = self._owners[call_id]
        await self._calls.ended(PROVIDER, provider_call_id, CallState.COMPLETED, "caller hung up")

    async def hang_up(self, provider_call_id: str) -> None:
        """Close the way to the browser; a call that is over is no error."""
        call = self._live.pop(provider_call_id, None)
        if call is None:
            return
        if call.connecting is not None:
            call.connecting.cancel()
        await call.leg.close()

    async def _own(self, call: _BrowserCall) -> None:
        """Find the way to the browser and carry the call; its deadline is the leg's limit."""
        try:
            await self._connected(call)
        finally:
            self._live.pop(call.provider_call_id, None)
            self._forget_oldest()
            await call.leg.close()

    async def _connected(self, call: _BrowserCall) -> None:
        with structlog.contextvars.bound_contextvars(call_id=call.ticket.call_id):
            try:
                await call.leg.connect()
            except (WireError, OSError) as exc:
                call.connecting = None  # the manager's hang-up must not cancel what closes the leg
                _log.warning("browser_not_reached", error=type(exc).__name__)
                await self._calls.ended(
                    PROVIDER, call.provider_call_id, CallState.FAILED, "media not connected"
                )
                return
            call.connecting = None
            call.leg.release()
            if not await self._calls.carry(call.ticket.token, call.provider_call_id, call.leg):
                _log.warning("stream_refused", reason="the call is over")

    def _forget_oldest(self) -> None:
        """Keep the owners of live calls and of the newest others."""
        for call_id, (_, provider_call_id) in list(self._owners.items()):
            if len(self._owners) <= len(self._live) + OWNERS_KEPT:
                return
            if provider_call_id not in self._live:
                del self._owners[call_id]
