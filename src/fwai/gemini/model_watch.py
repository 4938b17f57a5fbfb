"""Whether the model can be reached: what calls find out, and a look of our own while it cannot.

A server whose model refuses its key gets no calls where a load balancer goes by ``/readyz``, so
that no call could find out that it is mended. Therefore a session is opened now and then while a
failure stands, and closed at once: that costs no tokens. Nothing is opened while all is well.

A model is *down* when it is clear that a call would wait in vain: its fault is one that somebody
must mend, two calls in a row got no session for good, one did and a look right after it failed,
too, or nobody has reached it for `STANDS_S`. Then new calls need not try it. One session that
opens, of a call or of a look, ends that. A refused set-up says nothing of the model: it is that of
one agent.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from fwai.domain.failure import Area, Trouble
from fwai.errors import AgentError
from fwai.gemini import faults
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.interfaces.failures import Failures

PROBE_S: Final = (5.0, 10.0, 20.0, 30.0, 60.0)  # before each look; the last one again and again
STANDS_S: Final = 20.0  # as long as a call waits for its agent
LOST_CALLS: Final = 2
LOST_WITHIN_S: Final = 120.0
SERVICE: Final = "gemini"
_OF_MODEL: Final = frozenset({faults.MODEL.name, faults.ADDRESS.name})

_log = structlog.get_logger()


class LiveWatch(Protocol):
    """Hears how connections of one model fare; no method blocks or raises."""

    def opened(self, model: str) -> None:
        """A session was opened."""
        ...

    def failed(self, model: str, error: AgentError, *, for_good: bool = False) -> None:
        """No session could be opened; ``for_good`` when a call gives up for it."""
        ...

    def down(self, model: str) -> str:
        """Return why new calls need not try to open a session now; empty when they should."""
        ...


@dataclass(frozen=True, slots=True)
class ModelDown:
    """A model that new calls need not try.

    Attributes:
        model: Its name.
        cause: Why, with what to look at.
        since: UTC.
    """

    model: str
    cause: str
    since: datetime


@dataclass(slots=True)
class _Case:
    """A model that fails; times are the loop's, in seconds.

    Attributes:
        since: When it was told first.
        error: The newest one.
        look_at: When to look at it next.
        looks: How often it was looked at in vain.
        lost: When calls gave up for it.
        down_at: Since when it is down, UTC; None while calls still try.
    """

    since: float
    error: AgentError
    look_at: float
    looks: int = 0
    lost: list[float] = field(default_factory=list)
    down_at: datetime | None = None


class ModelWatch:
    """Tells of failures of the Live service and of their mending. Implements ``LiveWatch``.

    Args:
        failures: Who is told.
        endpoint: Where the service is.
        models: Those that agents use; what one lacks stops every call only if it is the only one.
        setup: Makes the smallest set-up of a model.
        clock: The time now, UTC.
    """

    def __init__(
        self,
        failures: Failures,
        endpoint: LiveEndpoint,
        models: Collection[str],
        setup: Callable[[str], bytes],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._failures = failures
        self._endpoint = endpoint
        self._models = frozenset(models)
        self._setup = setup
        self._clock = clock
        self._cases: dict[str, _Case] = {}  # models to look at
        self._wake = asyncio.Event()
        self._stopping = False

    def opened(self, model: str) -> None:
        """A session was opened: the service is there and knows the model."""
        self._close(model)
        for what in (SERVICE, f"model {model}", f"set-up for {model}"):
            self._failures.mended(Area.MODEL, what)

    def failed(self, model: str, error: AgentError, *, for_good: bool = False) -> None:
        """No session could be opened; tell why. ``for_good`` when a call gives up for it."""
        fault = faults.fault_named(error.fault)
        what, stops_calls = SERVICE, fault.stops_calls
        if fault is faults.SETUP:
            what = f"set-up for {model}"
        elif fault.name in _OF_MODEL and len(self._models) > 1:
            what, stops_calls = f"model {model}", False
        detail = f" ({error.detail})" if error.detail else ""
        self._failures.seen(
            Trouble(Area.MODEL, what, f"{fault.what}{detail}", fault.fix, stops_calls)
        )
        if fault is not faults.SETUP:  # the smallest set-up would say nothing of an agent's
            self._count(model, error, for_good=for_good)
            self._wake.set()

    def down(self, model: str) -> str:
        """Return why new calls need not try to open a session now; empty when they should."""
        case = self._cases.get(model)
        return "" if case is None or case.down_at is None else _cause(case)

    def look_in_s(self, model: str) -> float:
        """Return in how many seconds it is looked at again; 0 at once, or when it need not be."""
        case = self._cases.get(model)
        return 0.0 if case is None else max(case.look_at - _now(), 0.0)

    def all_down(self) -> Sequence[ModelDown]:
        """Return the models that new calls need not try, the first one first."""
        return [
            ModelDown(model, _cause(case), case.down_at)
            for model, case in self._cases.items()
            if case.down_at is not None
        ]

    async def run(self) -> None:
        """Look again while something fails, until `stop`."""
        while not self._stopping:
            self._wake.clear()
            due = [case.look_at for case in self._cases.values()]
            pause = max(min(due) - _now(), 0.0) if due else None
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            for model in [one for one, case in self._cases.items() if case.look_at <= _now()]:
                if not self._stopping:
                    await self._look(model)

    def stop(self) -> None:
        """Let ``run`` return."""
        self._stopping = True
        self._wake.set()

    # ---- inside ---------------------------------------------------------------------------------

    async def _look(self, model: str) -> None:
        try:
            connection = await LiveConnection.open(self._endpoint, self._setup(model))
        except AgentError as exc:
            if exc.fault == faults.SETUP.name:  # it answers, and what it dislikes is ours
                self._close(model)
                return
            _log.info("model_still_away", code=exc.code, fault=exc.fault)
            case = self._cases.get(model)
            if case is not None:  # else a call has opened a session meanwhile
                case.looks += 1
                case.look_at = _now() + PROBE_S[min(case.looks, len(PROBE_S) - 1)]
                self.failed(model, exc)
                if case.lost or _now() - case.since >= STANDS_S:
                    self._open(model, case)
        else:
            connection.close()
            self.opened(model)

    def _count(self, model: str, error: AgentError, *, for_good: bool) -> None:
        now = _now()
        case = self._cases.setdefault(model, _Case(now, error, now + PROBE_S[0]))
        case.error = error
        if for_good:
            case.lost = [at for at in case.lost if at > now - LOST_WITHIN_S] + [now]
            if case.down_at is None:
                case.look_at = now
        if faults.fault_named(error.fault).lasting or len(case.lost) >= LOST_CALLS:
            self._open(model, case)

    def _open(self, model: str, case: _Case) -> None:
        """Let new calls not try the model."""
        if case.down_at is None:
            case.down_at = self._clock()
            case.looks, case.look_at = 0, _now() + PROBE_S[0]
            _log.error("model_down", model=model, fault=case.error.fault)

    def _close(self, model: str) -> None:
        """Let calls try the model."""
        case = self._cases.pop(model, None)
        if case is not None and case.down_at is not None:
            lasted_s = round((self._clock() - case.down_at).total_seconds(), 1)
            _log.warning("model_up", model=model, lasted_s=lasted_s)


def _cause(case: _Case) -> str:
    return faults.cause_of(case.error.fault, case.error.detail)


def _now() -> float:
    return asyncio.get_running_loop().time()
