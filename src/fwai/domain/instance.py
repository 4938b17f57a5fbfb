"""Instances: identity, state and ownership of server processes that share a database."""

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
    """Identity of a process: its host, boot, process id and start time.

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
    """A stored instance.

    Attributes:
        epoch: Incremented when an instance that was declared dead starts again.
        state: ``up``, ``draining``, ``stopped`` or ``dead``.
        calls: Calls in progress at its last heartbeat.
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
        """Whether its state says that it runs."""
        return self.state in LIVING


@dataclass(slots=True)
class Owner:
    """Owner of calls and jobs: an instance and its epoch.

    Attributes:
        epoch: Changes when the instance was declared dead and starts again.
    """

    id: str = ""
    epoch: int = 0


class InstanceStatus:
    """Status that this process reports at each heartbeat; notifies when it was declared dead.

    Attributes:
        draining: It accepts no further calls.
        calls: Calls in progress.
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
        """Call ``disown`` when other processes took over this one's calls; it must not block."""
        self._listeners.append(disown)

    def declared_dead(self) -> None:
        """Notify subscribers that other processes took over."""
        for disown in self._listeners:
            disown()
