"""The time of one call: the wall clock's at its beginning, from then on it only goes on."""

import time


class CallClock:
    """Stamps what happens in a call, so that its order and durations stay true.

    A wall clock that is set while the call runs changes nothing in it.
    """

    def __init__(self) -> None:
        self._began_at = time.monotonic()
        self._ahead_s = time.time() - self._began_at

    @property
    def age_s(self) -> float:
        """For how long the call is known, in seconds."""
        return time.monotonic() - self._began_at

    def now(self) -> float:
        """Return Unix time in seconds."""
        return time.monotonic() + self._ahead_s
