"""Result of erasing a person's data."""

from dataclasses import dataclass


@dataclass(slots=True)
class Erased:
    """Counts of erased records.

    Attributes:
        files: Transcripts and recordings.
        contact: Whether memory of the person was erased.
        live: Calls that stay because they are not over.
    """

    calls: int = 0
    callbacks: int = 0
    bookings: int = 0
    jobs: int = 0
    files: int = 0
    contact: bool = False
    live: int = 0
