"""Whether a user may be called, asked, or written to freely: what is kept of it and how it changes.

Everything here is a value and a function of it; the store applies changes in a transaction. No I/O.

Source: Meta "Obtain user call permissions", "Business-initiated calls" and the 24-hour window; read
2026-11-22. Meta's ``can_perform_action`` is the truth; these limits spare users and requests.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

DAY_S: Final = 86_400.0
WINDOW_S: Final = DAY_S
ASKS_A_DAY: Final = 1
ASKS_A_WEEK: Final = 2
REVOKED_AFTER: Final = 4  # calls in a row that were not answered
TEMPORARY_S: Final = 168 * 3600.0
FRESH_S: Final = 60.0  # what Meta said is not asked again so soon


class Grant(enum.StrEnum):
    """What a user lets us do."""

    UNKNOWN = "unknown"
    NONE = "none"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class CallPermission:
    """What is kept of one user; times are Unix time, 0 is never.

    Attributes:
        expires_at: Of a temporary grant.
        asked_at: When permission was asked for, since the last connected call, a week at most.
        unanswered: Calls of ours in a row that were not answered.
        user_at: When the user last wrote, called or took a call: opens the 24-hour window.
        checked_at: When Meta last said how it stands.
    """

    grant: Grant = Grant.UNKNOWN
    expires_at: float = 0.0
    asked_at: tuple[float, ...] = ()
    unanswered: int = 0
    user_at: float = 0.0
    checked_at: float = 0.0

    def may_call(self, now: float) -> bool:
        """Whether what is known says that the user permits calls."""
        if self.grant is Grant.TEMPORARY:
            return now < self.expires_at
        return self.grant is Grant.PERMANENT

    def may_ask(self, now: float) -> bool:
        """Whether Meta's limits allow to ask for permission now."""
        recent = [at for at in self.asked_at if now - at < 7 * DAY_S]
        today = [at for at in recent if now - at < DAY_S]
        return (
            len(today) < ASKS_A_DAY
            and len(recent) < ASKS_A_WEEK
            and self.grant is not Grant.PERMANENT
        )

    def window_open(self, now: float) -> bool:
        """Whether text may be sent without a template."""
        return self.user_at > 0 and now - self.user_at < WINDOW_S

    # ---- how it changes -------------------------------------------------------------------------

    def asked(self, now: float) -> "CallPermission":
        """Permission was asked for."""
        return replace(
            self, asked_at=(*(at for at in self.asked_at if now - at < 7 * DAY_S), now)[-8:]
        )

    def replied(
        self, now: float, *, accepted: bool, permanent: bool, expires_at: float | None
    ) -> "CallPermission":
        """The user, or Meta for the user, granted or took back."""
        if not accepted:
            return replace(self, grant=Grant.NONE, expires_at=0.0)
        if permanent:
            return replace(self, grant=Grant.PERMANENT, expires_at=0.0, unanswered=0)
        until = expires_at if expires_at is not None else now + TEMPORARY_S
        return replace(self, grant=Grant.TEMPORARY, expires_at=until, unanswered=0)

    def connected(self, now: float) -> "CallPermission":
        """A call with the user was connected; that resets the limits and opens the window."""
        return replace(self, asked_at=(), unanswered=0, user_at=max(self.user_at, now))

    def missed(self) -> "CallPermission":
        """A call of ours was not answered; in the end Meta takes the permission back."""
        unanswered = self.unanswered + 1
        if unanswered >= REVOKED_AFTER:
            return replace(self, grant=Grant.NONE, expires_at=0.0, unanswered=unanswered)
        return replace(self, unanswered=unanswered)

    def refused(self) -> "CallPermission":
        """Meta said that there is no permission (138006)."""
        return replace(self, grant=Grant.NONE, expires_at=0.0)

    def heard_from(self, at: float) -> "CallPermission":
        """The user wrote or called."""
        return replace(self, user_at=max(self.user_at, at))

    def said_by_meta(self, answer: Mapping[str, Any], now: float) -> "CallPermission":
        """Meta answered how it stands."""
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
                grant, expires_at = Grant.TEMPORARY, expires_at or now + FRESH_S
            case _:
                grant, expires_at = Grant.NONE, 0.0
        return replace(self, grant=grant, expires_at=expires_at, checked_at=now)


def can(answer: Mapping[str, Any], action: str) -> bool | None:
    """Return whether Meta allows ``start_call`` or ``send_call_permission_request``, if it says."""
    actions = answer.get("actions")
    for one in actions if isinstance(actions, list) else ():
        if isinstance(one, dict) and one.get("action_name") == action:
            return one.get("can_perform_action") is True
    return None
