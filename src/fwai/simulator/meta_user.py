"""A WhatsApp user who calls the server: the telephone of the Meta simulator."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fwai.simulator.caller import CallReport, Patience, Step
from fwai.simulator.meta import MetaSimulator
from fwai.simulator.meta_phone import MetaCall
from fwai.simulator.meta_weather import Weather
from fwai.simulator.plivo_line import EventSink


@dataclass(kw_only=True, eq=False)
class MetaUser:
    """One telephone, good for one call; any number may be used at once.

    Attributes:
        simulator: Through whom it calls; open.
        number: The user's, E.164 or digits.
        weather: What happens to the sound; None is a clear day.
        on_event: Called as ``on_event(kind, **facts)`` while the call goes on; must not block.
        patience: When the user is dissatisfied.
        placed: The call, once it was made.
    """

    simulator: MetaSimulator
    number: str
    weather: Weather | None = None
    on_event: EventSink | None = None
    patience: Patience = field(default_factory=Patience)
    placed: MetaCall | None = None

    async def call(self, script: Sequence[Step]) -> CallReport:
        """Make the call, follow the script, and tell how it was.

        Raises:
            StoreError: The shipped phrases are incomplete.
        """
        digits = self.number.lstrip("+")
        call = await self.simulator.call(digits, weather=self.weather, on_event=self.on_event)
        self.placed = call
        return await call.follow(script, self.patience)
