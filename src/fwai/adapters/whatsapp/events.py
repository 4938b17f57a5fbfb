"""Events of Meta's webhooks, as plain values. No I/O.

Every field may be missing on the wire: text is then empty, numbers and times are None.
"""

from dataclasses import dataclass, field

from fwai.domain.call import CallState, Direction


@dataclass(frozen=True, slots=True)
class Party:
    """A WhatsApp user; both fields are empty when Meta names neither.

    Attributes:
        number: E.164; empty for users who hide it behind a user name.
        user_id: Business-scoped user id, such as ``IN.123``.
    """

    number: str = ""
    user_id: str = ""

    @property
    def key(self) -> str:
        """Storage key of this user."""
        return self.number or self.user_id


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as Meta reports it; only the code is always there."""

    code: int
    title: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class CallConnect:
    """SDP of a call: the offer of an inbound one, the answer to an outbound one.

    Attributes:
        line: Our number, E.164.
        at: When Meta says it happened, Unix time.
        reference: What we gave to an outbound call (``biz_opaque_callback_data``).
    """

    call_id: str
    direction: Direction
    user: Party
    line: str
    at: float | None
    sdp: str = field(repr=False, default="")
    reference: str = ""


@dataclass(frozen=True, slots=True)
class CallTerminated:
    """The end of a call, whoever ended it.

    Attributes:
        direction: None when Meta does not say.
        status: ``COMPLETED``, ``FAILED`` or another word, in capitals.
        duration_s: None when it was never picked up.
    """

    call_id: str
    direction: Direction | None
    user: Party
    status: str
    duration_s: float | None
    at: float | None = None
    problems: tuple[Problem, ...] = ()
    reference: str = ""

    @property
    def cause(self) -> str:
        """Cause for logs and records."""
        codes = " ".join(str(one.code) for one in self.problems)
        return f"{self.status.lower()} {codes}".strip()

    def state(self, direction: Direction) -> CallState:
        """Map to a final state; Meta calls an unanswered call ``COMPLETED`` without a duration."""
        match self.status:
            case "REJECTED":
                return CallState.REJECTED
            case "FAILED":
                return CallState.FAILED
            case _ if self.duration_s is not None:
                return CallState.COMPLETED
            case _ if self.problems:
                return CallState.FAILED
        return CallState.CANCELED if direction is Direction.INBOUND else CallState.NO_ANSWER


@dataclass(frozen=True, slots=True)
class CallProgress:
    """Status of an outbound call: ringing, accepted or rejected; in capitals."""

    call_id: str
    status: str
    user: Party
    at: float | None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class PermissionReply:
    """A grant or revocation of a user's call permission.

    Attributes:
        automatic: Without a tap of the user: after a callback, or revoked after unanswered calls.
        expires_at: Unix time; only for a temporary permission.
    """

    id: str
    user: Party
    accepted: bool
    permanent: bool
    automatic: bool
    expires_at: float | None
    at: float | None


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message or voicemail from a user; its content is not stored.

    Attributes:
        kind: ``text``, ``audio``, ``button`` and so on, or ``voicemail``.
    """

    id: str
    user: Party
    kind: str
    at: float | None


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """Delivery status of a message: ``sent``, ``delivered``, ``read`` or ``failed``.

    Attributes:
        reference: What we sent it with (``biz_opaque_callback_data``).
    """

    id: str
    status: str
    user: Party
    at: float | None
    problems: tuple[Problem, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Calling settings of a number that matter here; in capitals, empty if missing."""

    phone_number_id: str
    calling: str
    sip: str
    callback_permission: str


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """The account was warned or restricted."""

    event: str
    restrictions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateChanged:
    """A template was approved, paused, disabled or rejected."""

    name: str
    language: str
    event: str


@dataclass(frozen=True, slots=True)
class ErrorsReported:
    """Errors that belong to no call or message of the payload, such as no payment method."""

    problems: tuple[Problem, ...]


Event = (
    CallConnect
    | CallTerminated
    | CallProgress
    | PermissionReply
    | MessageReceived
    | MessageStatus
    | SettingsChanged
    | AccountChanged
    | TemplateChanged
    | ErrorsReported
)
