"""Keys the caller presses, gathered until they can be told to the agent."""

from typing import Final

QUIET_S: Final = 1.5  # after it nothing more seems to follow
LATEST_S: Final = 10.0  # from the first key, while somebody talks
LONGEST_S: Final = 20.0  # from the first key, while more keys come
MAX_KEYS: Final = 32  # told at once; no number is longer, and nobody presses more in a second
DONE: Final = "#"  # as telephones end what is typed


class KeyCollector:
    """Gathers keys; ``now`` is the session clock's time in seconds."""

    def __init__(self) -> None:
        self._digits = ""
        self._first_at = 0.0
        self._pressed_at = 0.0

    def press(self, digit: str, now: float) -> None:
        """Add a key; beyond `MAX_KEYS` that were not told yet it is dropped."""
        if not self._digits:
            self._first_at = now
        self._pressed_at = now
        if len(self._digits) < MAX_KEYS:
            self._digits += digit

    def take(self, now: float, *, talking: bool) -> str:
        """Return the keys to tell the agent now; empty while more may follow.

        Args:
            now: The session clock's time.
            talking: Somebody speaks, so the agent would talk over them: wait longer.
        """
        if not self._digits or not self._complete(now, talking=talking):
            return ""
        digits, self._digits = self._digits, ""
        return digits

    def _complete(self, now: float, *, talking: bool) -> bool:
        since_first_s = now - self._first_at
        if self._digits.endswith(DONE) or len(self._digits) >= MAX_KEYS:
            return True
        if talking:
            return since_first_s >= LATEST_S
        return now - self._pressed_at >= QUIET_S or since_first_s >= LONGEST_S
