"""What to try after a Live connection was lost. No I/O, no clock.

Resume by handle first: the service then knows the conversation. A handle that is refused, or whose
session dies again at once, may restore a broken state and is given up for a fresh session, seeded
with our own transcript. A link that held for a while earns back its tries.
"""

from dataclasses import dataclass

from fwai.errors import AgentError

BACKOFF_S = (0.0, 0.25, 0.5, 1.0)
STABLE_S = 10.0
MAX_TRIES = 5
FAST_DEATHS = 2


@dataclass(frozen=True, slots=True)
class Attempt:
    """The next try.

    Attributes:
        delay_s: How long to wait before it.
        resume: Whether to use the handle.
    """

    delay_s: float
    resume: bool


class Recovery:
    """Counts tries over the life of one call."""

    def __init__(self) -> None:
        self._tries = 0
        self._fast_deaths = 0

    def after(self, error: AgentError, *, lived_s: float | None, handle: bool) -> Attempt | None:
        """Say what to try after ``error``, or None to give up.

        Args:
            error: Why the connection ended or could not be opened.
            lived_s: How long it had been open; None when it never opened.
            handle: Whether there is a handle to resume with.
        """
        if not (error.resumable or error.fresh):
            return None
        if lived_s is not None and lived_s >= STABLE_S:
            self._tries = self._fast_deaths = 0
        elif lived_s is not None:
            self._fast_deaths += 1
        if self._tries >= MAX_TRIES:
            return None
        resume = handle and error.resumable and self._fast_deaths < FAST_DEATHS
        if not resume and not error.fresh:
            return None
        delay_s = BACKOFF_S[min(self._tries, len(BACKOFF_S) - 1)]
        self._tries += 1
        return Attempt(delay_s, resume)
