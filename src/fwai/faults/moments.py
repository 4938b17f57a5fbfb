"""The moments of one call, for whoever waits for them and for the judge afterwards."""

import asyncio
from dataclasses import dataclass, field

from fwai.faults.row import On


@dataclass(slots=True)
class Moments:
    """When each kind of moment happened, in seconds of the call."""

    times: dict[On, list[float]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def happened(self, on: On, at: float) -> None:
        """Note a moment."""
        self.times.setdefault(on, []).append(at)
        self._news.set()
        self._news = asyncio.Event()

    def count(self, on: On) -> int:
        """Return how often it has happened."""
        return len(self.times.get(on, ()))

    async def wait(self, on: On, nth: int) -> float:
        """Wait for the nth moment of a kind, counted from 1; return its time."""
        while self.count(on) < nth:
            await self._news.wait()
        return self.times[on][nth - 1]
