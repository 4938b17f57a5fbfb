"""Idempotency-Keys: what is known of a key after it was claimed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of a key, after it was claimed.

    Attributes:
        generation: Names this use of the key; new each time it is used again after a day.
        mine: Nobody else has it: do the work, and keep the answer.
        same: The request is the same as the one that came first.
        claimed_at: When this use of it began.
        status: Of the answer; None while it is being worked on.
        body: The answer.
    """

    generation: str
    mine: bool
    same: bool
    claimed_at: datetime
    status: int | None = None
    body: Any = None
