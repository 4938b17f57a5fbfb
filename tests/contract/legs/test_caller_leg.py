"""What every ``CallerLeg`` promises, its fake included, against a far side that behaves badly, too.

Each test leaves its call by closing the leg; `Bench.call` then looks for what is left of it: tasks,
threads, the leg itself, and exceptions that nobody caught; `on_uvloop` looks for sockets.
"""

import asyncio
import gc
import time
import weakref

import numpy as np
import pytest

from contract.legs.bench import CLIPS, Bench, identify, until
from fakes import FakeCaller
from fwai.domain.events import (
    CallerAudio,
    CallerEvent,
    CallerHungUp,
    DtmfPressed,
    MarkReached,
)
from fwai.interfaces.media import CallerLeg
from gaps import on_time
from unit.adapters.media_server import on_uvloop

CALLER_SAYS, AGENT_SAYS = "ask_ai", "time_warning"
SETTLE_S = 0.2  # a message of the far side, its way, and half a run of ours
PLAY_MAX_S = 0.05
MORE_THAN_KERNELS_HOLD = 16_000_000  # bytes of speech


def tone(sample_rate: int, s: float) -> bytes:
    at = np.arange(round(s * sample_rate)) / sample_rate
    return (8_000 * np.sin(at * 2 * np.pi * 300)).astype("<i2").tobytes()


def assert_takes_everything_and_does_nothing(leg: CallerLeg) -> None:
    leg.play(bytes(320))
    leg.flush()
    leg.clear()
    assert not leg.mark("too late")


# ---- the beginning --------------------------------------------------------------------------


@on_uvloop
async def test_an_open_leg_knows_how_it_works(bench: Bench) -> None:
    async with bench.call() as call:
        assert call.leg.sample_rate == bench.sample_rate
        assert 80.0 <= call.leg.lead_ms <= 400.0
        assert call.leg.max_call_s is None or call.leg.max_call_s >= 600.0
        assert call.hang_ups == []


@on_uvloop
async def test_what_came_before_anybody_listens_is_delivered_first_and_in_order(
    bench: Bench,
) -> None:
    async with bench.call(listens=False) as call:
        await call.peer.press("1")
        await asyncio.sleep(SETTLE_S)

        call.listen()
        early = call.keys
        await call.peer.press("2")
        await until(lambda: len(call.keys) == 2)

        assert early == "1"
        assert call.keys == "12"


@on_uvloop
async def test_a_caller_who_left_before_anybody_listens_is_told_last(bench: Bench) -> None:
    async with bench.call(listens=False) as call:
        await call.peer.press("1")
        await asyncio.sleep(SETTLE_S)
        await call.peer.hang_up()
        await asyncio.sleep(SETTLE_S)

        call.listen()

        assert call.keys == "1"
        assert call.events[-1] == CallerHungUp(failed=False)


# ---- sound and keys -------------------------------------------------------------------------


@on_uvloop
async def test_both_sides_are_heard_at_once_and_no_sample_is_lost(bench: Bench) -> None:
    async with bench.call() as call:
        rate = bench.sample_rate
        agent = CLIPS[AGENT_SAYS].pcm(rate)

        await asyncio.gather(call.peer.say(CALLER_SAYS), call.speak(agent))
        await asyncio.sleep(0.4)  # the lead, and what the far side's jitter buffer holds
        heard = call.peer.ear.pcm(rate)

        assert identify(call.pcm, rate) == CALLER_SAYS
        assert identify(heard, rate) == AGENT_SAYS
        lost_ms = [
            bench.lost_ms(call.pcm, CLIPS[CALLER_SAYS].pcm(rate), rate),
            bench.lost_ms(heard, agent, rate),
        ]
        with on_time():
            assert max(lost_ms) < 1.0


@on_uvloop
async def test_each_key_is_told_once_and_in_order(bench: Bench) -> None:
    async with bench.call() as call:
        for digit in "5#0*":
            await call.peer.press(digit)
        await until(lambda: len(call.keys) == 4)
        await asyncio.sleep(0.1)

        assert [event for event in call.events if isinstance(event, DtmfPressed)] == [
            DtmfPressed(digit) for digit in "5#0*"
        ]


# ---- barge-in -------------------------------------------------------------------------------


@on_uvloop
async def test_cleared_speech_ends_in_time_and_its_marks_never_come(bench: Bench) -> None:
    async with bench.call() as call:
        loop = asyncio.get_running_loop()
        call.leg.play(tone(bench.sample_rate, 0.6))
        assert call.leg.mark("cleared")
        await asyncio.sleep(0.25)

        cut = loop.time()
        call.leg.clear()
        await call.peer.receipt("cleared")
        await call.peer.receipt("never asked for")
        await asyncio.sleep(0.65)
        last = call.peer.ear.sounded_until

        with on_time():
            assert cut - 0.25 < last < cut + bench.silent_ms / 1000
        assert call.marks == []


@on_uvloop
async def test_after_a_clear_new_speech_is_heard_and_receipted(bench: Bench) -> None:
    async with bench.call() as call:
        loop = asyncio.get_running_loop()
        call.leg.play(tone(bench.sample_rate, 1.0))
        call.leg.mark("cleared")
        await asyncio.sleep(0.1)
        call.leg.clear()
        again = loop.time()

        call.leg.play(tone(bench.sample_rate, 0.3))
        call.leg.flush()
        assert call.leg.mark("new")
        await asyncio.sleep(0.8)

        with on_time():
            assert again + 0.25 < call.peer.ear.sounded_until < again + 0.3 + bench.silent_ms / 1000
        assert call.marks == ["new"]


# ---- the end of a reply ---------------------------------------------------------------------


@on_uvloop
async def test_a_receipt_means_that_all_speech_was_heard(bench: Bench) -> None:
    async with bench.call() as call:
        ends = asyncio.get_running_loop().time() + 0.3
        call.leg.play(tone(bench.sample_rate, 0.3))
        call.leg.flush()

        assert call.leg.mark("end")
        await asyncio.sleep(0.75)
        heard = call.peer.ear.sounded_until

        with on_time():
            assert heard > ends - 0.02
        assert call.marks == ["end"]
        with on_time():
            assert heard - 0.01 < call.told_at(MarkReached("end")) < heard + 0.2


@on_uvloop
async def test_a_receipt_of_nothing_comes_soon(bench: Bench) -> None:
    async with bench.call() as call:
        assert call.leg.mark("nothing")

        await until(lambda: call.marks, 0.4)

        assert call.marks == ["nothing"]


async def test_a_leg_without_receipts_says_so_and_sends_none() -> None:
    leg, told = FakeCaller(receipts=None), list[CallerEvent]()
    leg.listen(told.append)
    leg.play(bytes(32))

    promised = leg.mark("end")
    await asyncio.sleep(0.05)

    assert not promised
    assert told == []


# ---- how it ends ----------------------------------------------------------------------------


@on_uvloop
async def test_a_caller_who_hangs_up_is_told_once(bench: Bench) -> None:
    async with bench.call() as call:
        await call.peer.hang_up()
        await until(lambda: call.hang_ups)
        await asyncio.sleep(0.1)

        assert call.hang_ups == [CallerHungUp(failed=False)]
        assert call.events[-1] == CallerHungUp(failed=False)
        assert_takes_everything_and_does_nothing(call.leg)


@on_uvloop
async def test_a_caller_who_drops_the_line_has_hung_up_and_nothing_is_told_after_it(
    bench: Bench,
) -> None:
    async with bench.call() as call:
        await asyncio.sleep(0.1)  # a goodbye counts only from whom something was heard
        await call.peer.drop()
        await until(lambda: call.hang_ups)
        await asyncio.sleep(SETTLE_S)

        assert call.hang_ups == [CallerHungUp(failed=False)]
        assert call.events[-1] == CallerHungUp(failed=False)
        assert_takes_everything_and_does_nothing(call.leg)


@on_uvloop
async def test_a_far_side_that_dies_has_failed_or_is_left_to_the_session(bench: Bench) -> None:
    async with bench.call() as call:
        await call.peer.die()
        await asyncio.sleep(0.1)
        told = len(call.told)

        await asyncio.sleep(0.5)

        assert call.hang_ups == [CallerHungUp(failed=True)] * bench.notices_death
        assert len(call.told) - told <= len(call.hang_ups)
        call.leg.play(bytes(320))
        call.leg.clear()


@on_uvloop
async def test_closing_twice_is_closing_once_and_nothing_is_told_after_it(bench: Bench) -> None:
    async with bench.call() as call:
        call.leg.play(tone(bench.sample_rate, 0.1))
        call.leg.mark("never")
        await asyncio.gather(call.leg.close(), call.leg.close())
        told = len(call.told)
        began = time.monotonic()

        await call.leg.close()

        assert time.monotonic() - began < 0.05
        assert_takes_everything_and_does_nothing(call.leg)
        await asyncio.sleep(0.4)
        assert len(call.told) == told
        assert not call.marks
        assert not call.hang_ups


# ---- what should not happen -----------------------------------------------------------------


@on_uvloop
async def test_garbage_is_dropped_and_counted_and_the_call_goes_on(bench: Bench) -> None:
    async with bench.call() as call:
        if not call.peer.garbage:
            pytest.skip("there is no wire")
        for kind in call.peer.garbage:
            await call.peer.garble(kind)
            await call.peer.press("7")
        await until(lambda: len(call.keys) == len(call.peer.garbage))

        assert call.keys == "7" * len(call.peer.garbage)
        assert bench.faults(call.leg) >= 3
        assert call.hang_ups == []
        assert {type(event) for event in call.events} <= {CallerAudio, DtmfPressed}


@on_uvloop
async def test_three_unreadable_messages_in_a_row_end_a_stream_and_no_datagrams_do(
    bench: Bench,
) -> None:
    async with bench.call() as call:
        if not call.peer.garbage:
            pytest.skip("there is no wire")
        for _ in range(3):
            await call.peer.garble(call.peer.garbage[0])
        await asyncio.sleep(SETTLE_S)

        assert call.hang_ups == [CallerHungUp(failed=True)] * bench.garbage_ends


@on_uvloop
async def test_for_one_who_takes_nothing_speech_is_refused_and_nothing_waits_not_even_the_end(
    bench: Bench,
) -> None:
    async with bench.call() as call:
        call.peer.stop_reading()
        second = tone(bench.sample_rate, 1.0)
        slowest_s = most_ms = 0.0

        for _ in range(MORE_THAN_KERNELS_HOLD // len(second)):
            began = time.perf_counter()
            call.leg.play(second)
            slowest_s = max(slowest_s, time.perf_counter() - began)
            most_ms = max(most_ms, bench.held_ms(call.leg))
            await asyncio.sleep(0)

        with on_time():
            assert slowest_s < PLAY_MAX_S
        assert most_ms <= bench.most_held_ms
        assert bench.refused is None or bench.refused(call.leg)
        assert call.hang_ups == []
        began = time.perf_counter()
        await call.leg.close()
        await until(lambda: bench.over(call.leg))
        assert time.perf_counter() - began < 0.5


@on_uvloop
async def test_calls_one_after_another_leave_nothing_not_even_the_leg(bench: Bench) -> None:
    legs = []
    for _ in range(3):
        async with bench.call() as call:
            legs.append(weakref.ref(call.leg))
            call.leg.play(tone(bench.sample_rate, 0.1))
            call.leg.mark("pending")
            await call.peer.press("1")
            await asyncio.sleep(0.05)
        call.leg = call.peer = None  # type: ignore[assignment]  # nobody else may hold them
    await asyncio.sleep(0.05)
    gc.collect()

    assert [leg() for leg in legs] == [None] * 3
