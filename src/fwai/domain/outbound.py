"""Outbound calls: requests, accepted calls, and the rules for dialling."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from fwai.domain.call import Call, CallId, CallState
from fwai.domain.hours import CallingHours
from fwai.domain.phone import CountryAllowList
from fwai.errors import FieldError

NEW: Final = CallId("")
EVERYWHERE: Final = CountryAllowList()
WHATSAPP: Final = "whatsapp"  # its users are called by name, and cost the same everywhere


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A request to call somebody.

    Attributes:
        to: Their number.
        provider: Who carries it; empty takes the first of ``CALL_PROVIDER``.
        agent: Who speaks; empty takes the first of prompts.json.
        context: Values for the prompt's placeholders.
        webhook_url: Where its events go besides the operator's own address.
        not_before: When it may be dialled at the earliest, aware.
        callback_id: The callback it is made for.
        call_id: A chosen id, which makes the request idempotent; empty makes a new one.
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
    """An accepted request; the call will be dialled.

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
    """Rules for outbound calls: providers, agents, calling hours, countries.

    Attributes:
        providers: Those that can place calls, the default one first; with our number there.
        agents: Those of prompts.json, the default one first.
        reach: Countries that may be called by telephone.
    """

    providers: Mapping[str, str]
    agents: Sequence[str]
    hours: CallingHours
    zone: ZoneInfo
    reach: CountryAllowList = EVERYWHERE

    def check_reach(self, number: str, provider: str = "") -> None:
        """Refuse a number that may not be called.

        Args:
            number: E.164.
            provider: Who carries the call; empty is the default one.

        Raises:
            FieldError: It is in no country that may be called.
        """
        if refusal := out_of_reach(number, self.reach, provider, self.providers):
            raise FieldError("to", f"{refusal} CALLING_COUNTRIES has the list")


def out_of_reach(
    number: str, reach: CountryAllowList, provider: str, providers: Iterable[str]
) -> str:
    """Return why a number may not be called, in one sentence; empty when it may be.

    Args:
        number: E.164.
        reach: Countries that may be called by telephone.
        provider: Who carries the call; empty is the default one.
        providers: Those that can place calls, the default one first.
    """
    carrier = provider or next(iter(providers), "")
    return "" if carrier == WHATSAPP or reach.allows(number) else reach.refusal(number)
