"""Creates WebRTC legs for WhatsApp calls. Import it only when WhatsApp is enabled."""

from fwai.adapters.webrtc import peer
from fwai.adapters.whatsapp.interfaces import MediaLeg, PendingMedia


class WebRtcPeer:
    """Creates legs with options that all calls share. Implements `MediaPeer`."""

    def __init__(self, options: peer.PeerOptions) -> None:
        self._options = options

    async def answer(self, offer_sdp: str) -> tuple[MediaLeg, str]:
        """Answer an offer; errors as for `MediaPeer`."""
        return await peer.answer(offer_sdp, self._options)

    async def offer(self) -> tuple[PendingMedia, str]:
        """Make an offer; errors as for `MediaPeer`."""
        return await peer.offer(self._options)
