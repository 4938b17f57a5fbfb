"""What WhatsApp calls need of WebRTC and of the Graph API."""

from typing import Protocol

from fwai.adapters.whatsapp.events import Party
from fwai.interfaces.media import CallerLeg


class MediaLeg(CallerLeg, Protocol):
    """A caller's leg whose way to Meta is still to be found."""

    async def connect(self) -> None:
        """Reach Meta; no sound is sent before `release`.

        Raises:
            WireError: It was not reached.
        """
        ...

    def release(self) -> None:
        """Send from now on, silence too: Meta drops calls that send nothing."""
        ...


class PendingMedia(Protocol):
    """An offer of ours that Meta has not answered yet."""

    def accept(self, answer_sdp: str) -> MediaLeg:
        """Return the leg, still to be connected; from now on it is what is to be closed.

        Raises:
            WireError: The answer cannot be read; the offer stays open.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class MediaPeer(Protocol):
    """Begins WebRTC calls."""

    async def answer(self, offer_sdp: str) -> tuple[MediaLeg, str]:
        """Answer an offer: the leg, to be closed by the caller of this, and the description.

        Raises:
            WireError: The offer cannot be used.
            BusyError: No port is free.
        """
        ...

    async def offer(self) -> tuple[PendingMedia, str]:
        """Make an offer: what waits for its answer, and the description.

        Raises:
            BusyError: No port is free.
        """
        ...


class CallApi(Protocol):
    """What calls need of the Graph API; every method raises ``ApiError``."""

    async def pre_accept(self, call_id: str, sdp: str) -> None:
        """Let the media find its way."""
        ...

    async def accept(self, call_id: str, sdp: str) -> None:
        """Answer."""
        ...

    async def reject(self, call_id: str) -> None:
        """Refuse."""
        ...

    async def terminate(self, call_id: str) -> None:
        """End."""
        ...

    async def connect(self, to: Party, sdp: str, reference: str) -> str:
        """Call a user."""
        ...
