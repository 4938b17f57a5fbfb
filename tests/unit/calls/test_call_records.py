"""Changes of calls are written in order, until they are; nobody waits for them too long."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import virtual_time
from fakes import CALL, FakeArchive
from fwai.calls.call_records import (
    ENDING_S,
    GIVE_UP_S,
    GREETING_S,
    MAX_STEPS,
    PAUSES_S,
    READ_S,
    STEP_S,
    STOP_S,
    CallRecords,
)
from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction, EndReason
from fwai.domain.record import CallRecord
from fwai.errors import StoreError

OURS = replace(CALL, direction=Direction.OUTBOUND, provider_call_id="")
ENDING = CallEnding(CallState.BUSY, EndReason.NEVER_CONNECTED)
FOR_EVER = 10**6


class Unsteady(FakeArchive):
    """An archive that fails, or hangs, so many times; it notes what was tried and written."""

    def __init__(self, failing: int = 0, hanging: int = 0, broken: tuple[CallId, ...] = ()) -> None:
        super().__init__()
        self.failing = failing
        self.hanging = hanging
        self.broken = broken
        self.tried: list[tuple[str, float]] = []
        self.written: list[str] = []

    async def _visit(self, call_id: CallId, what: str, at: float = 0.0) -> None:
        self.tried.append((f"{call_id} {what}", at))
        if call_id in self.broken:
            raise ZeroDivisionError
        if self.hanging:
            self.hanging -= 1
            await asyncio.sleep(FOR_EVER)
        if self.failing:
            self.failing -= 1
            raise StoreError("database: locked")
        self.written.append(f"{call_id} {what}")

    async def open(self, call: Call, state: CallState, at: float) -> None:
        await self._visit(call.id, "open", at)
        await super().open(call, state, at)

    async def set_state(self, call_id: CallId, state: CallState, at: float) -> bool:
        await self._visit(call_id, state.value, at)
        return await super().set_state(call_id, state, at)

    async def set_provider_id(self, call_id: CallId, provider_call_id: str) -> None:
        await self._visit(call_id, "provider_id")
        await super().set_provider_id(call_id, provider_call_id)

    async def set_recording(self, call_id: CallId, path: Path) -> None:
        await self._visit(call_id, "recording")
        await super().set_recording(call_id, path)

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        await self._visit(call.id, "end", at)
        return await super().end(call, ending, at)

    async def get(self, call_id: CallId) -> CallRecord | None:
        await self._visit(call_id, "get")
        return await super().get(call_id)

    async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
        await self._visit(CallId(provider_call_id), "state_of")
        return await super().state_of(provider, provider_call_id)


def recording(
    archive: FakeArchive, story: Callable[[CallRecords], Coroutine[Any, Any, None]]
) -> CallRecords:
    """Tell a story while the records are written, in virtual time."""

    async def tell() -> CallRecords:
        records = CallRecords(archive)
        async with asyncio.TaskGroup() as group:
            group.create_task(records.run())
            try:
                await story(records)
            finally:
                records.stop()
        return records

    return virtual_time.run(tell())


async def seconds(work: Awaitable[object]) -> float:
    started = asyncio.get_running_loop().time()
    await work
    return asyncio.get_running_loop().time() - started


async def written(records: CallRecords) -> None:
    while records.pending:  # noqa: ASYNC110 - virtual time
        await asyncio.sleep(0.1)


def numbered(number: int) -> Call:
    return replace(CALL, id=CallId(f"call-{number}"))


# ---- what is written -----------------------------------------------------------------------------


def test_a_call_that_comes_in_is_opened_as_ringing() -> None:
    archive = FakeArchive()

    recording(archive, lambda records: records.open(CALL))

    assert archive.states == {CALL.id: CallState.RINGING}


@pytest.mark.parametrize(
    ("stood", "stands"),
    [
        (CallState.QUEUED, CallState.DIALING),
        (CallState.RINGING, CallState.RINGING),
        (CallState.CANCELED, CallState.CANCELED),
    ],
)
def test_opening_a_call_of_ours_moves_it_on_and_takes_nothing_back(
    stood: CallState, stands: CallState
) -> None:
    archive = FakeArchive()
    archive.calls[OURS.id], archive.states[OURS.id] = OURS, stood

    recording(archive, lambda records: records.open(OURS))

    assert archive.states == {OURS.id: stands}


def test_a_call_that_others_dialled_is_opened_like_one_that_comes_in() -> None:
    archive = FakeArchive()

    recording(archive, lambda records: records.open(OURS))

    assert archive.states == {OURS.id: CallState.RINGING}


def test_what_happens_is_passed_on_in_its_order() -> None:
    archive = Unsteady()

    async def story(records: CallRecords) -> None:
        await records.open(CALL)
        await records.moved(CALL, CallState.IN_PROGRESS)
        await records.named(replace(CALL, provider_call_id="p-9"))
        await records.recorded(CALL, Path("day/c.wav"))
        await records.ended(CALL, ENDING)
        record = await records.record(CALL.id)
        assert record is not None
        assert (record.state, record.call.provider_call_id) == (CallState.BUSY, "p-9")
        assert await records.was_here("plivo", "p-9")
        assert await records.record(CallId("unknown")) is None
        assert not await records.was_here("plivo", "unknown")

    recording(archive, story)

    changes = ["open", "in_progress", "provider_id", "recording", "end"]
    assert archive.written[:5] == [f"{CALL.id} {change}" for change in changes]
    assert archive.recordings == {CALL.id: Path("day/c.wav")}


# ---- a database that fails -----------------------------------------------------------------------


@pytest.mark.parametrize("failing", [1, 2, len(PAUSES_S), len(PAUSES_S) + 3])
def test_a_change_is_tried_until_it_is_written_as_of_its_own_time(failing: int) -> None:
    archive = Unsteady(failing)

    async def story(records: CallRecords) -> None:
        await records.ended(CALL, ENDING)
        await written(records)

    records = recording(archive, story)

    assert archive.written == [f"{CALL.id} end"]
    assert len(archive.tried) == failing + 1
    assert len({at for _, at in archive.tried}) == 1
    assert records.lost == 0


def test_where_a_call_stands_is_written_as_of_when_it_stood_there() -> None:
    archive = Unsteady(failing=3)

    async def story(records: CallRecords) -> None:
        await records.moved(CALL, CallState.IN_PROGRESS)
        await written(records)

    recording(archive, story)

    assert len(archive.tried) == 4
    assert len({at for _, at in archive.tried}) == 1


def test_a_database_that_stays_away_is_asked_ever_more_rarely() -> None:
    archive = Unsteady(failing=FOR_EVER)

    async def story(records: CallRecords) -> None:
        await records.moved(CALL, CallState.IN_PROGRESS)
        await asyncio.sleep(600)
        assert 10 < len(archive.tried) < 100
        archive.failing = 0

    recording(archive, story)

    assert len(archive.written) == 1


def test_a_change_never_overtakes_the_one_before_it() -> None:
    archive = Unsteady(failing=3)

    async def story(records: CallRecords) -> None:
        await records.open(CALL)
        await records.moved(CALL, CallState.IN_PROGRESS)
        await records.ended(CALL, ENDING)
        await written(records)

    recording(archive, story)

    assert archive.written == [f"{CALL.id} {what}" for what in ("open", "in_progress", "end")]
    assert archive.states[CALL.id] is CallState.BUSY


def test_one_call_that_cannot_be_written_holds_no_other_up() -> None:
    archive = Unsteady(hanging=1)

    async def story(records: CallRecords) -> None:
        await records.moved(numbered(0), CallState.RINGING)
        await records.ended(numbered(1), ENDING)
        assert archive.written == ["call-1 end"]
        await written(records)

    recording(archive, story)

    assert archive.written == ["call-1 end", "call-0 ringing"]


def test_a_fault_of_ours_is_logged_and_counted_and_stops_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = Unsteady(broken=(CALL.id,))

    async def story(records: CallRecords) -> None:
        await records.moved(CALL, CallState.RINGING)
        await records.ended(CALL, ENDING)
        await records.ended(numbered(1), ENDING)

    records = recording(archive, story)

    assert archive.written == ["call-1 end"]
    assert records.lost == 2
    assert "ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.parametrize("archive", [Unsteady(FOR_EVER), Unsteady(hanging=FOR_EVER)])
def test_what_a_caller_hears_waits_only_so_long(
    archive: Unsteady, capsys: pytest.CaptureFixture[str]
) -> None:
    waits: dict[str, float] = {}

    async def story(records: CallRecords) -> None:
        waits["open"] = await seconds(records.open(CALL))
        waits["moved"] = await seconds(records.moved(CALL, CallState.RINGING))
        waits["named"] = await seconds(records.named(CALL))
        waits["ended"] = await seconds(records.ended(CALL, ENDING))

    records = recording(archive, story)

    assert waits == pytest.approx({"open": GREETING_S, "moved": 0, "named": 0, "ended": ENDING_S})
    assert records.lost == 4
    logged = capsys.readouterr().out
    assert "call_records_lost" in logged
    assert CALL.caller not in logged


@pytest.mark.parametrize(
    ("archive", "wait"), [(Unsteady(FOR_EVER), 0.0), (Unsteady(hanging=FOR_EVER), READ_S)]
)
def test_reading_has_a_deadline_and_an_answer(archive: Unsteady, wait: float) -> None:
    async def story(records: CallRecords) -> None:
        assert await seconds(records.record(CALL.id)) == pytest.approx(wait)
        assert await records.record(CALL.id) is None
        assert not await records.was_here("plivo", "p-1", 0.3)

    recording(archive, story)


def test_a_try_that_hangs_is_given_up_and_made_again() -> None:
    archive = Unsteady(hanging=1)

    async def story(records: CallRecords) -> None:
        await records.ended(CALL, ENDING)
        assert await seconds(written(records)) == pytest.approx(
            STEP_S - ENDING_S + PAUSES_S[0], abs=0.2
        )

    recording(archive, story)

    assert archive.written == [f"{CALL.id} end"]


def test_after_an_hour_a_change_is_given_up_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def story(records: CallRecords) -> None:
        await records.ended(CALL, ENDING)
        assert await seconds(written(records)) == pytest.approx(GIVE_UP_S, abs=2 * PAUSES_S[-1])

    records = recording(Unsteady(failing=FOR_EVER), story)

    assert records.lost == 1
    logged = capsys.readouterr().out
    assert "call_record_lost" in logged
    assert "call_archived_late" not in logged, "it is not archived at all"


def test_what_waits_is_bounded_and_the_newest_is_lost() -> None:
    archive = Unsteady(failing=FOR_EVER)

    async def story(records: CallRecords) -> None:
        for number in range(MAX_STEPS + 2):
            await records.moved(numbered(number), CallState.RINGING)
        assert records.pending == MAX_STEPS
        assert records.lost == 2
        archive.failing = 0
        await written(records)

    recording(archive, story)

    assert len(archive.written) == MAX_STEPS


def test_a_few_calls_at_a_time_use_the_database_however_many_there_are() -> None:
    class Busy(FakeArchive):
        at_work = most = 0

        async def open(self, call: Call, state: CallState, at: float) -> None:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            await asyncio.sleep(0.1)
            self.at_work -= 1
            await super().open(call, state, at)

    archive = Busy()

    async def story(records: CallRecords) -> None:
        await asyncio.gather(*(records.open(numbered(number), 0.0) for number in range(100)))
        await written(records)

    recording(archive, story)

    assert len(archive.calls) == 100
    assert 1 < archive.most < 10


# ---- stopping ------------------------------------------------------------------------------------


def test_stopping_tries_what_is_left_once_more_without_its_pause() -> None:
    archive = Unsteady(failing=FOR_EVER)

    async def story(records: CallRecords) -> None:
        await records.ended(CALL, ENDING)
        await asyncio.sleep(20)  # it pauses for ten seconds now
        archive.failing = 0

    records = recording(archive, story)

    assert archive.written == [f"{CALL.id} end"]
    assert records.lost == 0


def test_stopping_waits_for_a_dead_database_only_so_long() -> None:
    async def stop() -> float:
        records = CallRecords(Unsteady(hanging=FOR_EVER))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(records.run())
            await records.moved(CALL, CallState.RINGING)
            records.stop()
            return await seconds(running)

    assert virtual_time.run(stop()) == pytest.approx(STOP_S)


async def test_what_is_asked_for_before_the_start_is_written_then() -> None:
    archive = Unsteady()
    records = CallRecords(archive)
    await records.moved(CALL, CallState.RINGING)
    assert archive.written == []

    records.stop()
    await records.run()

    assert archive.written == [f"{CALL.id} ringing"]


async def test_a_dial_that_outlives_the_calls_still_writes_its_own_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = Unsteady()
    records = CallRecords(archive)
    records.stop()
    await records.run()

    await records.named(CALL)
    archive.failing = 1
    await records.named(CALL)

    assert archive.written == [f"{CALL.id} provider_id"]
    assert records.lost == 1
    assert "call_record_lost" in capsys.readouterr().out


def test_a_step_that_comes_while_it_stops_does_not_keep_it_open() -> None:
    async def stop() -> float:
        records = CallRecords(Unsteady(hanging=FOR_EVER))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(records.run())
            await records.moved(numbered(0), CallState.RINGING)
            records.stop()
            await asyncio.sleep(1)
            group.create_task(records.named(numbered(1)))
            group.create_task(records.moved(numbered(0), CallState.IN_PROGRESS))
            return await seconds(running)

    assert virtual_time.run(stop()) <= STOP_S
