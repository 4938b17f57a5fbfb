"""Whether the database takes what is written, told from what its users find out.

Theory of operation. On a full disk small writes may go through while larger ones fail, so one
success proves little: the failure counts as mended when nothing failed for `STEADY_S` and whoever
failed to write the rows of calls has written them. The heartbeat writes every few seconds; it finds
out that a database is away, and that it is back, while no call runs.
"""

import asyncio
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from fwai.domain.failure import Area, Trouble
from fwai.interfaces.failures import Failures
from fwai.store.database_errors import is_fault_of_row, words_of

STEADY_S: Final = 15.0  # longer than the pauses between the tries of who writes calls
WHAT: Final = "database"
ROWS: Final = "rows"
_TRANSIENT: Final = frozenset({"40001", "40P01"})  # others were in the way: tried again


class DatabaseWatch:
    """Tells of the database's failures and of their mending."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._loop = asyncio.get_running_loop()
        self._standing = False
        self._owed: set[str] = set()  # who is still to say that it works again
        self._failed_at = 0.0

    def failed(self, exc: BaseException, who: str = "") -> None:
        """A request failed, of ``who`` if it is to say when that works again."""
        if _is_fault_of_request(exc):
            return
        self._standing = True
        if who:
            self._owed.add(who)
        self._failed_at = self._loop.time()
        cause, fix = words_of(exc)
        self._failures.seen(Trouble(Area.DATABASE, WHAT, cause, f"{fix}; calls go on meanwhile"))

    def worked(self, who: str = "") -> None:
        """Something was written."""
        if not self._standing:
            return
        self._owed.discard(who)
        if not self._owed and self._loop.time() - self._failed_at >= STEADY_S:
            self._standing = False
            self._failures.mended(Area.DATABASE, WHAT)


def _is_fault_of_request(exc: BaseException) -> bool:
    """Whether the request itself is at fault, or another one that came in its way."""
    if isinstance(exc, Exception) and is_fault_of_row(exc):
        return True
    if isinstance(exc, DBAPIError):
        return getattr(exc.orig, "sqlstate", None) in _TRANSIENT
    return isinstance(exc, SQLAlchemyError) and not isinstance(exc, NoConnectionError)
