"""When a Live connection must be replaced by the next one. No I/O.

The service ends every connection after about ten minutes, mostly announced, sometimes not; one was
seen to live for 58 minutes and to end without a word. So a connection is replaced at a quiet moment
once it is old enough, or as soon as its end is announced.
"""

from typing import Final

OLD_S: Final = 540.0  # from here on it is replaced when nobody speaks
OLDEST_S: Final = 3_000.0  # and from here on as soon as no reply is being received
OPEN_BEFORE_S: Final = 6.0  # the announced end the next one is opened, whatever goes on
CHANGE_BEFORE_S: Final = 2.0  # it the change is made, whatever goes on
RETRY_S: Final = 2.0
LOOK_S: Final = 0.1  # while one is due


class Rotation:
    """The life of one connection; ``now`` is the loop's time in seconds.

    Args:
        opened_at: When it was opened.
    """

    def __init__(self, opened_at: float = 0.0) -> None:
        self._from = opened_at + OLD_S
        self._until = opened_at + OLDEST_S
        self._not_before = opened_at

    def announced(self, now: float, left_s: float) -> None:
        """The service closes the connection in ``left_s`` seconds; 0 when it does not say."""
        self._from = now
        self._until = now + left_s

    def due(self, now: float, *, quiet: bool) -> bool:
        """Whether the next connection must be opened now."""
        if now < max(self._from, self._not_before):
            return False
        return quiet or now >= self._until - OPEN_BEFORE_S

    def urgent(self, now: float) -> bool:
        """Whether the change may not wait for a quiet moment any more."""
        return now >= self._until - CHANGE_BEFORE_S

    def failed(self, now: float) -> None:
        """The next one could not be opened, or was lost: not again at once."""
        self._not_before = now + RETRY_S

    def look_again_s(self, now: float) -> float:
        """Return after how many seconds to ask again; often only while a change is due."""
        return LOOK_S if now >= self._from else self._from - now
