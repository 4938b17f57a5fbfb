"""Gives a wire its messages and judges what becomes of each, and of the process."""

import asyncio
import gc
import hashlib
import logging
import os
import resource
from collections.abc import AsyncIterator, Callable, Coroutine, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

import virtual_time
from fuzz.meter import Meter, measured_tasks
from fuzz.mutator import Mutator
from fwai.wiring.app import give_back_memory

WARM_UP: Final = 0.4  # of a run's messages: what is bounded by a number has its size then
MAX_FAULTS: Final = 5  # then a run stops
AGAIN: Final = 2  # times that a message is given again which took too long
PAGE_KB: Final = resource.getpagesize() // 1024
MAX_SHOWN: Final = 3_000  # bytes of a message that are printed
# Where the code met what no rule covers: caught there, and a fault all the same.
FAULTS: Final = frozenset({"request_failed", "task_failed", "webhook_event_failed", "call_failed"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What is a fault.

    Attributes:
        stall_ms: Of a message's longest step, in processor time of the loop's thread.
        growth_kb: Of memory, after the warm-up.
    """

    stall_ms: float = 50.0
    growth_kb: int = 8 * 1024


STRICT: Final = Limits()
Prepared = Any  # each wire's own
Shape = Callable[[Mutator, Sequence[bytes]], bytes]


class Entrance(Protocol):
    """Where the messages of one wire go in."""

    def prepare(self, message: bytes) -> Prepared:
        """Do the sender's part, such as signing; its time does not count."""
        ...

    def deliver(self, prepared: Prepared) -> Coroutine[Any, Any, bool]:
        """Give it to the code under test; True when it was accepted."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """A way in.

    Attributes:
        shape: How its messages are broken.
        seeds: Good ones, and bad ones that were found.
        max_bytes: Longest message; what the wire itself takes, if that is less than a megabyte.
        open: Builds what is under test. Once it is left, nothing may be left.
        virtual: On a clock that jumps, without threads.
        at_once: Messages that are under way at a time; what waits for a database would be a run.
    """

    name: str
    shape: Shape
    seeds: Sequence[bytes]
    max_bytes: int
    open: Callable[[Mutator], AbstractAsyncContextManager[Entrance]]
    virtual: bool = True
    at_once: int = 1


@dataclass(slots=True)
class Verdict:
    """What came of a run.

    Attributes:
        longest_ms: Process time of the slowest message; ``slowest`` is that message.
        growth_kb: Of memory, from the end of the warm-up to the end.
        faults: What must not be, in words, with the message at which it was seen.
    """

    wire: str
    seed: int
    limits: Limits = STRICT
    messages: int = 0
    accepted: int = 0
    longest_ms: float = 0.0
    slowest: bytes = b""
    growth_kb: int = 0
    faults: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def refused(self) -> int:
        return self.messages - self.accepted


class Watch:
    """Hears of every exception that somebody caught, logged, and went on."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, _: object, __: str, line: MutableMapping[str, Any]) -> Any:  # noqa: ANN401
        said = str(line.get("event", ""))
        if line.get("exc_info") or said in FAULTS:
            import sys

            self.note(f"{said} ({sys.exc_info()[1]!r} {line})")
        raise structlog.DropEvent

    def note(self, what: str) -> None:
        if len(self.heard) < 100:
            self.heard.append(what)

    def loop(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.note(f"{context.get('message')} {context.get('exception')!r}")


class _LogWatch(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.WARNING)
        self._watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self._watch.note(f"{record.name}: {record.getMessage()} {record.exc_info}")


@asynccontextmanager
async def watched() -> AsyncIterator[Watch]:
    """Listen to the logs and the loop while the block runs."""
    watch, before = Watch(), structlog.get_config()
    handler, root, loop = _LogWatch(watch), logging.getLogger(), asyncio.get_running_loop()
    structlog.configure(processors=[watch], cache_logger_on_first_use=False)
    root.addHandler(handler)
    loop.set_exception_handler(watch.loop)
    loop.set_task_factory(measured_tasks)  # type: ignore[arg-type]
    try:
        yield watch
    finally:
        loop.set_task_factory(None)
        loop.set_exception_handler(None)
        root.removeHandler(handler)
        structlog.configure(**before)


def run(
    wire: Wire,
    count: int,
    seed: int,
    limits: Limits = STRICT,
    progress: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Give a wire so many messages, and return what came of them."""
    verdict = Verdict(wire.name, seed, limits)
    descriptors = _descriptors()
    main = _run(wire, count, verdict, progress)
    virtual_time.run(main) if wire.virtual else asyncio.run(main)
    gc.unfreeze()
    gc.collect()
    if (left := _descriptors() - descriptors) > 0:
        verdict.faults.append((f"{left} descriptors are left open", b""))
    return verdict


async def _run(wire: Wire, count: int, verdict: Verdict, progress: Callable[[int], None]) -> None:
    mutator = Mutator(f"{wire.name} {verdict.seed}", wire.max_bytes)
    async with watched() as watch:
        before = asyncio.all_tasks()
        async with wire.open(mutator) as entrance:
            warm, memory_kb = max(int(count * WARM_UP), 1), 0
            _settle()
            for number in range(0, count, wire.at_once):
                if memory_kb == 0 and number >= warm:
                    memory_kb = _memory_kb()
                given = [wire.shape(mutator, wire.seeds) for _ in range(wire.at_once)]
                if wire.at_once == 1:
                    await _judge(entrance, given[0], verdict)
                else:
                    await asyncio.gather(*(_judge(entrance, one, verdict) for one in given))
                if watch.heard:
                    verdict.faults += [(what, given[0]) for what in watch.heard]
                    watch.heard.clear()
                progress(number)
                if len(verdict.faults) >= MAX_FAULTS:
                    break
            # Before the whole is taken down: what a call or a peer left behind would go with it.
            verdict.growth_kb = max(_memory_kb() - memory_kb, 0) if memory_kb else 0
        left = asyncio.all_tasks() - before
    if left:
        verdict.faults.append((f"tasks are left: {left}", b""))
    verdict.faults += [(f"afterwards: {what}", b"") for what in watch.heard]
    if verdict.growth_kb > verdict.limits.growth_kb:
        verdict.faults.append((f"memory grew by {verdict.growth_kb} kB", b""))


async def _judge(entrance: Entrance, message: bytes, verdict: Verdict) -> None:
    verdict.messages += 1
    try:
        meter, accepted = await _measured(entrance, message)
        verdict.accepted += accepted
        if meter.total_ms > verdict.longest_ms:
            verdict.longest_ms, verdict.slowest = meter.total_ms, message
        most_ms = verdict.limits.stall_ms
        if meter.longest_ms > most_ms:
            # One that stalls does so again; a collection of garbage, or the machine, does not.
            again = [(await _measured(entrance, message))[0].longest_ms for _ in range(AGAIN)]
            if min(again) > most_ms:
                verdict.faults.append((f"took {meter.longest_ms:.0f} ms, then {again}", message))
    except Exception as exc:  # noqa: BLE001 - which is what this looks for
        verdict.faults.append((_told(exc), message))


async def _measured(entrance: Entrance, message: bytes) -> tuple[Meter, bool]:
    prepared, meter = entrance.prepare(message), Meter()
    accepted = await meter.measure(entrance.deliver(prepared))
    return meter, accepted


def _told(exc: BaseException) -> str:
    import traceback

    place = traceback.extract_tb(exc.__traceback__)[-1]
    return f"{exc!r:.300} at {place.filename}:{place.lineno}"


def _settle() -> None:
    """Keep the collector away from what was built at start, as the server does."""
    gc.collect()
    gc.freeze()


def _memory_kb() -> int:
    gc.collect()
    give_back_memory()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KB


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - of this process


# ---- what was found -----------------------------------------------------------------------------


def as_entry(message: bytes) -> str:
    """Return a message as a line of a file in ``tests/fuzz/corpus``."""
    return repr(message)


def keep(verdict: Verdict, folder: Path) -> list[Path]:
    """Write each failing message to a file of its own; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = []
    for _, message in verdict.faults:
        if message:
            digest = hashlib.sha256(message).hexdigest()[:12]
            path = folder / f"{verdict.wire}-{digest}.seed"
            path.write_text(as_entry(message) + "\n", "utf-8")
            kept.append(path)
    return kept
