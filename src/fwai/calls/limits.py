"""How long things may last in a call, and what the agent is told when they do."""

from dataclasses import dataclass
from typing import Final

WARN_BEFORE_S: Final = 30.0

GREET: Final = "The call is connected. Greet the caller."
NEARLY_OVER: Final = "Half a minute is left. Say so and bring the conversation to a close."
STILL_THERE: Final = "The caller has been silent. Ask briefly whether they are still there."
SAY_GOODBYE: Final = "The caller does not answer. Say a short goodbye."
LEAVE_MESSAGE: Final = (
    "An answering machine has picked up. Leave a message of two short sentences: who calls, why, "
    "and that you will call again."
)
STAY: Final = "The transfer did not work. Say so, apologise, and offer a callback."


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long things may last.

    Attributes:
        max_call_s: The whole call, in seconds; the agent is told `WARN_BEFORE_S` before.
        quiet_s: Silence of both sides before the agent asks, in seconds.
        nudges: How often it asks before it says goodbye.
        dead_s: A stream that brings no audio at all for so long is broken, in seconds: carriers
            send silence, too.
    """

    max_call_s: float = 900.0
    quiet_s: float = 20.0
    nudges: int = 2
    dead_s: float = 15.0
