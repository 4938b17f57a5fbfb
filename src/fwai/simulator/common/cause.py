"""How a call ended: by whom, and with which of the provider's causes."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class HangupCause:
    """A provider's name and number for the end of a call.

    Attributes:
        name: Its name.
        code: Its number, as text; may be empty.
        cause: The carrier's word for it, where the provider tells that too.
        status: How the call stands then, in the provider's words.
    """

    name: str
    code: str
    cause: str = "NORMAL_CLEARING"
    status: str = "completed"


# What a caller's own hanging up and losing the line are called in every report, as Plivo does.
NORMAL: Final = HangupCause("Normal Hangup", "4000")
FAILED: Final = HangupCause("Network Error", "5000", "NETWORK_OUT_OF_ORDER", "failed")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended.

    Attributes:
        by: Who ended it, in the words of ``CallReport.ended_by``.
        cause: What the provider calls it.
        source: Which side, in the provider's words.
        told: Whether the server is told.
    """

    by: str
    cause: HangupCause
    source: str
    told: bool = True
