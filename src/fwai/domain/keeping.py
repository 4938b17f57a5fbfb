"""How long calls and recordings are kept, and what was removed because that time was over.

A day is 24 hours, counted back from the moment of the removal; neither midnight nor daylight saving
time has a part in it.
"""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

CALLS_DAYS: Final = 365
RECORDINGS_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class KeepTime:
    """How long something is kept.

    Attributes:
        days: Of 24 hours; 0 is for ever.
        not_before: Files of earlier days stay though nothing in the database names them, because
            nobody said that they may go; None where somebody did.
    """

    days: int
    not_before: datetime | None = None

    def end(self, now: datetime) -> datetime | None:
        """Return the moment up to which everything is too old at ``now``; None when nothing is."""
        return now - timedelta(days=self.days) if self.days else None


@dataclass(frozen=True, slots=True)
class KeepTimes:
    """How long everything is kept.

    Attributes:
        calls: Calls with all that was said and done in them, and what is known of people.
        recordings: The sound of calls.
    """

    calls: KeepTime
    recordings: KeepTime


def keep_time(days: int | None, default: int, new_since: datetime | None) -> KeepTime:
    """Return how long something is kept.

    Args:
        days: What the owner set; None when nothing is.
        default: The days then, on an installation that was begun with them.
        new_since: When that was; None for an older one, which keeps everything until its owner
            sets the days.
    """
    if days is not None:
        return KeepTime(days)
    return KeepTime(0) if new_since is None else KeepTime(default, new_since)


@dataclass(slots=True)
class Removed:
    """Counts of what one run removed.

    Attributes:
        calls: With their turns and tool calls.
        words: Calls that stay because of their recording, without what was said in them.
        transcripts: Files.
        recordings: Files.
        bytes: Of both.
        callbacks: Those that were over.
        bookings: Demos that were over.
        memories: Entries about earlier calls, of all people.
        contacts: People of whom nothing is known any more.
        permissions: WhatsApp users of whom nothing was heard.
        audit: Entries of the audit list.
        failed: Files and folders that cannot be removed or read; tried again the next day.
        more: There was no time for all of it.
    """

    calls: int = 0
    words: int = 0
    transcripts: int = 0
    recordings: int = 0
    bytes: int = 0
    callbacks: int = 0
    bookings: int = 0
    memories: int = 0
    contacts: int = 0
    permissions: int = 0
    audit: int = 0
    failed: int = 0
    more: bool = False

    def counts(self) -> dict[str, int | bool]:
        """Return the counts by name, for a log or a job's result."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
