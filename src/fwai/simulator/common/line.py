"""Shared state of one simulated call: its time axis, what is heard, and whether it is over."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from fwai.errors import FwaiError
from fwai.simulator.common.caller import Violation
from fwai.simulator.common.cause import Ending
from fwai.simulator.common.ear import Ear
from fwai.simulator.common.voice import Repertoire

MAX_RULES = 200
MAX_KEPT = 1000

EventSink = Callable[..., None]
"""Called as ``on_event(kind, **facts)``; ``at_ms`` is always among the facts."""


@dataclass(frozen=True, slots=True)
class Clear:
    """A clear by the server: when, and how much speech that was not heard yet it dropped."""

    at_s: float
    unheard_ms: float


class LineOverError(FwaiError):
    """The call ended while something was waited for."""


class Line:
    """State of one call that all its parts share: clock, events, violations, and its end.

    Whoever waits does so with ``until``: the condition is looked at on every event and on every
    20 ms tick of the stream, so waiting costs no timer of its own.
    """

    def __init__(self, repertoire: Repertoire, on_event: EventSink | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()
        self._on_event = on_event
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self.repertoire = repertoire
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.ending: Ending | None = None
        self.ear = Ear(repertoire, self.emit)
        self.violations: dict[str, Violation] = {}
        self.checkpoints: list[str] = []
        self.dtmf = ""
        self.clears: list[Clear] = []

    # ---- time ------------------------------------------------------------------------------

    def answer(self) -> None:
        """The call is answered now: the time axis begins."""
        self._zero = self._loop.time()

    def now_s(self) -> float:
        """Return the time since the answer."""
        return self._loop.time() - self._zero

    # ---- news ------------------------------------------------------------------------------

    def emit(self, kind: str, **facts: object) -> None:
        """Tell whoever watches, and whoever waits."""
        if self._on_event is not None:
            self._on_event(kind, **{"at_ms": self.now_s() * 1000, **facts})
        self.wake()

    def violate(self, rule: str) -> None:
        """Note that the server broke a rule."""
        known = self.violations.get(rule)
        if known is not None:
            known.count += 1
        elif len(self.violations) < MAX_RULES:
            self.violations[rule] = Violation(rule, self.now_s() * 1000)
            self.emit("violation", rule=rule)

    def cleared(self, now_s: float, unheard_ms: float) -> None:
        """Note that the server dropped what was not heard yet."""
        self.clears.append(Clear(now_s, unheard_ms))
        del self.clears[:-MAX_KEPT]
        self.emit("cleared", unheard_ms=unheard_ms)

    def reached(self, name: str) -> None:
        """Note that a checkpoint was reached."""
        self.checkpoints.append(name)
        del self.checkpoints[:-MAX_KEPT]
        self.emit("checkpoint", name=name)

    def pressed(self, digits: str) -> None:
        """Note keys that the server pressed."""
        self.dtmf = (self.dtmf + digits)[-MAX_KEPT:]
        self.emit("agent_pressed", digits=digits)

    # ---- the end ---------------------------------------------------------------------------

    def end(self, ending: Ending) -> bool:
        """End the call; False when it was over before."""
        if self.ending is not None:
            return False
        self.ending = ending
        self.over.set_result(None)
        self.emit("ended", by=ending.by, cause=ending.cause.name)
        return True

    # ---- waiting ---------------------------------------------------------------------------

    def wake(self) -> None:
        """Let those whose condition holds, or who wait in vain, go on."""
        for condition, future in self._waiting:
            if not future.done() and (self.ending is not None or condition()):
                future.set_result(None)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until ``condition`` holds; False when it did not in time.

        Raises:
            LineOverError: The call is over and the condition does not hold.
        """
        entry = (condition, self._loop.create_future())
        self._waiting.append(entry)
        try:
            self.wake()
            async with asyncio.timeout(timeout_s):
                await entry[1]
        except TimeoutError:
            return condition()
        finally:
            self._waiting.remove(entry)
        if condition():
            return True
        if self.ending is not None:
            raise LineOverError("the call is over")
        return False
