"""Meta's error codes: description, retry policy and resulting call state. No I/O.

Source: Meta "Troubleshoot WhatsApp Calling errors" and Cloud API error codes; read 2026-11-22.
"""

import enum
from dataclasses import dataclass
from typing import Final

from fwai.domain.call import CallState


class Retry(enum.Enum):
    """Whether a retry of the same request can succeed."""

    NEVER = "never"
    ONCE = "once"  # at once
    LATER = "later"  # after a while


@dataclass(frozen=True, slots=True)
class Meaning:
    """Meaning of an error code.

    Attributes:
        words: Description for an operator, with the fix if there is one.
        state: Final state of a call that failed with it.
    """

    words: str
    retry: Retry = Retry.NEVER
    state: CallState = CallState.FAILED


TOKEN: Final = 190
WINDOW_CLOSED: Final = 131047
NO_PERMISSION: Final = 138006
PERMISSION_LIMIT: Final = 138009
PERMANENT_PERMISSION: Final = 138017
NO_PAYMENT: Final = 131044

AUTH: Final = frozenset({0, TOKEN, 3, 10, *range(200, 300), 131005})

_CALLING: Final = {
    100: Meaning("a parameter or the session description was refused"),
    613: Meaning("permissions were looked up too often", Retry.LATER),
    131009: Meaning("a parameter is not allowed, or not in this country"),
    131030: Meaning("the number is not on the test number's list; add it in the app dashboard"),
    131044: Meaning("no payment method; add one in WhatsApp Manager"),
    131055: Meaning("the number is set to SIP; disable SIP to use the Graph API"),
    138000: Meaning("calling is not enabled for the number; enable it in its settings"),
    138001: Meaning("the user cannot be called"),
    138002: Meaning("1000 calls at once are the limit", Retry.LATER),
    138003: Meaning("there is a call with this user already", state=CallState.BUSY),
    138004: Meaning("Meta could not connect the call", Retry.ONCE),
    138005: Meaning("calls are placed too fast", Retry.LATER),
    138006: Meaning("the user has not permitted calls; ask first"),
    138007: Meaning("the session description was not applied in time", Retry.ONCE),
    138009: Meaning("the user was asked for permission too often; wait"),
    138011: Meaning("exchange a message with the user first"),
    138012: Meaning("100 calls with this user in 24 hours are the limit", Retry.LATER),
    138013: Meaning("numbers of this country may not place calls"),
    138014: Meaning("calling is paused because of low quality; wait"),
    138015: Meaning("calling needs a messaging limit of 2000 or more"),
    138017: Meaning("the user has permitted calls for good; no need to ask"),
    138018: Meaning("no app is subscribed to calls; subscribe the app's webhook"),
    138019: Meaning("the call could not be set up"),
    138020: Meaning("Meta's relay failed"),
    138021: Meaning("Meta heard no media from us; check outgoing UDP"),
    138022: Meaning("Meta could not send its media"),
    138023: Meaning("the call was accepted and no media came"),
}
_GENERAL: Final = {
    0: Meaning("the token was refused; issue a new one"),
    3: Meaning("the app lacks a permission"),
    4: Meaning("the app makes too many requests", Retry.LATER),
    10: Meaning("the token lacks a permission"),
    33: Meaning("the number id is unknown to this token; check PHONE_NUMBER_ID"),
    190: Meaning("the token has expired or is invalid; issue a new one"),
    368: Meaning("the account is blocked for a policy violation"),
    80007: Meaning("the account makes too many requests", Retry.LATER),
    130429: Meaning("messages are sent too fast", Retry.LATER),
    130472: Meaning("the user is in an experiment of Meta and gets no such messages"),
    131000: Meaning("Meta had an unknown problem", Retry.LATER),
    131005: Meaning("the token lacks a permission"),
    131008: Meaning("a parameter is missing"),
    131016: Meaning("Meta is overloaded", Retry.LATER),
    131021: Meaning("sender and recipient are the same"),
    131026: Meaning("the message cannot be delivered to this user"),
    131031: Meaning("the account is locked"),
    131037: Meaning("the number's display name is not approved"),
    131042: Meaning("no payment method; add one in WhatsApp Manager"),
    131045: Meaning("the number is not registered"),
    131047: Meaning("more than 24 hours since the user's last message; use a template"),
    131048: Meaning("too many messages were reported as spam"),
    131049: Meaning("Meta's limit of marketing messages for this user; wait"),
    131050: Meaning("the user wants no marketing messages"),
    131051: Meaning("the message's type is not supported"),
    131052: Meaning("media could not be downloaded"),
    131053: Meaning("media could not be uploaded"),
    131056: Meaning("too many messages to this user", Retry.LATER),
    131057: Meaning("the account is in maintenance", Retry.LATER),
    132000: Meaning("the template needs another number of parameters"),
    132001: Meaning("there is no such template in this language"),
    132005: Meaning("the template's text becomes too long"),
    132007: Meaning("the template breaks a policy"),
    132012: Meaning("a template parameter has the wrong form"),
    132015: Meaning("the template is paused"),
    132016: Meaning("the template is disabled"),
    132018: Meaning("a template parameter has characters that are not allowed"),
    133016: Meaning("the number was registered too often; wait", Retry.LATER),
    135000: Meaning("the message was refused"),
}
_MEANINGS: Final = _GENERAL | _CALLING


def meaning(code: int | None, status: int | None = None) -> Meaning:
    """Look up an error code; an unknown one by its HTTP status."""
    known = _MEANINGS.get(code) if code is not None else None
    if known is not None:
        return known
    if status == 429:
        return Meaning("too many requests", Retry.LATER)
    if status is not None and status >= 500:
        return Meaning("Meta's server failed", Retry.ONCE)
    return Meaning("Meta refused it")
