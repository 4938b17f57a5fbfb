"""When a clock is believed: a table of what clocks do."""

from datetime import datetime, timedelta

import pytest

from fwai.jobs.clock_watch import GAP, STEADY_S, TOLERANCE, ClockWatch, seconds_since_boot
from unit.jobs.kit import T0

HOUR = 3600.0
DAY = 24 * HOUR
YEAR = 365 * DAY


class Witness:
    def __init__(self, newest: datetime | None = None, told: datetime | None = None) -> None:
        self.newest = newest
        self.told = told

    async def now(self) -> datetime | None:
        return self.told


class Machine:
    """A machine whose clock goes, and is set."""

    def __init__(self, witness: Witness) -> None:
        self.time = T0
        self.elapsed_s = 500.0
        self.watch = ClockWatch(witness, lambda: self.time, lambda: self.elapsed_s)

    def go(self, seconds: float, set_s: float = 0.0) -> None:
        """Let time pass, and set the clock forward by so much."""
        self.elapsed_s += seconds
        self.time += timedelta(seconds=seconds + set_s)


# What happens, in steps: seconds that pass, seconds that the clock is set forward, believed then?
Steps = list[tuple[float, float, bool]]


@pytest.mark.parametrize(
    "steps",
    [
        [(0, 0, True)],
        [(HOUR, 0, True), (DAY, 0, True), (90 * DAY, 0, True)],
        [(HOUR, 30 * 60, True)],
        [(HOUR, -30 * 60, True)],
        [(DAY, 40 * 60, True), (DAY, 40 * 60, True), (DAY, 40 * 60, True)],  # many small steps
        [(HOUR, YEAR, False)],
        [(HOUR, -YEAR, False)],
        [(HOUR, YEAR, False), (60, -YEAR, True), (DAY, 0, True)],  # for a moment
        [(HOUR, YEAR, False), (STEADY_S - 1, 0, False), (1, 0, True)],  # for good
        [(HOUR, YEAR, False), (STEADY_S, 0, True), (HOUR, -YEAR, False), (STEADY_S, 0, True)],
        [(HOUR, YEAR, False), (STEADY_S - 1, YEAR, False), (STEADY_S - 1, 0, False), (1, 0, True)],
        [(HOUR, -YEAR, False), (HOUR, YEAR, True)],
        [(HOUR, 2 * HOUR, False), (DAY, 0, True)],
    ],
)
async def test_a_clock_is_believed_while_it_goes_evenly(steps: Steps) -> None:
    machine = Machine(Witness(T0 - timedelta(minutes=5)))
    for seconds, set_s, believed in steps:
        machine.go(seconds, set_s)
        assert (await machine.watch.doubt() == "") == believed


@pytest.mark.parametrize(
    ("newest", "believed"),
    [
        (None, True),  # a database with nothing in it
        (T0, True),
        (T0 - GAP, True),
        (T0 - GAP - timedelta(seconds=1), False),
        (T0 - timedelta(days=365), False),
        (T0 + timedelta(days=365), True),  # it was ahead then, or is behind: nothing looks old
    ],
)
async def test_at_a_start_the_newest_that_was_written_speaks_for_the_clock(
    newest: datetime | None, believed: bool
) -> None:
    machine = Machine(Witness(newest))

    assert (await machine.watch.doubt() == "") == believed
    machine.go(STEADY_S)
    assert await machine.watch.doubt() == "", "the machine was off for long"


async def test_a_start_with_a_wrong_clock_that_is_put_right_waits_once_more() -> None:
    machine = Machine(Witness(T0 - timedelta(days=365)))
    machine.go(60, -YEAR)

    assert await machine.watch.doubt()
    machine.go(STEADY_S)
    assert not await machine.watch.doubt()


@pytest.mark.parametrize("sign", [1, -1])
async def test_a_clock_that_differs_from_the_database_s_is_not_believed_however_even(
    sign: int,
) -> None:
    witness = Witness(T0)
    machine = Machine(witness)
    for _ in range(3):
        machine.go(DAY)
        witness.told = machine.time + sign * TOLERANCE
        assert await machine.watch.doubt() == ""
        witness.told = machine.time + sign * (TOLERANCE + timedelta(seconds=1))
        assert "database" in await machine.watch.doubt()


def test_what_cannot_be_set_goes_forward() -> None:
    first = seconds_since_boot()

    assert seconds_since_boot() >= first > 0
