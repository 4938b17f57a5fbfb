"""What a caller gets whose agent cannot be brought back: by the settings, and what is possible."""

from collections.abc import Mapping
from typing import Final

import structlog

from fwai.calls.bounded_reads import BoundedReads
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.call import Call
from fwai.domain.hours import CallingHours
from fwai.domain.sentence import Fallback
from fwai.errors import FwaiError
from fwai.interfaces.calls import CallTransfer
from fwai.store.open import Store
from fwai.store.voice_messages import FOLDER, SUFFIX, VoiceMessages
from fwai.tools.callbacks import CallbackScheduler
from fwai.tools.soon_callback import SoonCallbacks
from fwai.tools.transfer_call import hand_over, transfer_line
from fwai.wiring.tools import ToolParts, call_transfers, recipient_rules

KEEP_S: Final = 5.0

_log = structlog.get_logger()


class AgentFallback:
    """Implements ``CallFallback``.

    Args:
        wanted: What the owner chose.
        transfers: Who transfers calls, by provider.
        callbacks: Promises callbacks.
        messages: Keeps what callers say.
        reads: Ends what takes longer than a caller waits.
    """

    def __init__(
        self,
        wanted: Fallback,
        transfers: Mapping[str, CallTransfer],
        callbacks: SoonCallbacks,
        messages: VoiceMessages,
        reads: BoundedReads,
    ) -> None:
        self._wanted = wanted
        self._transfers = transfers
        self._callbacks = callbacks
        self._messages = messages
        self._reads = reads

    def kind(self, call: Call) -> Fallback:
        """Return what this call's caller gets; a transfer only where one is possible."""
        if self._wanted is Fallback.APOLOGY or call.listen_only:
            return Fallback.APOLOGY
        if self._wanted is Fallback.TRANSFER and transfer_line(self._transfers, call) is not None:
            return Fallback.TRANSFER
        return Fallback.VOICEMAIL if self._callbacks.possible(call) else Fallback.APOLOGY

    async def transfer(self, call: Call) -> bool:
        """Connect the caller with a human once the media stream is closed; False when it failed.

        Waits for the provider for 10 s at most.
        """
        line = transfer_line(self._transfers, call)
        if line is None:
            return False
        try:
            return await hand_over(line, call.provider_call_id)
        except Exception as exc:  # noqa: BLE001 - the caller waits, whatever is wrong
            _log.exception("transfer_broken", error=type(exc).__name__)
            return False

    async def keep_message(self, call: Call, pcm: bytes, sample_rate: int) -> bool:
        """Keep what the caller said and write down that they are to be called back.

        Waits for disk and database for `KEEP_S` together. Of a message whose callback could not be
        written the file stays. The same message twice is kept once.

        Args:
            call: Whose it is.
            pcm: s16le mono, at most a minute.
            sample_rate: Of it, in Hz.

        Returns:
            False when either failed: then nobody may be told that it was done.
        """
        try:
            await self._reads.within(self._keep(call, pcm, sample_rate), KEEP_S)
        except (FwaiError, TimeoutError) as exc:
            reason = str(exc) if isinstance(exc, FwaiError) else "no answer in time"
            _log.error("voice_message_not_kept", reason=reason)
            return False
        except Exception as exc:  # noqa: BLE001 - the caller waits, whatever is wrong
            _log.exception("voice_message_broken", error=type(exc).__name__)
            return False
        return True

    async def _keep(self, call: Call, pcm: bytes, sample_rate: int) -> None:
        await self._messages.keep(call.id, pcm, sample_rate)
        note = f"left a voice message: {FOLDER}/{call.id}{SUFFIX}"
        callback = await self._callbacks.promise(call, note)
        _log.info("voice_message_kept", callback_id=callback.id)


def agent_fallback(
    settings: Settings,
    agents: Mapping[str, AgentProfile],
    store: Store,
    parts: ToolParts,
    reads: BoundedReads,
) -> AgentFallback:
    """Build what stands in for agents, of the parts that their tools are built of."""
    scheduler = CallbackScheduler(
        store.callbacks,
        parts.announce,
        settings.call_provider,
        next(iter(agents)),
        recipient_rules(settings),
        parts.quotas,
    )
    hours = CallingHours.parse(settings.calling_hours)
    callbacks = SoonCallbacks(scheduler, store.contacts, zone=settings.zone, hours=hours)
    return AgentFallback(
        settings.fallback, call_transfers(parts.providers), callbacks, store.voice_messages, reads
    )
