"""Every clock jumps with the loop's, and stands where it stood when the loop is over."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

import virtual_time
from fwai.integrations.webhook_client import WebhookClient
from fwai.tools.message_jobs import DayCount

HOUR_S = 3600.0
FUNCTIONS = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")


class Broken(Exception):  # noqa: N818
    pass


def read() -> dict[str, float]:
    """Return what each clock tells, in seconds."""
    told = {
        name: getattr(time, name)() / (1e9 if name.endswith("_ns") else 1) for name in FUNCTIONS
    }
    return told | {
        "loop": asyncio.get_running_loop().time(),
        "datetime": datetime.now(UTC).timestamp(),
        "datetime without a zone": datetime.now().timestamp(),  # noqa: DTZ005
    }


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = [getattr(time, name) for name in FUNCTIONS]
    now, defaults = vars(datetime)["now"], WebhookClient.__init__.__kwdefaults__
    yield
    assert [getattr(time, name) for name in FUNCTIONS] == before
    assert vars(datetime)["now"] is now
    assert WebhookClient.__init__.__kwdefaults__ is defaults
    assert abs(datetime.now(UTC).timestamp() - time.time()) < 1


def test_an_hour_moves_every_clock_by_an_hour_and_costs_nothing() -> None:
    async def hour() -> tuple[dict[str, float], dict[str, float]]:
        before = read()
        await asyncio.sleep(HOUR_S)
        return before, read()

    began, wall = time.perf_counter(), time.time()
    before, after = virtual_time.run(hour())

    assert {name: after[name] - before[name] for name in after} == pytest.approx(
        dict.fromkeys(after, HOUR_S), abs=1e-5
    )
    assert before["time"] == pytest.approx(wall, abs=1)
    assert before["monotonic"] == before["perf_counter"] == before["loop"]
    assert time.perf_counter() - began < 1


def test_a_clock_stands_still_between_two_timers() -> None:
    async def look() -> bool:
        before = read()
        sum(range(100_000))
        return read() == before

    assert virtual_time.run(look())


def test_a_day_is_another_date() -> None:
    async def tomorrow() -> int:
        today = date.today()  # noqa: DTZ011
        await asyncio.sleep(24 * HOUR_S)
        return (date.today() - today).days  # noqa: DTZ011

    assert virtual_time.run(tomorrow()) == 1


def test_a_clock_that_is_a_default_of_ours_moves_too() -> None:
    async def later() -> tuple[float, float]:
        window = DayCount()
        before = window._clock()
        await asyncio.sleep(HOUR_S)
        return window._clock() - before, window._clock() - asyncio.get_running_loop().time()

    assert virtual_time.run(later()) == (HOUR_S, 0)


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
def test_an_error_comes_out_and_the_clocks_are_real_again(error: type[BaseException]) -> None:
    async def fail() -> None:
        await asyncio.sleep(HOUR_S)
        raise error

    with pytest.raises(error):
        virtual_time.run(fail())


def test_a_deadlock_fails_at_once() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="deadlock"):
        virtual_time.run(wait())


def test_a_task_left_behind_is_told() -> None:
    tasks = []

    async def leave() -> None:
        tasks.append(asyncio.create_task(asyncio.sleep(0)))

    with pytest.raises(AssertionError, match="left behind"):
        virtual_time.run(leave())
    tasks.clear()


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S, -1.0])
def test_the_wall_clock_can_be_set_alone(by_s: float) -> None:
    wall = ("time", "time_ns", "datetime", "datetime without a zone")

    async def main() -> tuple[dict[str, float], dict[str, float]]:
        before = read()
        virtual_time.set_wall_clock(by_s)
        return before, read()

    before, after = virtual_time.run(main())

    moved = {name: after[name] - before[name] for name in after}
    assert moved == pytest.approx({name: by_s if name in wall else 0.0 for name in moved}, abs=1e-3)
