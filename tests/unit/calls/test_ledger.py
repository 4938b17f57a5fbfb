"""What fails in the archive is logged, and the call goes on."""

from dataclasses import replace

import pytest

from fakes import CALL, FakeArchive
from fwai.calls.ledger import Ledger
from fwai.domain.call import CallEnding, CallId, CallState, Direction, EndReason
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

    await Ledger(archive).open(CALL)

    assert archive.states == {CALL.id: CallState.RINGING}


async def test_a_call_of_ours_is_known_and_moves_on() -> None:
    archive = FakeArchive()
    archive.calls[OURS.id], archive.states[OURS.id] = OURS, CallState.QUEUED

    await Ledger(archive).open(OURS)

    assert archive.states == {OURS.id: CallState.DIALING}


@pytest.mark.parametrize("state", [CallState.RINGING, CallState.CANCELED])
async def test_opening_a_call_of_ours_takes_nothing_back(state: CallState) -> None:
    archive = FakeArchive()
    archive.calls[OURS.id], archive.states[OURS.id] = OURS, state

    await Ledger(archive).open(OURS)

    assert archive.states == {OURS.id: state}


async def test_a_call_that_others_dialled_is_opened_like_one_that_comes_in() -> None:
    archive = FakeArchive()

    await Ledger(archive).open(OURS)

    assert archive.states == {OURS.id: CallState.RINGING}


async def test_what_happens_is_passed_on() -> None:
    archive = FakeArchive()
    ledger = Ledger(archive)
    await ledger.open(CALL)

    await ledger.moved(CALL, CallState.IN_PROGRESS)
    await ledger.named(replace(CALL, provider_call_id="p-9"))
    assert await ledger.was_here("plivo", "p-9")
    await ledger.ended(CALL, ENDING)

    record = await ledger.record(CALL.id)
    assert record is not None
    assert (record.state, record.call.provider_call_id) == (CallState.BUSY, "p-9")
    assert await ledger.record(CallId("unknown")) is None
    assert not await ledger.was_here("plivo", "unknown")


async def test_a_sick_archive_stops_nothing_and_names_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = Ledger(Sick())  # type: ignore[arg-type]

    for call in (CALL, OURS):
        await ledger.open(call)
        await ledger.moved(call, CallState.RINGING)
        await ledger.named(call)
        await ledger.ended(call, ENDING)
    assert await ledger.record(CALL.id) is None
    assert not await ledger.was_here("plivo", "p-1")

    logged = capsys.readouterr().out
    assert "call_not_archived" in logged
    assert CALL.caller not in logged
