"""What every ``CallArchive`` must do, on each database."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fwai.domain.call import FINAL_STATES, CallEnding, CallId, CallState, Direction, EndReason
from fwai.domain.record import joined
from fwai.errors import StoreError
from fwai.interfaces.media import Recorder
from fwai.interfaces.store import CallArchive, CallLog
from fwai.store.database import Database
from fwai.store.recording import WavRecorder
from fwai.store.transcript_files import read_transcript
from unit.store.kit import BUSY, DAY, ENDING, REQUEST, RESULT, T0, Kept, a_call, kept_in

UNKNOWN = CallId("unknown")


def test_the_implementations_honour_the_protocols(kept: Kept, tmp_path: Path) -> None:
    archive: CallArchive = kept.calls
    log: CallLog = archive.log(a_call())
    recorder: Recorder = WavRecorder(tmp_path / "c.wav", 8000, 0.0, kept.files)

    assert (archive, log, recorder) is not None


async def test_an_opened_call_can_be_read_back(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.RINGING, T0)

    stored = await kept.calls.get(a_call().id)

    assert stored is not None
    assert stored.call == a_call()
    assert stored.state is CallState.RINGING
    assert stored.created_at.timestamp() == T0
    assert stored.started_at == stored.created_at == stored.written_at
    assert (stored.answered_at, stored.ended_at, stored.end_reason) == (None, None, None)
    assert (stored.usage, stored.latency_ms, stored.recording) == (None, None, None)
    assert stored.transcript == f"{DAY}/c-1.jsonl"
    assert stored.instance == "a"


async def test_opening_a_known_call_changes_nothing(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.RINGING, T0)
    await kept.calls.set_state(a_call().id, CallState.IN_PROGRESS, T0 + 1)

    await kept.calls.open(a_call(provider_call_id="other"), CallState.QUEUED, T0 + 2)

    stored = await kept.calls.get(a_call().id)
    assert stored is not None
    assert (stored.state, stored.call.provider_call_id) == (CallState.IN_PROGRESS, "uuid-c-1")


async def test_an_unsafe_id_is_refused(kept: Kept) -> None:
    with pytest.raises(StoreError, match="call id"):
        await kept.calls.open(a_call("../../etc/passwd"), CallState.QUEUED, T0)


async def test_an_unknown_call_is_none_and_has_no_steps(kept: Kept) -> None:
    assert await kept.calls.get(UNKNOWN) is None
    assert await kept.calls.find_by_provider_id("plivo", "none") is None
    assert not await kept.calls.set_state(UNKNOWN, CallState.RINGING, T0)


async def test_states_only_move_forward_and_keep_their_first_times(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.QUEUED, T0)

    steps = [
        await kept.calls.set_state(a_call().id, state, T0 + second)
        for second, state in enumerate(
            (
                CallState.DIALING,
                CallState.RINGING,
                CallState.DIALING,
                CallState.IN_PROGRESS,
                CallState.RINGING,
                CallState.IN_PROGRESS,
            ),
            start=1,
        )
    ]

    assert steps == [True, True, False, True, False, False]
    stored = await kept.calls.get(a_call().id)
    assert stored is not None
    assert stored.state is CallState.IN_PROGRESS
    assert stored.started_at is not None
    assert stored.started_at.timestamp() == T0 + 1
    assert stored.answered_at is not None
    assert stored.answered_at.timestamp() == T0 + 4


@pytest.mark.parametrize("final", sorted(FINAL_STATES))
async def test_nothing_changes_a_final_state(kept: Kept, final: CallState) -> None:
    await kept.calls.open(a_call(), CallState.RINGING, T0)
    assert await kept.calls.set_state(a_call().id, final, T0 + 1)

    later = [await kept.calls.set_state(a_call().id, state, T0 + 2) for state in CallState]

    assert not any(later)
    assert not await kept.calls.end(a_call(), ENDING, T0 + 3)
    stored = await kept.calls.get(a_call().id)
    assert stored is not None
    assert stored.state is final
    assert stored.ended_at is not None
    assert stored.ended_at.timestamp() == T0 + 1


async def test_a_call_ends_once_with_all_that_was_measured(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.RINGING, T0)
    log = kept.calls.log(a_call())
    log.caller_said("Hello", T0 + 1, 1)
    log.tool_finished(REQUEST, RESULT, T0 + 2, 40)

    assert await kept.calls.end(a_call(), ENDING, T0 + 60)
    assert not await kept.calls.end(a_call(), BUSY, T0 + 61)

    stored = await kept.calls.find_by_provider_id("plivo", "uuid-c-1")
    assert stored is not None
    assert (stored.state, stored.end_reason) == (CallState.COMPLETED, EndReason.AGENT_HUNG_UP)
    assert stored.ended_at is not None
    assert stored.ended_at.timestamp() == T0 + 60
    assert stored.usage == {"prompt": 10, "response": 4}
    assert stored.latency_ms == [410.0, 520.5]
    assert (stored.audio_in_s, stored.audio_out_s) == (12.5, 7.25)
    # Whoever sees the final state sees the whole story.
    assert [turn.text for turn in await kept.calls.turns(a_call().id)] == ["Hello"]
    assert [tool.name for tool in await kept.calls.tool_calls(a_call().id)] == ["book_demo"]
    await kept.flush()
    assert read_transcript(kept.transcript()).ending is not None
    assert kept.transcript().read_bytes().count(b'"ending"') == 1


async def test_pieces_of_a_turn_can_be_joined(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    log = kept.calls.log(a_call())
    log.agent_said("Hello, this", T0, 1)
    log.caller_said("Stop", T0 + 1, 2)
    log.agent_said("is", T0 + 1, 1)
    log.agent_said("", T0 + 2, 1, interrupted=True)
    log.agent_said("Sorry", T0 + 3, 3)
    await kept.flush()

    utterances = joined(await kept.calls.turns(a_call().id))

    assert [(u.role, u.text, u.at.timestamp() - T0, u.interrupted) for u in utterances] == [
        ("agent", "Hello, this is", 0, True),
        ("caller", "Stop", 1, False),
        ("agent", "Sorry", 3, False),
    ]


async def test_what_was_not_measured_is_none(kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.DIALING, T0)

    await kept.calls.end(a_call(), BUSY, T0 + 1)

    stored = await kept.calls.get(a_call().id)
    assert stored is not None
    assert (stored.usage, stored.latency_ms, stored.answered_at) == (None, None, None)


async def test_only_a_final_state_ends_a_call(kept: Kept) -> None:
    with pytest.raises(ValueError, match="final"):
        await kept.calls.end(a_call(), CallEnding(CallState.RINGING, EndReason.OPERATOR), T0)


async def test_of_many_that_end_a_call_at_once_one_succeeds(
    kept: Kept, database: Database, tmp_path: Path
) -> None:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    other = kept_in(database, tmp_path, instance="b")

    outcomes = await asyncio.gather(
        *(archive.calls.end(a_call(), ENDING, T0 + 1) for archive in (kept, other) * 3),
        *(kept.calls.set_state(a_call().id, CallState.FAILED, T0 + 1) for _ in range(3)),
    )

    assert outcomes.count(True) == 1


async def test_a_call_that_could_not_be_opened_is_kept_when_it_ends(kept: Kept) -> None:
    kept.calls.log(a_call()).caller_said("Hello", T0, 1)

    assert await kept.calls.end(a_call(), ENDING, T0 + 5)

    stored = await kept.calls.get(a_call().id)
    assert stored is not None
    assert stored.state is CallState.COMPLETED
    assert stored.transcript == f"{DAY}/c-1.jsonl"
    assert not await kept.calls.end(a_call(), ENDING, T0 + 6)


async def test_a_call_is_found_by_its_provider_s_id_and_no_second_one_has_it(kept: Kept) -> None:
    await kept.calls.open(a_call("first", "same"), CallState.QUEUED, T0)
    await kept.calls.open(a_call("second", "same"), CallState.QUEUED, T0 + 1)
    await kept.calls.open(a_call("third", ""), CallState.QUEUED, T0 + 1)
    await kept.calls.set_provider_id(CallId("third"), "same")

    found = await kept.calls.find_by_provider_id("plivo", "same")

    assert found is not None
    assert found.call.id == "first"
    for other in ("second", "third"):
        record = await kept.calls.get(CallId(other))
        assert record is not None
        assert record.call.provider_call_id == "", "the call is kept all the same"
    assert await kept.calls.find_by_provider_id("exotel", "same") is None
    assert await kept.calls.state_of("plivo", "same") is CallState.QUEUED
    assert await kept.calls.state_of("exotel", "same") is None


async def test_ids_and_recordings_are_kept_when_they_become_known(kept: Kept) -> None:
    await kept.calls.open(a_call(provider_call_id=""), CallState.DIALING, T0)

    await kept.calls.set_provider_id(a_call().id, "uuid-9")
    await kept.calls.set_recording(a_call().id, Path(DAY) / "c-1.wav")

    stored = await kept.calls.get(a_call().id)
    assert stored is not None
    assert stored.call.provider_call_id == "uuid-9"
    assert stored.recording == f"{DAY}/c-1.wav"


async def test_a_waiting_call_goes_on_in_the_next_process(
    kept: Kept, database: Database, tmp_path: Path
) -> None:
    call = replace(a_call(), direction=Direction.OUTBOUND)
    await kept.calls.open(call, CallState.SCHEDULED, T0 - 86400)
    kept.calls.log(call).note("scheduled", T0 - 86400)
    await kept.flush()
    following = kept_in(database, tmp_path, instance="b")

    assert await kept.crashed() == 0
    assert await following.calls.set_state(call.id, CallState.DIALING, T0)
    following.calls.log(call).caller_said("Hello", T0 + 1, 1)
    assert await following.calls.end(call, ENDING, T0 + 2)
    await following.flush()

    stored = await following.calls.get(call.id)
    assert stored is not None
    assert stored.instance == "b"
    assert [path.name for path in kept.transcripts.rglob("*.jsonl")] == ["c-1.jsonl"]
    transcript = read_transcript(kept.transcripts / "2026-11-23" / "c-1.jsonl")
    assert [line["text"] for line in transcript.lines] == ["scheduled", "Hello"]
    assert transcript.ending is not None


async def test_logs_of_ended_calls_are_forgotten_in_time(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwai.store.call_logs.MAX_ENDED", 2)
    live = a_call("live")
    await kept.calls.open(live, CallState.IN_PROGRESS, T0)

    for number in range(5):
        call = a_call(f"c-{number}")
        await kept.calls.open(call, CallState.IN_PROGRESS, T0)
        await kept.calls.end(call, ENDING, T0 + 1)

    assert set(kept.calls._logs._open) == {"live", "c-3", "c-4"}


async def test_calls_of_ours_are_counted_from_when_a_line_was_first_used(kept: Kept) -> None:
    ours = replace(a_call(), direction=Direction.OUTBOUND)
    theirs = replace(a_call(), direction=Direction.INBOUND)
    for name, call, at in (
        ("c-1", ours, T0 - 1),
        ("c-2", ours, T0),
        ("c-3", ours, T0 + 5),
        ("c-4", theirs, T0 + 5),
    ):
        await kept.calls.open(replace(call, id=CallId(name)), CallState.DIALING, at)
    await kept.calls.open(replace(ours, id=CallId("c-5")), CallState.QUEUED, T0 - 9)
    moment = datetime.fromtimestamp(T0, UTC)

    before = await kept.calls.outbound_since(moment)
    await kept.calls.set_state(CallId("c-5"), CallState.DIALING, T0 + 9)
    dialled = await kept.calls.outbound_since(moment)
    await kept.calls.put_off(CallId("c-5"), T0 + 10)

    assert (before, dialled, await kept.calls.outbound_since(moment)) == (2, 3, 2)
    assert await kept.calls.outbound_since(moment + timedelta(days=1)) == 0
