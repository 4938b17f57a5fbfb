"""Says which faults of a scenario are due: at which moment, in which turn, in which connection."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import get_args

from fwai.simulator.gemini.scenario import Fault, Moment, Scenario, SessionFault, Strike, TurnFault

_STRIKES = get_args(Strike)


@dataclass(slots=True)
class FaultHistory:
    """What happened over the life of one simulator.

    Attributes:
        began_ms: When the first connection came, in the simulator's time; None before it.
        begun: Handshake faults that were begun by hand, and when.
    """

    began_ms: float | None = None
    begun: list[tuple[Fault, float]] = field(default_factory=list)
    _used: dict[int, set[tuple[int, int | None]]] = field(default_factory=lambda: defaultdict(set))

    def use(self, fault: Fault, session: int, turn: int | None) -> bool:
        """Count that a fault is due in a turn or connection; False when it was often enough."""
        used = self._used[id(fault)]
        if fault.times is not None and (session, turn) not in used and len(used) >= fault.times:
            return False
        if fault.times is not None:
            used.add((session, turn))
        return True


@dataclass(frozen=True, slots=True)
class FaultBook:
    """The faults of one connection.

    Attributes:
        scenario: Where they stand.
        history: What happened already; shared by all connections.
    """

    scenario: Scenario
    history: FaultHistory

    def strikes(self, session: int, moment: Moment, turn: int | None = None) -> list[Fault]:
        """Return the faults that happen at this moment."""
        due = (
            fault
            for fault in self._faults(session, turn)
            if fault.at == moment and fault.kind in _STRIKES
        )
        return [fault for fault in due if self.history.use(fault, session, turn)]

    def turn_fault(self, session: int, turn: int, kind: TurnFault) -> Fault | None:
        """Return the fault of this kind that colours this turn, or None."""
        due = (fault for fault in self._faults(session, turn) if fault.kind == kind)
        return next((fault for fault in due if self.history.use(fault, session, turn)), None)

    def session_fault(self, session: int, kind: SessionFault, now_ms: float) -> Fault | None:
        """Return the handshake fault of this kind that this connection meets now, or None."""
        since = now_ms if self.history.began_ms is None else self.history.began_ms
        timed = [(fault, since + fault.from_ms) for fault in self._faults(session, None)]
        for fault, from_ms in (*timed, *self.history.begun):
            over_ms = float("inf") if fault.for_ms is None else from_ms + fault.for_ms
            fits = fault.kind == kind and from_ms <= now_ms < over_ms
            if fits and self.history.use(fault, session, None):
                return fault
        return None

    def over_ms(self, fault: Fault, now_ms: float) -> float | None:
        """Return when a handshake fault that lasts ends, or None: never."""
        if fault.for_ms is None:
            return None
        begun = next((at for one, at in self.history.begun if one is fault), None)
        since = now_ms if self.history.began_ms is None else self.history.began_ms
        return (since + fault.from_ms if begun is None else begun) + fault.for_ms

    def _faults(self, session: int, turn: int | None) -> list[Fault]:
        return [
            fault
            for fault in self.scenario.faults
            if fault.session in (None, session)
            and (turn is None or (fault.turn in (None, turn) and turn >= fault.from_turn))
        ]
