"""How long this installation keeps what it has, and what removes the rest."""

from datetime import datetime

import structlog

from fwai.config.settings import Settings
from fwai.domain.keeping import CALLS_DAYS, RECORDINGS_DAYS, KeepTimes, Removed, keep_time
from fwai.store.installation import KEEPS_BY_DEFAULT, Installation
from fwai.store.open import Store

_log = structlog.get_logger()


class OwnersExpiry:
    """Removes what the owner does not want to keep any longer. Implements ``Expiry``."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._calls_days = settings.transcripts_keep_days
        self._recordings_days = settings.recordings_keep_days
        self._store = store

    async def words_end(self, now: datetime) -> datetime | None:
        """Return up to when words are too old at ``now``; None when they are kept for ever.

        Raises:
            StoreError: The database failed.
        """
        return (await self._times()).calls.end(now)

    async def expire(self, now: datetime, within_s: float) -> Removed:
        """Remove what is too old at ``now``, for so long, and return how much is gone.

        Raises:
            StoreError: The database failed; running again goes on from there.
        """
        return await self._store.keeping.expire(await self._times(), now, within_s)

    async def warn(self) -> None:
        """Tell an owner who upgraded that everything is kept until they say for how long.

        Raises:
            StoreError: The database failed.
        """
        if await self._new_since() is not None:
            return
        given = {
            "TRANSCRIPTS_KEEP_DAYS": self._calls_days,
            "RECORDINGS_KEEP_DAYS": self._recordings_days,
        }
        unset = [name for name, days in given.items() if days is None]
        if unset:
            fix = f"set {' and '.join(unset)} to a number of days; 0 keeps for ever"
            _log.warning("keeping_everything", fix=fix)

    async def _times(self) -> KeepTimes:
        since = await self._new_since()
        return KeepTimes(
            keep_time(self._calls_days, CALLS_DAYS, since),
            keep_time(self._recordings_days, RECORDINGS_DAYS, since),
        )

    async def _new_since(self) -> datetime | None:
        """Return when an installation that removes by default was made; None for an older one."""
        known = Installation(self._store.database)
        if await known.get(KEEPS_BY_DEFAULT) is not True:
            return None
        return await known.written_at(KEEPS_BY_DEFAULT)
