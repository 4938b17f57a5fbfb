"""What a call is as a row of ``calls``: when it begins and when it is closed."""

from datetime import datetime
from typing import Any, Final

from fwai.domain.call import FINAL_STATES, Call, CallEnding, CallState
from fwai.domain.instance import Owner
from fwai.store.tables import instant
from fwai.store.transcript_files import clean, clean_text

LINE_STATES: Final = frozenset({CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS})
FINAL_VALUES: Final = sorted(state.value for state in FINAL_STATES)


def new_call_row(call: Call, state: CallState, moment: datetime, owner: Owner) -> dict[str, Any]:
    """Return the row of a call that begins, carried by ``owner``."""
    return {
        "id": call.id,
        "provider": call.provider,
        "provider_call_id": call.provider_call_id,
        "direction": call.direction.value,
        "caller": call.caller,
        "line": call.line,
        "agent": call.agent,
        "state": state.value,
        "context": clean(call.context),
        "created_at": moment,
        "started_at": moment if state in LINE_STATES else None,
        "answered_at": moment if state is CallState.IN_PROGRESS else None,
        "written_at": moment,
        "instance": owner.id,
        "epoch": owner.epoch,
        "callback_id": call.callback_id or None,
        "webhook_url": call.webhook_url or None,
    }


def ending_values(ending: CallEnding, at: float) -> dict[str, Any]:
    """Return what closing a call changes in its row."""
    moment = instant(at)
    return {
        "state": ending.state.value,
        "end_reason": ending.reason.value,
        "ended_at": moment,
        "written_at": moment,
        "usage": clean(ending.usage) if ending.usage else None,
        "latency_ms": clean(ending.latency_ms) if ending.latency_ms else None,
        "audio_in_s": clean(ending.audio_in_s),
        "audio_out_s": clean(ending.audio_out_s),
        "cause": clean_text(ending.cause)[:120] or None,
    }
