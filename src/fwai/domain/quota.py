"""Daily limits of what callers can have sent: per server, whatever numbers they show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NEW_RECIPIENTS: Final = "new_recipients"
"""Those a caller dictated who were never written to before, of all kinds of messages together."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What may be sent in one day.

    Attributes:
        name: Of what; it stands in the database and in events.
        most: How many a day; 0 is none.
        label: Names it in words that an agent can say, such as "text messages to other numbers".
        setting: Which setting raises it.
    """

    name: str
    most: int
    label: str
    setting: str

    @property
    def fix(self) -> str:
        """What an operator can do about it."""
        return (
            f"look in the transcripts of the day who asked for them; raise {self.setting} if that "
            "is right"
        )


def quota_data(quota: Quota, day: str) -> Mapping[str, Any]:
    """Build the data of the event that tells of a limit that was reached on a day."""
    return {
        "limit": quota.name,
        "most": quota.most,
        "day": day,
        "setting": quota.setting,
        "fix": quota.fix,
    }


class Unlimited:
    """Limits nothing. Implements ``MessageQuotas``."""

    async def take(self, name: str, recipient: str = "", asked_by: str = "") -> str:  # noqa: ARG002
        """Let it pass."""
        return ""

    async def give_back(self, name: str) -> None:
        """Forget it."""


UNLIMITED: Final = Unlimited()
