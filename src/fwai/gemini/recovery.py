"""What to try after a Live connection was lost. No I/O, no clock.

Resume by handle first: the service then knows the conversation. A handle that is refused, or whose
session dies again at once, may restore a broken state and is given up for a fresh session, seeded
with our own transcript. Tries are spread over the time that a caller waits: `WAIT_S` after the
model was last of use. Within a call that it has served, no refusal is final: services refuse for a
moment what they accept again a second later. What is refused from the start is not asked for
again, unless it may be a matter of time.
"""

from dataclasses import dataclass
from typing import Final

from fwai.errors import AgentError
from fwai.gemini.faults import QUOTA

WAIT_S: Final = 20.0
"""How long a caller waits for an agent that was lost, in seconds."""
BACKOFF_S: Final = (0.0, 0.25, 0.5, 1.0, 2.0)
THROTTLED_S: Final = (1.0, 2.0, 4.0)
"""Pauses when the quota is used up, or requests are too many."""
STABLE_S: Final = 10.0
FAST_DEATHS: Final = 2
REFUSALS: Final = frozenset({1007, 1008})
"""Close codes that judge the set-up message itself, when they come in answer to it."""
CLOSE_CODES: Final = 1000
"""Codes from here on are WebSocket closes, those below are HTTP statuses."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The next try.

    Attributes:
        delay_s: How long to wait before it.
        resume: Whether to use the handle; if not, it is no good any more.
    """

    delay_s: float
    resume: bool


class Recovery:
    """Says what to try, over the life of one call; ``now`` is any monotonic time in seconds."""

    def __init__(self) -> None:
        self._since: float | None = None  # when the model was lost that is not back yet
        self._tries = 0
        self._fast_deaths = 0
        self._ever = False

    def of_use(self) -> None:
        """The model speaks or acts: what was lost is back."""
        self._since = None
        self._tries = 0

    def served(self, lived_s: float) -> None:
        """A connection was open so long: what was lost before is back if it was stable."""
        if lived_s >= STABLE_S:
            self.of_use()
            self._fast_deaths = 0

    def after(
        self, error: AgentError, *, now: float, lived_s: float | None, handle: bool, resumed: bool
    ) -> Attempt | None:
        """Say what to try after ``error``, or None to give up.

        Args:
            error: Why the connection ended or could not be opened.
            now: The time.
            lived_s: How long it had been open; None when it never opened.
            handle: Whether there is a handle to resume with.
            resumed: Whether the connection in question was opened with a handle.
        """
        self._count(error, lived_s, resumed=resumed)
        if self._since is None:
            self._since = now
        refused = lived_s is None and error.code in REFUSALS
        final = not (error.resumable or error.fresh) or (refused and not resumed)
        if final and not self._ever:
            return None
        resume = handle and error.resumable and not refused and self._fast_deaths < FAST_DEATHS
        delay_s = 0.0 if refused and resumed else self._pause(error)
        self._tries += 1
        return None if now + delay_s - self._since > WAIT_S else Attempt(delay_s, resume)

    def _pause(self, error: AgentError) -> float:
        pauses = THROTTLED_S if error.fault == QUOTA.name else BACKOFF_S
        return pauses[min(self._tries, len(pauses) - 1)]

    def _count(self, error: AgentError, lived_s: float | None, *, resumed: bool) -> None:
        self._ever |= lived_s is not None
        if lived_s is not None and lived_s >= STABLE_S:
            self.served(lived_s)
        elif resumed and (lived_s is not None or (error.code or 0) >= CLOSE_CODES):
            # Closed soon, or in answer to the handle: not the link, which would give no code.
            self._fast_deaths += 1
