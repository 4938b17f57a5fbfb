"""Result of erasing a person's data."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Remainder:
    """Something of a person that stays, and why."""

    what: str
    why: str


@dataclass(slots=True)
class Erased:
    """Counts of erased records.

    Attributes:
        files: Transcripts and recordings.
        contact: Whether memory of the person was erased.
        masked: Records of other people in which the person was masked.
        live: Calls that stay because they are not over.
        left: What else stays in this installation.
    """

    calls: int = 0
    callbacks: int = 0
    bookings: int = 0
    jobs: int = 0
    files: int = 0
    contact: bool = False
    masked: int = 0
    live: int = 0
    left: list[Remainder] = field(default_factory=list)
