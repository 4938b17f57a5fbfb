"""WhatsApp call permission and 24-hour message window of a user, as a state machine.

Every change returns a new value; the store applies changes in a transaction. No I/O.

Source: Meta "Obtain user call permissions", "Business-initiated calls" and the 24-hour window; read
2026-11-22. Meta's ``can_perform_action`` is the truth; these limits spare users and requests.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

DAY_S: Final = 86_400.0
WINDOW_S: Final = DAY_S
MAX_REQUESTS_PER_DAY: Final = 1
MAX_REQUESTS_PER_WEEK: Final = 2
MAX_UNANSWERED: Final = 4  # calls in a row that were not answered
TEMPORARY_S: Final = 168 * 3600.0
RECHECK_S: Final = 60.0  # Meta's API is not asked again within this time


class Grant(enum.StrEnum):
    """The call permission that a user granted."""

    UNKNOWN = "unknown"
    NONE = "none"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class CallPermission:
    """Permission state of one user; times are Unix time, 0 is never.

    Attributes:
        expires_at: Of a temporary grant.
        asked_at: When permission was asked for, since the last connected call, a week at most.
        unanswered: Calls of ours in a row that were not answered.
        user_at: When the user last wrote, called or took a call: opens the 24-hour window.
        checked_at: When Meta's API last reported the state.
        replied_at: When the user last granted or revoked it: what they said before that, and comes
            late or again, changes nothing.
    """

    grant: Grant = Grant.UNKNOWN
    expires_at: float = 0.0
    asked_at: tuple[float, ...] = ()
    unanswered: int = 0
    user_at: float = 0.0
    checked_at: float = 0.0
    replied_at: float = 0.0

    def may_call(self, now: float) -> bool:
        """Whether the stored state permits calls."""
        if self.grant is Grant.TEMPORARY:
            return now < self.expires_at
        return self.grant is Grant.PERMANENT

    def may_ask(self, now: float) -> bool:
        """Whether Meta's limits allow a permission request now."""
        recent = [at for at in self.asked_at if now - at < 7 * DAY_S]
        today = [at for at in recent if now - at < DAY_S]
        return (
            len(today) < MAX_REQUESTS_PER_DAY
            and len(recent) < MAX_REQUESTS_PER_WEEK
            and self.grant is not Grant.PERMANENT
        )

    def window_open(self, now: float) -> bool:
        """Whether the 24-hour window is open, so that text needs no template."""
        return self.user_at > 0 and now - self.user_at < WINDOW_S

    # ---- how it changes -------------------------------------------------------------------------

    def asked(self, now: float) -> "CallPermission":
        """Record a permission request."""
        return replace(
            self, asked_at=(*(at for at in self.asked_at if now - at < 7 * DAY_S), now)[-8:]
        )

    def replied(
        self, at: float, *, accepted: bool, permanent: bool, expires_at: float | None
    ) -> "CallPermission":
        """Record a grant or a revocation, unless a later one is known.

        Of two at the same second the revocation counts, and the same grant again is none.
        """
        if at < self.replied_at or (accepted and at == self.replied_at > 0):
            return self
        known = replace(self, replied_at=at)
        if not accepted:
            return replace(known, grant=Grant.NONE, expires_at=0.0)
        if permanent:
            return replace(known, grant=Grant.PERMANENT, expires_at=0.0, unanswered=0)
        until = expires_at if expires_at is not None else at + TEMPORARY_S
        return replace(known, grant=Grant.TEMPORARY, expires_at=until, unanswered=0)

    def connected(self, now: float) -> "CallPermission":
        """Record a connected call; it resets the limits and opens the window."""
        return replace(self, asked_at=(), unanswered=0, user_at=max(self.user_at, now))

    def missed(self) -> "CallPermission":
        """Record an unanswered call; after `MAX_UNANSWERED` in a row Meta revokes permission."""
        unanswered = self.unanswered + 1
        if unanswered >= MAX_UNANSWERED:
            return replace(self, grant=Grant.NONE, expires_at=0.0, unanswered=unanswered)
        return replace(self, unanswered=unanswered)

    def refused(self) -> "CallPermission":
        """Record that Meta reported no permission (138006)."""
        return replace(self, grant=Grant.NONE, expires_at=0.0)

    def heard_from(self, at: float) -> "CallPermission":
        """Record a message or call of the user."""
        return replace(self, user_at=max(self.user_at, at))

    def said_by_meta(self, answer: Mapping[str, Any], now: float) -> "CallPermission":
        """Take over the state that Meta's API reports."""
        permission = answer.get("permission")
        said = permission if isinstance(permission, dict) else {}
        try:
            expires_at = float(said.get("expiration_time") or said.get("expiration") or 0.0)
        except (TypeError, ValueError):
            expires_at = 0.0
        match said.get("status"):
            case "permanent":
                grant, expires_at = Grant.PERMANENT, 0.0
            case "temporary":
                grant, expires_at = Grant.TEMPORARY, expires_at or now + RECHECK_S
            case _:
                grant, expires_at = Grant.NONE, 0.0
        return replace(self, grant=grant, expires_at=expires_at, checked_at=now)


def action_allowed(answer: Mapping[str, Any], action: str) -> bool | None:
    """Whether Meta allows ``start_call`` or ``send_call_permission_request``; None if unsaid."""
    actions = answer.get("actions")
    for one in actions if isinstance(actions, list) else ():
        if isinstance(one, dict) and one.get("action_name") == action:
            return one.get("can_perform_action") is True
    return None
