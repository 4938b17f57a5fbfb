"""What calls need of WebRTC, so that they can be tried without it."""

from typing import Protocol

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
