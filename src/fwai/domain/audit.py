"""What the audit list holds: which key changed what, when. No I/O.

No body, no word and no whole number stands in it: an object is an id of ours, a tool's name, or a
number's last four digits.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

ERASED: Final = "erased"
"""What stands in place of an object that was a person's, once they were erased."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One request that changed something, or tried to.

    Attributes:
        id: Ours.
        at: When it was answered.
        key: Name of the key.
        role: The key's role at that time.
        address: Where the request's connection came from; empty when that is not known.
        action: What was asked, such as ``hang_up``.
        object: What it was done to; empty when it is nothing in particular, or does not exist.
        status: Of the answer; from 400 on nothing was done.
    """

    id: str
    at: datetime
    key: str
    role: str
    address: str
    action: str
    object: str
    status: int
