"""What fails in the archive is logged, and the call goes on."""

import asyncio
from dataclasses import replace

import pytest

import virtual_time
from fakes import CALL, FakeArchive
from fwai.calls.call_records import MAX_LATE, RETRY_DELAYS_S, CallRecords
from fwai.domain.call import Call, CallEnding, CallId, CallState, Direction, EndReason
from fwai.errors import StoreError

OURS = replace(CALL, direction=Direction.OUTBOUND, provider_call_id="")
ENDING = CallEnding(CallState.BUSY, EndReason.NEVER_CONNECTED)


class Sick:
    """An archive in which everything fails."""

    def __getattr__(self, name: str) -> object:
        async def fail(*_: object, **__: object) -> None:
            raise StoreError("database: disk I/O error")

        return fail


async def test_a_call_that_comes_in_is_opened_as_ringing() -> None:
    archive = FakeArchive()

    await CallRecords(archive).open(CALL)

    assert archive.states == {CALL.id: CallState.RINGING}


async def test_a_call_of_ours_is_known_and_moves_on() -> None:
    archive = FakeArchive()
    archive.calls[OURS.id], archive.states[OURS.id] = OURS, CallState.QUEUED

    await CallRecords(archive).open(OURS)

    assert archive.states == {OURS.id: CallState.DIALING}


@pytest.mark.parametrize("state", [CallState.RINGING, CallState.CANCELED])
async def test_opening_a_call_of_ours_takes_nothing_back(state: CallState) -> None:
    archive = FakeArchive()
    archive.calls[OURS.id], archive.states[OURS.id] = OURS, state

    await CallRecords(archive).open(OURS)

    assert archive.states == {OURS.id: state}


async def test_a_call_that_others_dialled_is_opened_like_one_that_comes_in() -> None:
    archive = FakeArchive()

    await CallRecords(archive).open(OURS)

    assert archive.states == {OURS.id: CallState.RINGING}


async def test_what_happens_is_passed_on() -> None:
    archive = FakeArchive()
    records = CallRecords(archive)
    await records.open(CALL)

    await records.moved(CALL, CallState.IN_PROGRESS)
    await records.named(replace(CALL, provider_call_id="p-9"))
    assert await records.was_here("plivo", "p-9")
    await records.ended(CALL, ENDING)

    record = await records.record(CALL.id)
    assert record is not None
    assert (record.state, record.call.provider_call_id) == (CallState.BUSY, "p-9")
    assert await records.record(CallId("unknown")) is None
    assert not await records.was_here("plivo", "unknown")


async def test_a_sick_archive_stops_nothing_and_names_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = CallRecords(Sick(), ())  # type: ignore[arg-type]

    for call in (CALL, OURS):
        await records.open(call)
        await records.moved(call, CallState.RINGING)
        await records.named(call)
        await records.ended(call, ENDING)
    assert await records.record(CALL.id) is None
    assert not await records.was_here("plivo", "p-1")

    logged = capsys.readouterr().out
    assert "call_not_archived" in logged
    assert CALL.caller not in logged


# ---- how a call ended ----------------------------------------------------------------------------


class Unsteady(FakeArchive):
    """An archive in which the next ``failing`` endings cannot be written."""

    def __init__(self, failing: int, poisoned: tuple[CallId, ...] = ()) -> None:
        super().__init__()
        self.failing = failing
        self.poisoned = poisoned
        self.tried: list[tuple[CallId, float]] = []
        self.written: list[CallId] = []

    async def end(self, call: Call, ending: CallEnding, at: float) -> bool:
        self.tried.append((call.id, at))
        if self.failing or call.id in self.poisoned:
            self.failing = max(self.failing - 1, 0)
            raise StoreError("database: locked")
        self.written.append(call.id)
        return True


def numbered(number: int) -> Call:
    return replace(CALL, id=CallId(f"call-{number}"))


@pytest.mark.parametrize("failing", range(len(RETRY_DELAYS_S) + 1))
def test_an_ending_that_fails_is_tried_again_as_of_its_own_time(failing: int) -> None:
    archive = Unsteady(failing)

    virtual_time.run(CallRecords(archive).ended(CALL, ENDING))

    assert archive.written == [CALL.id]
    assert len(archive.tried) == failing + 1
    assert len(set(archive.tried)) == 1


def test_a_call_does_not_wait_for_its_ending_for_long() -> None:
    async def take() -> float:
        started = asyncio.get_running_loop().time()
        await CallRecords(Unsteady(99)).ended(CALL, ENDING)
        return asyncio.get_running_loop().time() - started

    assert virtual_time.run(take()) == pytest.approx(sum(RETRY_DELAYS_S))
    assert sum(RETRY_DELAYS_S) < 5


async def test_what_still_fails_is_written_with_the_next_ending() -> None:
    archive = Unsteady(2)
    records = CallRecords(archive, ())

    for number in range(4):
        await records.ended(numbered(number), ENDING)

    assert archive.written == ["call-2", "call-0", "call-1", "call-3"]
    assert archive.tried[0] == archive.tried[3], "it ended when it did, not when it was written"


async def test_one_that_can_never_be_written_holds_no_other_up() -> None:
    archive = Unsteady(0, (CallId("call-0"),))
    records = CallRecords(archive, ())
    await records.ended(numbered(0), ENDING)
    archive.failing = 1
    await records.ended(numbered(1), ENDING)

    await records.ended(numbered(2), ENDING)
    await records.ended(numbered(3), ENDING)

    assert archive.written == ["call-2", "call-3", "call-1"]


async def test_what_waits_is_bounded_and_the_oldest_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = Unsteady(MAX_LATE + 1)
    records = CallRecords(archive, ())
    for number in range(MAX_LATE + 1):
        await records.ended(numbered(number), ENDING)

    await records.ended(CALL, ENDING)

    assert len(archive.written) == MAX_LATE + 1
    assert numbered(0).id not in archive.written
    assert "call_ending_lost" in capsys.readouterr().out


async def test_of_two_endings_at_once_each_late_one_is_written_once() -> None:
    archive = Unsteady(3)
    records = CallRecords(archive, ())
    for number in range(3):
        await records.ended(numbered(number), ENDING)

    await asyncio.gather(*(records.ended(numbered(number), ENDING) for number in (3, 4)))

    assert sorted(archive.written) == [f"call-{number}" for number in range(5)]
