"""Erasing again at the start holds nobody up, is tried until it is done, and is told till then."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from fakes import SeenFailures
from fwai.domain.failure import Area
from fwai.errors import StoreError
from fwai.store.erasing_again import PAUSE_S, START_S, WHAT, ErasingAgain
from fwai.store.erasure_list import ErasureListError
from fwai.tasks import start_enduring
from virtual_time import run as virtual

KEY = (Area.STORAGE, WHAT)


@dataclass
class Slow:
    """An erasure that takes so long, and fails so often."""

    lasts_s: float = 0.0
    errors: Sequence[Exception] = ()
    tries: int = 0

    async def erase_again(self) -> int:
        await asyncio.sleep(self.lasts_s)
        self.tries += 1
        if self.tries <= len(self.errors):
            raise self.errors[self.tries - 1]
        return 1


@dataclass
class Start:
    """What a start saw: seconds until it was ready, until all was done, and what it told then."""

    erasure: Slow
    failures: SeenFailures = field(default_factory=SeenFailures)
    ready_s: float = 0.0
    done_s: float = 0.0
    told: str = ""

    def run(self) -> None:
        virtual(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        again = ErasingAgain(self.erasure, self.failures)  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as group:
            start_enduring(group, again.run, "erasing_again", self.failures)
            await again.wait()
            self.ready_s = loop.time() - began
            standing = self.failures.standing.get(KEY)
            self.told = "" if standing is None else f"{standing.cause}; {standing.fix}"
        self.done_s = loop.time() - began


def test_what_is_soon_done_is_done_before_the_first_call() -> None:
    start = Start(Slow(1.0))
    start.run()

    assert (start.ready_s, start.done_s, start.told) == (1.0, 1.0, "")


def test_what_takes_long_goes_on_beside_the_calls_and_is_told() -> None:
    start = Start(Slow(600.0))
    start.run()

    assert (start.ready_s, start.done_s) == (START_S, 600.0)
    assert "still being erased again" in start.told
    assert not start.failures.standing


def test_a_list_that_cannot_be_used_stands_with_its_fix_until_it_can() -> None:
    start = Start(Slow(0.1, [ErasureListError("/secret/path/erased.jsonl: denied")] * 3))
    with capture_logs() as logs:
        start.run()

    assert round(start.ready_s, 3) == 0.1
    assert "let the service's user read and write erased.jsonl and erasure_key" in start.told
    assert "/secret" not in start.told
    assert start.erasure.tries == 4
    assert start.done_s > 3 * PAUSE_S
    assert [log["event"] for log in logs].count("erasures_not_finished") == 3
    assert not start.failures.standing


def test_a_database_that_fails_is_told_as_such() -> None:
    start = Start(Slow(0.1, [StoreError("no room")]))
    start.run()

    assert "mend the database" in start.told
    assert not start.failures.standing


def test_a_fault_of_ours_ends_nothing_and_it_is_begun_again() -> None:
    start = Start(Slow(0.1, [RuntimeError("a fault of ours")]))
    start.run()

    assert start.erasure.tries == 2
    assert start.ready_s < START_S
