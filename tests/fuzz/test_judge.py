"""What `judge` notices, shown by wires that do it, and what a corpus and its mutator promise."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from fuzz.corpus import messages
from fuzz.judge import STRICT, Prepared, Shape, Verdict, Wire, as_entry, keep, run
from fuzz.mutator import Mutator

NASTY = b"nasty"
MESSAGES = 16
HOARD: list[bytes] = []


class Entrance:
    """Does nothing with a message."""

    def prepare(self, message: bytes) -> Prepared:
        return message

    async def deliver(self, prepared: Prepared) -> bool:
        if prepared == NASTY:
            await self.harm()
        return bool(prepared != NASTY)

    async def harm(self) -> None:
        """Do what must not be."""


class Raises(Entrance):
    async def harm(self) -> None:
        raise ZeroDivisionError


class Logs(Entrance):
    async def harm(self) -> None:
        try:
            await Raises().harm()
        except ZeroDivisionError:
            structlog.get_logger().exception("call_event_failed")


class Stalls(Entrance):
    async def harm(self) -> None:
        until = time.thread_time() + 1.2 * STRICT.stall_ms / 1000
        while time.thread_time() < until:
            pass


class Leaks(Entrance):
    async def harm(self) -> None:
        HOARD.append(b"x" * (4 << 20))


class LeavesATask(Entrance):
    tasks: list[asyncio.Task[None]] = []  # noqa: RUF012 - that they outlive it is the point

    async def harm(self) -> None:
        self.tasks.append(asyncio.create_task(self._wait()))

    async def _wait(self) -> None:
        await asyncio.sleep(3600)


class StallsInATask(Stalls):
    async def harm(self) -> None:
        await asyncio.create_task(super().harm())


class LeavesAFile(Entrance):
    files: list[Any] = []  # noqa: RUF012

    async def harm(self) -> None:
        self.files.append(Path("/dev/null").open("rb"))  # noqa: SIM115 - which is the point


def one_in_four(mutator: Mutator, seeds: Sequence[bytes]) -> bytes:
    return NASTY if mutator.chance.random() < 0.25 else b"good"


def judged(entrance: Entrance, *, virtual: bool = False, at_once: int = 1) -> Verdict:
    @asynccontextmanager
    async def opened(_: Mutator) -> AsyncIterator[Entrance]:
        yield entrance

    wire = Wire("made-up", one_in_four, [], 10, opened, virtual, at_once)
    return run(wire, MESSAGES, 1)


@pytest.mark.parametrize(
    ("entrance", "said", "at_once"),
    [
        (Raises(), "ZeroDivisionError", 4),
        (Logs(), "call_event_failed", 1),
        (Stalls(), "took ", 1),
        (StallsInATask(), "took ", 4),
        (Leaks(), "memory grew", 1),
        (LeavesATask(), "tasks are left", 1),
        (LeavesAFile(), "descriptors are left", 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Entrance) else "",
)
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_what_must_not_be_is_noticed(entrance: Entrance, said: str, at_once: int) -> None:
    verdict = judged(entrance, at_once=at_once)
    HOARD.clear()
    while LeavesAFile.files:
        LeavesAFile.files.pop().close()

    assert said in " ".join(what for what, _ in verdict.faults)


@pytest.mark.parametrize("virtual", [False, True])
def test_nothing_is_found_where_nothing_is(virtual: bool) -> None:
    verdict = judged(Entrance(), virtual=virtual)

    assert verdict.faults == []
    assert verdict.messages == verdict.accepted + verdict.refused == MESSAGES
    assert verdict.refused > 2


def test_what_was_found_is_kept_as_a_line_for_the_corpus(tmp_path: Path) -> None:
    verdict = Verdict("made-up", 1, faults=[("it broke", b"\x00'\n"), ("tasks are left", b"")])

    (path,) = keep(verdict, tmp_path)

    assert path.read_text() == as_entry(b"\x00'\n") + "\n" == 'b"\\x00\'\\n"\n'


@pytest.mark.parametrize("shape", [Mutator.json, Mutator.raw, Mutator.form, Mutator.lines])
def test_the_same_seed_makes_the_same_messages(shape: Shape) -> None:
    seeds = messages("plivo/media", "plivo/events")

    def made(seed: int) -> list[bytes]:
        mutator = Mutator(seed, 4_000)
        return [shape(mutator, seeds) for _ in range(300)]

    assert made(1) == made(1) != made(2)
    assert max(map(len, made(1))) <= 4_000
    assert len(set(made(1))) > 200


def test_json_is_broken_in_every_way() -> None:
    mutator, seeds = Mutator(3, 60_000), messages("gemini/server_tools", "gemini/server_audio")
    made = [mutator.json(seeds) for _ in range(3000)]

    def is_json(text: bytes) -> bool:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return False
        return True

    assert 0.3 < sum(map(is_json, made)) / len(made) < 0.9
    for sign in (b"\\ud800", b"NaN", b"[[[[[[", b"\\u0000", b"9" * 400, b"null", b"1e+308"):
        assert any(sign in one for one in made), sign
    assert max(map(len, made)) > 50_000
