"""What to try after a Live connection was lost. No I/O, no clock.

Resume by handle first: the service then knows the conversation. A handle that is refused, or whose
session dies again at once, may restore a broken state and is given up for a fresh session, seeded
with our own transcript. A set-up that is refused without a handle would be refused again. A link
that held for a while earns back its tries.
"""

from dataclasses import dataclass

from fwai.errors import AgentError

BACKOFF_S = (0.0, 0.25, 0.5, 1.0)
STABLE_S = 10.0
MAX_TRIES = 5
FAST_DEATHS = 2
REFUSALS = frozenset({1007, 1008})
"""Close codes that judge the set-up message itself, when they come in answer to it."""
CLOSE_CODES = 1000
"""Codes from here on are WebSocket closes, those below are HTTP statuses."""
TOO_MANY_REQUESTS = 429
THROTTLED_S = 1.0


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
    """Counts tries over the life of one call."""

    def __init__(self) -> None:
        self._tries = 0
        self._fast_deaths = 0
        self._throttled = False

    def after(
        self, error: AgentError, *, lived_s: float | None, handle: bool, resumed: bool
    ) -> Attempt | None:
        """Say what to try after ``error``, or None to give up.

        Args:
            error: Why the connection ended or could not be opened.
            lived_s: How long it had been open; None when it never opened.
            handle: Whether there is a handle to resume with.
            resumed: Whether the connection in question was opened with a handle.
        """
        self._count(error, lived_s, resumed=resumed)
        if not (error.resumable or error.fresh) or self._tries >= MAX_TRIES:
            return None
        refused = lived_s is None and error.code in REFUSALS
        if refused and not resumed:
            return None
        resume = handle and error.resumable and not refused and self._fast_deaths < FAST_DEATHS
        if not resume and not error.fresh:
            return None
        delay_s = BACKOFF_S[min(self._tries, len(BACKOFF_S) - 1)]
        self._tries += 1
        if error.code == TOO_MANY_REQUESTS:
            if self._throttled:
                return None
            self._throttled = True
            delay_s = THROTTLED_S
        return Attempt(delay_s, resume)

    def _count(self, error: AgentError, lived_s: float | None, *, resumed: bool) -> None:
        if lived_s is not None and lived_s >= STABLE_S:
            self._tries = self._fast_deaths = 0
            self._throttled = False
        elif resumed and (lived_s is not None or (error.code or 0) >= CLOSE_CODES):
            # Closed soon, or in answer to the handle: not the link, which would give no code.
            self._fast_deaths += 1
