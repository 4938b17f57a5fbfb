"""What wrong keys cost whoever sends them, and what they cost us."""

import asyncio

import pytest
from structlog.testing import capture_logs

import virtual_time
from fwai.domain.api_key import read_key
from fwai.http.access import Access
from fwai.http.problem import ProblemError
from fwai.http.wrong_keys import (
    FORGET_S,
    FREE,
    MAX_ADDRESSES,
    MAX_DELAY_S,
    MAX_LINES,
    MAX_WAITING,
    WrongKeys,
    masked,
)
from unit.http.test_access import request

KEY = "key-of-an-operator-0123456789"
THERE = "203.0.113.9"


async def waited(keys: WrongKeys, address: str = THERE) -> float:
    """Let a wrong key come and return how long its answer took, in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await keys.wrong(address) == 0.0
    return loop.time() - began


def test_the_sixth_wrong_key_waits_and_each_after_it_longer_up_to_a_limit() -> None:
    async def main() -> list[float]:
        keys = WrongKeys()
        return [await waited(keys) for _ in range(FREE + 5)]

    assert virtual_time.run(main()) == [0.0] * 5 + [1.0, 2.0, 4.0, 4.0, 4.0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (THERE, "203.0.113.8", False),
        (THERE, f"::ffff:{THERE}", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),  # one customer's network
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("", "no-address", True),
    ],
)
def test_addresses_count_apart_and_networks_of_one_customer_together(
    one: str, other: str, same: bool
) -> None:
    async def main() -> float:
        keys = WrongKeys()
        for _ in range(FREE):
            await waited(keys, one)
        return await waited(keys, other)

    assert virtual_time.run(main()) == (1.0 if same else 0.0)


def test_a_right_key_or_time_makes_good() -> None:
    async def main() -> list[float]:
        keys = WrongKeys()
        found = []
        for _ in range(FREE + 3):
            await waited(keys)
        keys.right(THERE)
        found.append(await waited(keys))
        for _ in range(FREE + 3):
            await waited(keys)
        await asyncio.sleep(FORGET_S + 1)
        return [*found, await waited(keys)]

    assert virtual_time.run(main()) == [0.0, 0.0]


def test_a_stranger_at_the_same_proxy_locks_nobody_out() -> None:
    """While many wrong keys wait, and more come than may wait, a right one is answered at once."""

    async def main() -> tuple[float, int, set[int]]:
        access = Access((read_key(KEY),), loopback=False, secure_cookies=False)
        loop = asyncio.get_running_loop()
        statuses = set()

        async def guess() -> None:
            with pytest.raises(ProblemError) as raised:
                await access.admit(request("127.0.0.1", x_api_key="a-guess"))
            statuses.add(raised.value.status)

        guesses = [asyncio.ensure_future(guess()) for _ in range(MAX_WAITING + 50)]
        await asyncio.sleep(0.01)
        began = loop.time()
        await access.admit(request("127.0.0.1", x_api_key=KEY))
        took = loop.time() - began
        await asyncio.gather(*guesses)
        return took, access.wrong_keys.total, statuses

    took, total, statuses = virtual_time.run(main())

    assert took == 0.0
    assert total == MAX_WAITING + 50
    assert statuses == {401, 429}


def test_no_more_answers_wait_than_there_is_room_for() -> None:
    async def main() -> tuple[int, float]:
        keys = WrongKeys()
        loop = asyncio.get_running_loop()
        began = loop.time()
        told = await asyncio.gather(*(keys.wrong(THERE) for _ in range(1_000)))
        return sum(1 for one in told if one), loop.time() - began

    refused, took = virtual_time.run(main())

    assert refused == 1_000 - FREE - MAX_WAITING
    assert took == MAX_DELAY_S


def test_a_million_addresses_take_the_room_of_a_thousand() -> None:
    async def main() -> tuple[int, float]:
        keys = WrongKeys()
        for number in range(3 * MAX_ADDRESSES):
            await keys.wrong(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        return len(keys._seen), await waited(keys, "10.0.0.0")

    assert virtual_time.run(main()) == (MAX_ADDRESSES, 0.0)


def test_the_log_tells_once_a_minute_how_many_came_and_no_whole_address() -> None:
    async def main() -> None:
        keys = WrongKeys()
        for _ in range(4):
            keys._count(THERE)
        await asyncio.sleep(61)
        keys._count(THERE)
        for number in range(5 * MAX_LINES):
            keys._count(f"10.0.{number}.1")

    with capture_logs() as logs:
        virtual_time.run(main())

    lines = [(log["address"], log["times"]) for log in logs]
    assert lines[:3] == [("203.0.113.x", 1), ("203.0.113.x", 4), ("10.0.0.x", 1)]
    assert len(lines) == 1 + MAX_LINES
    assert {log["event"] for log in logs} == {"wrong_key"}
    assert THERE not in str(logs)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("203.0.113.9", "203.0.113.x"),
        ("2001:db8:1:2::/64", "2001:db8:1::x"),
        ("", "unknown"),
        ("evil\n", "unknown"),
    ],
)
def test_an_address_is_masked(address: str, shown: str) -> None:
    assert masked(address) == shown
