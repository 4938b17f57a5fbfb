"""Keys the caller presses, gathered until they can be told to the agent."""

from typing import Final

QUIET_S: Final = 1.5
LATEST_S: Final = 10.0


class KeyCollector:
    """Gathers keys; ``now`` is the session clock's time in seconds."""

    def __init__(self) -> None:
        self._digits = ""
        self._pressed_at = 0.0

    def press(self, digit: str, now: float) -> None:
        """Add a key."""
        self._digits += digit
        self._pressed_at = now

    def take(self, now: float, *, talking: bool) -> str:
        """Return the keys to tell the agent now; empty while more may follow.

        Args:
            now: The session clock's time.
            talking: Somebody speaks, so the agent would talk over them: wait longer.
        """
        if not self._digits or now - self._pressed_at < (LATEST_S if talking else QUIET_S):
            return ""
        digits, self._digits = self._digits, ""
        return digits
