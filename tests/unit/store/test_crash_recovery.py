import asyncio
import wave
from dataclasses import replace
from pathlib import Path

import pytest

from fwai.domain.call import CallState, Direction, EndReason
from fwai.domain.job import HANG_UP, Job, NewJob
from fwai.domain.record import CallRecord
from fwai.store import crash_recovery
from fwai.store.database import Database
from fwai.store.jobs import Jobs
from fwai.store.recording import WavRecorder
from fwai.store.transcript_files import read_transcript
from unit.store.kit import (
    BUSY,
    DAY,
    ENDING,
    LATER,
    REQUEST,
    RESULT,
    T0,
    Kept,
    a_call,
    kept_in,
)


async def stored(kept: Kept, call_id: str = "c-1") -> CallRecord:
    found = await kept.calls.get(a_call(call_id).id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "state", [state for state in CallState if not state.final], ids=lambda state: state.value
)
async def test_every_open_call_becomes_failed_not_completed(kept: Kept, state: CallState) -> None:
    await kept.calls.open(a_call(), state, T0)

    assert await kept.crashed() == 1
    assert await kept.crashed() == 0

    call = await stored(kept)
    assert (call.state, call.end_reason) == (CallState.FAILED, EndReason.SERVER_CRASHED)
    assert call.ended_at is not None
    assert call.ended_at.timestamp() == T0
    assert call.written_at.timestamp() == LATER
    assert (call.usage, call.audio_in_s) == (None, None)


async def test_a_closed_call_is_left_alone(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    await kept.calls.end(a_call(), ENDING, T0 + 1)

    assert await kept.crashed() == 0
    assert (await stored(kept)).state is CallState.COMPLETED


async def test_the_end_is_the_last_moment_known_wherever_it_is_kept(kept: Kept) -> None:
    for call_id in ("turn", "tool", "file"):
        await kept.calls.open(a_call(call_id), CallState.IN_PROGRESS, T0)
    kept.calls.log(a_call("turn")).caller_said("Hi", T0 + 20, 1)
    kept.calls.log(a_call("tool")).tool_finished(REQUEST, RESULT, T0 + 30, 5)
    await kept.writer.flush()
    kept.calls.log(a_call("file")).agent_said("Hi", T0 + 40, 1)
    await kept.files.flush()  # the last lines, that the database never got

    await kept.crashed()

    for call_id, ended in (("turn", 20), ("tool", 30), ("file", 40)):
        call = await stored(kept, call_id)
        assert call.ended_at is not None
        assert call.ended_at.timestamp() == T0 + ended
        ending = read_transcript(kept.transcript(call_id)).ending
        assert ending is not None
        assert ending["at"] == f"2026-11-24T09:30:{ended}.000+05:30"
        assert (ending["status"], ending["end_reason"]) == ("failed", "server_crashed")


async def test_the_end_is_never_in_the_future(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, LATER + 50)

    await kept.crashed()

    call = await stored(kept)
    assert call.ended_at is not None
    assert call.ended_at.timestamp() == LATER


async def test_a_missing_transcript_is_made_from_the_row(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)

    await kept.crashed()

    transcript = read_transcript(kept.transcript())
    assert transcript.call is not None
    assert transcript.call["call_id"] == "c-1"
    assert transcript.ending is not None


async def test_an_ending_that_only_the_file_has_is_taken(kept: Kept, database: Database) -> None:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    async with database.write() as connection:
        await connection.exec_driver_sql("ALTER TABLE calls RENAME COLUMN end_reason TO hidden")
    with pytest.raises(Exception, match="end_reason"):
        await kept.calls.end(a_call(), ENDING, T0 + 9)
    async with database.write() as connection:
        await connection.exec_driver_sql("ALTER TABLE calls RENAME COLUMN hidden TO end_reason")
    await kept.files.flush()
    before = kept.transcript().read_bytes()

    assert await kept.crashed() == 1

    call = await stored(kept)
    assert (call.state, call.end_reason) == (CallState.COMPLETED, EndReason.AGENT_HUNG_UP)
    assert call.ended_at is not None
    assert call.ended_at.timestamp() == T0 + 9
    assert (call.usage, call.latency_ms) == ({"prompt": 10, "response": 4}, [410.0, 520.5])
    assert (call.audio_in_s, call.audio_out_s) == (12.5, 7.25)
    assert kept.transcript().read_bytes() == before
    assert await Jobs(database).page(kind=HANG_UP) == [], "it was over at its carrier, too"


@pytest.mark.parametrize(
    "ending",
    [
        '{"type":"ending"}',
        '{"type":"ending","status":"odd","end_reason":null}',
        '{"type":"ending","status":"ringing","end_reason":null,"usage":null,"latency_ms":1}',
    ],
)
async def test_an_ending_that_makes_no_sense_is_not_believed(kept: Kept, ending: str) -> None:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    kept.transcript().parent.mkdir(parents=True)
    kept.transcript().write_text(ending + '\n{"at": 5}\n{"at": "2026-11-24T10:00:00"}\n')

    await kept.crashed()

    assert (await stored(kept)).state is CallState.FAILED


async def test_another_instance_and_calls_that_go_on_are_left_alone(
    kept: Kept, database: Database, tmp_path: Path
) -> None:
    sibling = kept_in(database, tmp_path, instance="b")
    await sibling.calls.open(a_call("theirs"), CallState.IN_PROGRESS, T0)
    await kept.calls.open(
        replace(a_call("waiting"), direction=Direction.OUTBOUND), CallState.SCHEDULED, T0
    )
    await kept.calls.open(a_call("dead"), CallState.IN_PROGRESS, T0)
    await kept.calls.open(a_call("rang"), CallState.RINGING, T0)
    ours = replace(a_call("ours"), direction=Direction.OUTBOUND)
    await kept.calls.open(ours, CallState.RINGING, T0)

    assert await kept.crashed() == 2

    assert (await stored(kept, "theirs")).state is CallState.IN_PROGRESS
    waiting = await stored(kept, "waiting")
    assert (waiting.state, waiting.instance) == (CallState.SCHEDULED, "a"), "its job dials it"
    adopted = await stored(kept, "ours")
    assert (adopted.state, adopted.instance) == (CallState.RINGING, ""), "who answers it, has it"
    assert (await stored(kept, "dead")).state is CallState.FAILED
    assert (await stored(kept, "rang")).state is CallState.FAILED


async def test_a_later_life_of_the_same_instance_is_left_alone(kept: Kept) -> None:
    await kept.calls.open(a_call("old"), CallState.IN_PROGRESS, T0)
    kept.calls._owner.epoch = 2
    await kept.calls.open(a_call("new"), CallState.IN_PROGRESS, T0)

    assert await kept.crashed() == 1

    assert (await stored(kept, "old")).state is CallState.FAILED
    assert (await stored(kept, "new")).state is CallState.IN_PROGRESS


async def test_earlier_lives_that_nobody_finished_are_finished_too(kept: Kept) -> None:
    await kept.calls.open(a_call("first"), CallState.IN_PROGRESS, T0)
    kept.calls._owner.epoch = 2
    await kept.calls.open(a_call("second"), CallState.IN_PROGRESS, T0)

    assert await kept.recovery.take_over(kept.instance, 2) == 2

    assert (await stored(kept, "first")).state is CallState.FAILED
    assert (await stored(kept, "second")).state is CallState.FAILED


async def test_of_two_that_take_over_one_adopts_a_call(
    kept: Kept, database: Database, tmp_path: Path
) -> None:
    adopted: list[CallRecord] = []

    def note(record: CallRecord, dial: Job | None) -> list[NewJob]:
        adopted.append(record)
        return []

    ours = replace(a_call(), direction=Direction.OUTBOUND)
    await kept.calls.open(ours, CallState.RINGING, T0)
    takers = kept, kept_in(database, tmp_path)
    for taker in takers:
        taker.recovery._adopted = note

    seen = await stored(kept)  # both have read it before either adopts it
    for taker in takers:
        await taker.recovery._adopt(seen)

    assert len(adopted) == 1


async def test_of_two_that_take_over_one_closes_each_call(
    kept: Kept, database: Database, tmp_path: Path
) -> None:
    for number in range(20):
        await kept.calls.open(a_call(f"c-{number}"), CallState.IN_PROGRESS, T0)
    other = kept_in(database, tmp_path)

    closed = await asyncio.gather(kept.crashed(), other.crashed())

    assert sum(closed) == 20
    assert await kept.crashed() == 0


async def test_a_crashed_call_is_hung_up_at_its_carrier(kept: Kept, database: Database) -> None:
    await kept.calls.open(a_call("c-1"), CallState.IN_PROGRESS, T0)
    await kept.calls.open(a_call("c-2", provider_call_id=""), CallState.IN_PROGRESS, T0)

    await kept.crashed()

    (job,) = await Jobs(database).page(kind=HANG_UP)
    assert job.payload == {"provider": "plivo", "provider_call_id": "uuid-c-1"}
    assert job.call_id == "c-1"


async def test_the_recording_gets_its_true_size(kept: Kept) -> None:
    path = kept.recordings / DAY / "c-1.wav"
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    await kept.calls.set_recording(a_call().id, Path(DAY) / "c-1.wav")
    recorder = WavRecorder(path, 8000, 0.0, kept.files)
    for number in range(200):
        recorder.caller(b"\x01\x00" * 160, number * 0.02)
    await kept.files.flush()

    await kept.crashed()

    seconds = await asyncio.to_thread(seconds_of, path)
    assert 2.5 < seconds < 4


async def test_files_that_cannot_be_finished_hinder_no_start(kept: Kept) -> None:
    for call_id in ("broken", "fine"):
        await kept.calls.open(a_call(call_id), CallState.IN_PROGRESS, T0)
    kept.transcript("broken").mkdir(parents=True)

    assert await kept.crashed() == 2
    assert read_transcript(kept.transcript("fine")).ending is not None


async def test_without_transcripts_no_file_appears(
    database: Database, tmp_path: Path, kept: Kept
) -> None:
    silent = kept_in(database, tmp_path, texts=False)
    await silent.calls.open(a_call("silent"), CallState.IN_PROGRESS, T0)
    await kept.calls.open(a_call("loud"), CallState.IN_PROGRESS, T0)

    assert await silent.crashed() == 2
    assert not kept.transcripts.exists()
    assert not await silent.calls.end(a_call("silent"), BUSY, LATER)


def seconds_of(path: Path) -> float:
    with wave.open(str(path)) as file:
        return float(file.getnframes() / file.getframerate())


async def test_who_answers_an_adopted_call_has_it(
    kept: Kept, database: Database, tmp_path: Path
) -> None:
    ours = replace(a_call("ours"), direction=Direction.OUTBOUND)
    await kept.calls.open(ours, CallState.RINGING, T0)
    await kept.crashed()

    answering = kept_in(database, tmp_path, instance="third")
    assert await answering.calls.set_state(ours.id, CallState.IN_PROGRESS, T0 + 1)

    assert (await stored(kept, "ours")).instance == "third"


async def test_files_are_finished_with_the_row_or_not_at_all_for_good(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A taker that dies while it finishes the files leaves the call to the next one."""
    await kept.calls.open(a_call("dead"), CallState.IN_PROGRESS, T0)
    finish = crash_recovery._finish_files

    def die(*_: object) -> None:
        raise SystemError

    monkeypatch.setattr(crash_recovery, "_finish_files", die)
    with pytest.raises(SystemError):
        await kept.crashed()
    assert (await stored(kept, "dead")).state is CallState.IN_PROGRESS

    monkeypatch.setattr(crash_recovery, "_finish_files", finish)
    assert await kept.crashed() == 1
    assert (await stored(kept, "dead")).state is CallState.FAILED
