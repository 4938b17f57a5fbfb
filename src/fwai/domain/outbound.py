"""Outbound calls: what is asked for, what was accepted, and whom and when this server may call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.call import Call, CallId, CallState
from fwai.domain.hours import CallingHours
from fwai.domain.phone import Reach

NEW: Final = CallId("")
EVERYWHERE: Final = Reach()


@dataclass(frozen=True, slots=True)
class CallRequest:
    """Somebody is to be called.

    Attributes:
        to: Their number.
        provider: Who carries it; empty takes the first of ``CALL_PROVIDER``.
        agent: Who speaks; empty takes the first of prompts.json.
        context: Values for the prompt's placeholders.
        webhook_url: Where its events go besides the operator's own address.
        not_before: When it may be dialled at the earliest, aware.
        callback_id: The callback it is made for.
        call_id: A chosen id, so that asking twice is asking once; empty makes a new one.
        until: When it is no longer worth dialling; None is a day after its time.
    """

    to: str
    provider: str = ""
    agent: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str = ""
    not_before: datetime | None = None
    callback_id: str = ""
    call_id: CallId = NEW
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AcceptedCall:
    """A call that was accepted to be dialled.

    Attributes:
        state: ``queued``, or ``scheduled`` when it must wait for its time.
        due_at: When it will be dialled.
        new: False when its id was known already.
    """

    call: Call
    state: CallState
    due_at: datetime
    new: bool


@dataclass(frozen=True, slots=True)
class DialRules:
    """When and whom this server may call.

    Attributes:
        providers: Those that can place calls, the default one first; with our number there.
        agents: Those of prompts.json, the default one first.
        reach: Countries that may be called by telephone.
    """

    providers: Mapping[str, str]
    agents: Sequence[str]
    hours: CallingHours
    zone: ZoneInfo
    reach: Reach = EVERYWHERE
