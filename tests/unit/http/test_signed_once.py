"""One nonce, one request: in memory, in what all processes share, and while that is away."""

import asyncio

import pytest

from fwai.calls.bounded_reads import BoundedReads
from fwai.domain.failure import Area, Trouble
from fwai.errors import SignatureError, StoreError
from fwai.http.signed_once import LEAVE_ALONE_S, MAX_REMEMBERED, WAIT_S, SignedOnce
from virtual_time import run


class Log:
    """What all processes share; may hang or fail."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.asked = 0
        self.hangs = False
        self.fails = False

    async def first(self, nonce: str, content: str) -> str:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(3600)
        if self.fails:
            raise StoreError("database: away")
        return self.kept.setdefault(nonce, content)


class Watch:
    def __init__(self) -> None:
        self.wrong: set[tuple[Area, str]] = set()

    def seen(self, trouble: Trouble) -> None:
        self.wrong.add((trouble.area, trouble.what))

    def mended(self, area: Area, what: str) -> None:
        self.wrong.discard((area, what))


async def test_another_process_knows_what_this_one_took() -> None:
    log = Log()
    async with BoundedReads() as waits:
        one, other = SignedOnce(log, waits), SignedOnce(log, waits)
        await one.check("V3", "n-1", b"POST", b"a=1")

        await other.check("V3", "n-1", b"POST", b"a=1")
        with pytest.raises(SignatureError, match="another request"):
            await SignedOnce(log, waits).check("V3", "n-1", b"POST", b"a=2")
        await other.check("V2", "n-1", b"POST", b"a=2")


async def test_of_two_at_once_the_second_is_refused_while_the_first_is_written() -> None:
    log = Log()
    async with BoundedReads() as waits:
        once = SignedOnce(log, waits)

        first, second = await asyncio.gather(
            once.check("V3", "n-1", b"a"), once.check("V3", "n-1", b"b"), return_exceptions=True
        )

    assert first is None
    assert isinstance(second, SignatureError)


async def test_what_moves_between_two_parts_is_other_content() -> None:
    once = SignedOnce()
    await once.check("V3", "n-1", b"ab", b"c")

    with pytest.raises(SignatureError):
        await once.check("V3", "n-1", b"a", b"bc")


def test_a_database_that_hangs_refuses_nobody_and_is_left_alone_for_a_while() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        log, watch = Log(), Watch()
        log.hangs = True
        async with BoundedReads() as waits:
            once = SignedOnce(log, waits, watch, loop.time)
            began = loop.time()

            for number in range(20):
                await once.check("V3", f"n-{number}", b"a")
            assert loop.time() - began == pytest.approx(WAIT_S, abs=0.1)
            assert log.asked == 1
            assert watch.wrong
            with pytest.raises(SignatureError):
                await once.check("V3", "n-3", b"b")

            log.hangs = False
            await asyncio.sleep(LEAVE_ALONE_S)
            await once.check("V3", "n-20", b"a")
            assert log.asked == 2
            assert not watch.wrong

    run(scene())


def test_a_database_that_fails_refuses_nobody() -> None:
    async def scene() -> None:
        log, watch = Log(), Watch()
        log.fails = True
        async with BoundedReads() as waits:
            once = SignedOnce(log, waits, watch)

            await once.check("V3", "n-1", b"a")
            await once.check("V3", "n-1", b"a")
            with pytest.raises(SignatureError):
                await once.check("V3", "n-1", b"b")
            assert watch.wrong

    run(scene())


async def test_memory_is_bounded() -> None:
    once = SignedOnce()

    for number in range(MAX_REMEMBERED + 5):
        await once.check("V3", str(number), b"a")

    assert len(once._here) == MAX_REMEMBERED
    with pytest.raises(SignatureError):
        await once.check("V3", str(MAX_REMEMBERED), b"b")
