"""Erases again, at the start, whom a crash or a restored backup has left; calls need not wait.

Theory of operation. What is left is mostly nothing, or one person; it is gone before the first call
is taken. A restored backup of a large installation may take minutes, and a disk or a database may
fail: so the start waits for `START_S` at most, and what is not done by then goes on beside the
calls until it is. While it is not done, ``/readyz`` says so.
"""

import asyncio
from typing import Final

import structlog

from fwai.domain.failure import Area, Trouble
from fwai.errors import StoreError
from fwai.interfaces.failures import Failures
from fwai.store.erasure import Erasure
from fwai.store.erasure_list import KEY_FILE, LIST_FILE, ErasureListError

WHAT: Final = "erasures"
START_S: Final = 5.0
PAUSE_S: Final = 60.0  # before it is tried again
_AGAIN: Final = f"it is tried again every {PAUSE_S:.0f} s"

_log = structlog.get_logger()


class ErasingAgain:
    """Finishes what was begun, or undone, before this start.

    Args:
        erasure: Knows whom.
        failures: Told while it is not done.
    """

    def __init__(self, erasure: Erasure, failures: Failures) -> None:
        self._erasure = erasure
        self._failures = failures
        self._tried = asyncio.Event()
        self._done = False

    async def run(self) -> None:
        """Erase them, however often that has to be tried; returns when it is done."""
        while True:
            try:
                await self._erasure.erase_again()
            except StoreError as exc:
                _log.error("erasures_not_finished", error=str(exc))
                self._failures.seen(_trouble(exc))
                self._tried.set()
                await asyncio.sleep(PAUSE_S)
            else:
                self._done = True
                self._failures.mended(Area.STORAGE, WHAT)
                self._tried.set()
                return

    async def wait(self) -> None:
        """Return when it is done or has failed once, and after `START_S` in any case."""
        try:
            async with asyncio.timeout(START_S):
                await self._tried.wait()
        except TimeoutError:
            if not self._done:
                self._failures.seen(_SLOW)


_SLOW: Final = Trouble(
    Area.STORAGE,
    WHAT,
    "whom a crash or a restored backup has left is still being erased again",
    "nothing, if it ends within minutes; else look at the database and the disk",
)


def _trouble(exc: StoreError) -> Trouble:
    if isinstance(exc, ErasureListError):
        return Trouble(
            Area.STORAGE,
            WHAT,
            "the list of those who were erased cannot be used, the log says why: a restored backup "
            "may have brought some of them back",
            f"let the service's user read and write {LIST_FILE} and {KEY_FILE} in DATA_DIR, or put "
            f"both back from a backup; {_AGAIN}",
        )
    return Trouble(
        Area.STORAGE,
        WHAT,
        "whom a crash or a restored backup has left could not be erased again, the log says why",
        f"mend the database or the folder; {_AGAIN}",
    )
