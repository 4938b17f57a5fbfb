"""What keeps the list of who did what."""

from datetime import datetime
from typing import Protocol

from fwai.domain.audit import AuditEntry


class AuditTrail(Protocol):
    """Keeps which key did what."""

    def add(self, entry: AuditEntry) -> None:
        """Take an entry, to be written soon; never blocks."""
        ...

    async def page(
        self, *, after: tuple[datetime, str] | None = None, limit: int = 50
    ) -> list[AuditEntry]:
        """Return the newest entries first, those after the given time and id.

        Raises:
            StoreError: The database failed.
        """
        ...
