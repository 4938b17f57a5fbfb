"""Erasure of a person: how much was removed."""

from dataclasses import dataclass


@dataclass(slots=True)
class Erased:
    """How much was removed.

    Attributes:
        files: Transcripts and recordings.
        contact: Something was remembered, and is not any more.
        live: Calls that stay because they are not over.
    """

    calls: int = 0
    callbacks: int = 0
    bookings: int = 0
    jobs: int = 0
    files: int = 0
    contact: bool = False
    live: int = 0
