"""The identity of a server process among those that share a database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

UP = "up"
DRAINING = "draining"
STOPPED = "stopped"
DEAD = "dead"
LIVING = frozenset({UP, DRAINING})


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Where a process runs and which one it is there.

    Attributes:
        host: Names the machine, and its container: process ids mean something only inside it.
        boot_id: Names the machine's run since it was started; empty where that is not known.
        pid: The process's id there.
        started: When the process started, in the kernel's ticks since boot; 0 is not known. An id
            may be used again, the pair may not.
    """

    host: str
    boot_id: str
    pid: int
    started: int


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """An instance as it is kept.

    Attributes:
        epoch: Counts the lives of an instance: one that was declared dead begins a new one.
        state: ``up``, ``draining``, ``stopped`` or ``dead``.
        calls: How many calls it carried at its last heartbeat.
        seen_at: Its last heartbeat, by the database's clock.
        age_s: How long ago that was, by the database's clock, in seconds.
    """

    id: str
    epoch: int
    url: str
    process: ProcessIdentity
    state: str
    calls: int
    seen_at: datetime
    age_s: float

    @property
    def lives(self) -> bool:
        """Whether it says that it runs."""
        return self.state in LIVING


@dataclass(slots=True)
class Owner:
    """Whose calls and jobs a process writes: its instance and the life of it.

    Attributes:
        epoch: Changes when the instance was declared dead and begins anew.
    """

    id: str = ""
    epoch: int = 0


class InstanceStatus:
    """What this process tells of itself at each heartbeat, and hears when it was declared dead.

    Attributes:
        draining: It takes no further call.
        calls: How many calls it carries.
    """

    def __init__(self) -> None:
        self.draining = False
        self.calls = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def state(self) -> str:
        """``up`` or ``draining``."""
        return DRAINING if self.draining else UP

    def subscribe(self, disown: Callable[[], None]) -> None:
        """Call ``disown`` when others took the calls of this process over; it must not block."""
        self._listeners.append(disown)

    def declared_dead(self) -> None:
        """Others took over: let go of everything."""
        for disown in self._listeners:
            disown()
