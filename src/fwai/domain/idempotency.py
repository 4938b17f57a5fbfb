"""Claims of Idempotency-Keys."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Claim:
    """The state of an Idempotency-Key after it was claimed.

    Attributes:
        generation: Id of this use of the key; new each time it is used again after a day.
        mine: This request was first: do the work, and store the response.
        same: The request equals the first one with this key.
        claimed_at: When this use of it began.
        status: Status of the stored response; None while the work is in progress.
        body: The stored response.
    """

    generation: str
    mine: bool
    same: bool
    claimed_at: datetime
    status: int | None = None
    body: Any = None
