"""A simulated telephone, good for one call: the base of every provider's."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

from fwai.simulator.common.caller import CallReport, Patience, Step
from fwai.simulator.common.cause import Ending
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.ear import TimeLine
from fwai.simulator.common.line import EventSink, Line
from fwai.simulator.common.report import prepared
from fwai.simulator.common.tls import default_tls
from fwai.simulator.common.voice import Repertoire

PhoneT_contra = TypeVar("PhoneT_contra", contravariant=True)


class Exchange(Protocol[PhoneT_contra]):
    """Knows the calls that are going on, so that the REST API can act on them."""

    def began(self, phone: PhoneT_contra) -> None:
        """Note a call that exists from now on."""
        ...

    def ended(self, phone: PhoneT_contra) -> None:
        """Note a call that is over."""
        ...


@dataclass(kw_only=True, eq=False)
class Phone(ABC):
    """One telephone, good for one call; any number may be used at once.

    Attributes:
        from_number: Who calls; for an outbound call our own line.
        to_number: Who is called; for an outbound call this telephone.
        exchange: Told of the call, such as the provider's REST API.
        clips: Phrases to say and recognise; the shipped ones by default.
        on_event: Called as ``on_event(kind, **facts)`` while the call goes on; must not block.
        patience: When the caller is dissatisfied.
        max_call_s: The call is ended after this time.
    """

    from_number: str
    to_number: str
    exchange: Exchange[Self] | None = None
    clips: ClipLibrary | Repertoire | None = None
    on_event: EventSink | None = None
    patience: Patience = field(default_factory=Patience)
    max_call_s: float = 900.0

    def __post_init__(self) -> None:
        self._line: Line | None = None

    @abstractmethod
    async def call(self, script: Sequence[Step]) -> CallReport:
        """Make the call, follow the script, and tell how it was.

        Raises:
            StoreError: The shipped phrases are incomplete.
        """

    @property
    def ending(self) -> Ending | None:
        """How the call ended; None before that."""
        return self._line.ending if self._line else None

    @property
    def time_line(self) -> TimeLine:
        """The sound that the caller heard, on the call's time axis."""
        return self._line.ear.time_line if self._line else TimeLine()

    def _prepared(self) -> Repertoire:
        """Do what is slow, away from the event loop."""
        default_tls()
        return prepared(self.clips)

    @contextlib.asynccontextmanager
    async def _open_line(self, too_long: Ending) -> AsyncIterator[Line]:
        """Provide the call's line; it is ended when the call takes too long."""
        repertoire = await asyncio.to_thread(self._prepared)
        line = self._line = Line(repertoire, self.on_event)
        alarm = asyncio.get_running_loop().call_later(self.max_call_s, line.end, too_long)
        try:
            yield line
        finally:
            alarm.cancel()

    @contextlib.contextmanager
    def _registered(self) -> Iterator[Self]:
        """Tell the exchange of the call, as long as it goes on."""
        if self.exchange is not None:
            self.exchange.began(self)
        try:
            yield self
        finally:
            if self.exchange is not None:
                self.exchange.ended(self)
