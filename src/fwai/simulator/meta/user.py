"""A simulated WhatsApp user who calls the server."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fwai.simulator.common.caller import CallReport, Patience, Step
from fwai.simulator.common.line import EventSink
from fwai.simulator.meta.network import NetworkConditions
from fwai.simulator.meta.phone import MetaCall
from fwai.simulator.meta.server import MetaSimulator


@dataclass(kw_only=True, eq=False)
class MetaUser:
    """One telephone, good for one call; any number may be used at once.

    Attributes:
        simulator: Through whom it calls; open.
        number: The user's, E.164 or digits.
        network: What happens to the sound; None is a clear day.
        on_event: Called as ``on_event(kind, **facts)`` while the call goes on; must not block.
        patience: When the user is dissatisfied.
        placed: The call, once it was made.
    """

    simulator: MetaSimulator
    number: str
    network: NetworkConditions | None = None
    on_event: EventSink | None = None
    patience: Patience = field(default_factory=Patience)
    placed: MetaCall | None = None

    async def call(self, script: Sequence[Step]) -> CallReport:
        """Make the call, follow the script, and tell how it was.

        Raises:
            StoreError: The shipped phrases are incomplete.
        """
        digits = self.number.lstrip("+")
        call = await self.simulator.call(digits, network=self.network, on_event=self.on_event)
        self.placed = call
        return await call.follow(script, self.patience)
