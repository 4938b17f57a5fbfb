"""Protocols of WebRTC and the Graph API, as WhatsApp calls use them."""

from typing import Protocol

from fwai.adapters.whatsapp.events import Party
from fwai.interfaces.media import CallerLeg


class MediaLeg(CallerLeg, Protocol):
    """A caller's leg whose media connection to Meta is still to be made."""

    async def connect(self) -> None:
        """Connect to Meta; no audio is sent before `release`.

        Raises:
            WireError: It was not reached.
        """
        ...

    def release(self) -> None:
        """Start sending, silence too: Meta drops calls that send nothing."""
        ...


class PendingMedia(Protocol):
    """Our SDP offer that Meta has not answered yet."""

    def accept(self, answer_sdp: str) -> MediaLeg:
        """Accept the answer and return the leg, still to be connected; close it instead of this.

        Raises:
            WireError: The answer cannot be read; the offer stays open.
        """
        ...

    async def close(self) -> None:
        """Release its resources."""
        ...


class MediaPeer(Protocol):
    """Creates WebRTC legs."""

    async def answer(self, offer_sdp: str) -> tuple[MediaLeg, str]:
        """Answer an offer: the leg, which the caller closes, and the SDP.

        Raises:
            WireError: The offer cannot be used.
            BusyError: No port is free.
        """
        ...

    async def offer(self) -> tuple[PendingMedia, str]:
        """Make an offer: the pending media, and the SDP.

        Raises:
            BusyError: No port is free.
        """
        ...


class CallApi(Protocol):
    """Call actions of the Graph API; every method raises ``ApiError``."""

    async def pre_accept(self, call_id: str, sdp: str) -> None:
        """Connect the media before accepting."""
        ...

    async def accept(self, call_id: str, sdp: str) -> None:
        """Answer the call."""
        ...

    async def reject(self, call_id: str) -> None:
        """Reject the call."""
        ...

    async def terminate(self, call_id: str) -> None:
        """End the call."""
        ...

    async def connect(self, to: Party, sdp: str, reference: str) -> str:
        """Call a user."""
        ...
