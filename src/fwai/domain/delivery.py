"""How messages fare: providers' reports, and which of two reports is the later one. No I/O.

Theory of operation. Reports of a message overtake each other, come twice and come to any process,
so it is not their arrival that orders them but their word. Each word has a rank, and a bound: it is
an advance over what is known when that ranks below the bound. On the way (queued, sent) the bound
is the rank itself. A message that arrived or failed has met its end: a second end of another kind
changes nothing, only that it was read follows its delivery.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_WORD: Final = 60
NOTHING_KNOWN: Final = -1
UNHEARD_OF: Final = 30
"""Rank of a word that we do not know: later than any on the way, earlier than any end."""
FINAL: Final = 40
"""From here on nothing but a reading can follow."""
WINDOW_CLOSED: Final = "131047"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a report's word stands among the others.

    Attributes:
        rank: What is known of the message afterwards.
        above: The report is an advance when what is known ranks below this.
    """

    rank: int
    above: int


@dataclass(frozen=True, slots=True)
class MessageReport:
    """What a provider says of a message.

    Attributes:
        provider: Who says it, such as ``plivo``.
        message_id: The provider's id of the message.
        status: Its word for how the message fares.
        reference: What the message was sent with: our job's id; empty when it does not say.
        error: Its code for what went wrong; empty when nothing did.
    """

    provider: str
    message_id: str
    status: str
    reference: str = ""
    error: str = ""

    @property
    def standing(self) -> Standing:
        """Where its word stands."""
        return standing(self.status, self.error)

    @property
    def asks_for_template(self) -> bool:
        """Whether WhatsApp refused a text because only a template may be sent by now."""
        refused = self.standing.rank == _FAILED.rank
        return self.provider == "whatsapp" and refused and WINDOW_CLOSED in self.error.split()


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that a provider took.

    Attributes:
        provider: Who took it.
        message_id: Its id there.
        reference: The id of the job that sent it; empty for none.
        recipient: Whom it goes to, E.164 or the provider's id of a user.
        fallback: The template that goes out if the text is refused, or None.
    """

    provider: str
    message_id: str
    reference: str = ""
    recipient: str = ""
    fallback: Mapping[str, Any] | None = None


_DELIVERED: Final = Standing(FINAL, FINAL)
_READ: Final = Standing(50, 50)
_FAILED: Final = Standing(60, FINAL)
_ON_THE_WAY: Final[Mapping[str, int]] = {
    "accepted": 10,  # Meta
    "queued": 10,
    "scheduled": 10,
    "sending": 12,  # Exotel
    "pending": 14,
    "submitted": 16,  # Exotel: given to the operator
    **dict.fromkeys(
        (f"delivered_to_{who}" for who in ("operator", "carrier", "network", "smsc", "gateway")), 18
    ),
    "sent": 20,
}
_ENDS: Final[Mapping[str, Standing]] = {
    "delivered": _DELIVERED,
    "read": _READ,
    "played": _READ,
    "seen": _READ,
    "failed": _FAILED,
    "undelivered": _FAILED,
    "undeliverable": _FAILED,
    "rejected": _FAILED,
    "expired": _FAILED,
    "deleted": _FAILED,
    "blocked": _FAILED,
}
_SIGNS_OF_FAILURE: Final = (
    "fail", "undeliver", "not_deliver", "not_sent", "reject", "expire", "block", "invalid", "error",
)  # fmt: skip


def standing(status: str, error: str = "") -> Standing:
    """Return where a provider's word stands.

    Long forms such as Exotel's ``DELIVERED_TO_HANDSET``, ``FAILED_DND`` and ``PENDING_OPERATOR``
    count as the word they begin with, unless they say that it failed (``PENDING_EXPIRED``) or an
    error comes with them. A word that nobody knows is a failure in the same cases.
    """
    word = status.strip().lower().replace("-", "_").replace(" ", "_")
    known = _known(word)
    if known is None and (error or any(sign in word for sign in _SIGNS_OF_FAILURE)):
        return _FAILED
    return known or _known(word.partition("_")[0]) or Standing(UNHEARD_OF, UNHEARD_OF)


def _known(word: str) -> Standing | None:
    if word in _ON_THE_WAY:
        return Standing(_ON_THE_WAY[word], _ON_THE_WAY[word])
    return _ENDS.get(word)
