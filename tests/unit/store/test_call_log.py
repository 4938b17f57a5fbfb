import json

import pytest

from fwai.domain.call import CallState
from fwai.domain.events import ToolCall
from fwai.interfaces.store import CallLog
from fwai.store.database import Database
from fwai.store.transcript_files import read_transcript
from unit.store.kit import REQUEST, RESULT, T0, Kept, a_call, kept_in


@pytest.fixture
async def log(kept: Kept) -> CallLog:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    return kept.calls.log(a_call())


async def test_the_story_is_in_the_file_and_in_the_database(kept: Kept, log: CallLog) -> None:
    log.caller_said("Namaste", T0 + 1, 1)
    log.agent_said("Hello, this is", T0 + 2, 2, interrupted=True)
    log.tool_finished(REQUEST, RESULT, T0 + 3, 812.34)
    log.note("reconnected", T0 + 4, attempt=2, role="odd", fresh=False)
    await kept.flush()

    lines = [dict(line) for line in read_transcript(kept.transcript()).lines]
    assert [line.pop("at")[11:19] for line in lines] == [
        "09:30:01",
        "09:30:02",
        "09:30:03",
        "09:30:04",
    ]
    assert lines == [
        {"role": "caller", "text": "Namaste", "turn": 1},
        {"role": "agent", "text": "Hello, this is", "turn": 2, "interrupted": True},
        {
            "role": "tool",
            "text": "The demo is booked.",
            "name": "book_demo",
            "tool_call_id": "fc-1",
            "args": {"when": "tomorrow", "name": "Asha"},
            "ok": True,
            "elapsed_ms": 812.3,
        },
        {"role": "system", "text": "reconnected", "attempt": 2, "role_": "odd", "fresh": False},
    ]
    turns = await kept.calls.turns(a_call().id)
    assert [(turn.seq, turn.role, turn.text, turn.interrupted) for turn in turns] == [
        (1, "caller", "Namaste", False),
        (2, "agent", "Hello, this is", True),
    ]
    assert turns[0].at.timestamp() == T0 + 1
    (tool_call,) = await kept.calls.tool_calls(a_call().id)
    assert (tool_call.seq, tool_call.name, tool_call.args) == (3, "book_demo", REQUEST.args)
    assert (tool_call.ok, tool_call.message) == (True, "The demo is booked.")
    assert tool_call.elapsed_ms == 812.34


async def test_nothing_a_model_or_caller_says_can_break_it(kept: Kept, log: CallLog) -> None:
    strange = ToolCall("\ud800" * 300, "n\x00" * 200, {"\x00": {1: {float("nan")}}, "o": object()})

    log.caller_said("\ud800 \x00 ok", float("nan"), 1)
    log.agent_said("x", -1.0, 2)
    log.tool_finished(strange, RESULT, float("inf"), float("nan"))
    log.note("\ud800", 1e300, what_else=float("inf"))
    await kept.flush()

    assert [turn.text for turn in await kept.calls.turns(a_call().id)] == ["?  ok", "x"]
    (tool_call,) = await kept.calls.tool_calls(a_call().id)
    assert (len(tool_call.tool_call_id), len(tool_call.name)) == (255, 128)
    assert tool_call.args[""] == {"1": [None]}
    assert read_transcript(kept.transcript()).torn == 0
    assert kept.writer.dropped_rows == 0


async def test_what_arrives_after_the_ending_is_in_the_database_alone(
    kept: Kept, log: CallLog
) -> None:
    assert await kept.calls.set_state(a_call().id, CallState.FAILED, T0 + 5)
    log.tool_finished(REQUEST, RESULT, T0 + 6, 4000)
    await kept.flush()

    last = json.loads(kept.transcript().read_bytes().splitlines()[-1])
    assert (last["type"], last["status"], last["end_reason"]) == ("ending", "failed", None)
    assert len(await kept.calls.tool_calls(a_call().id)) == 1


async def test_disabled_transcripts_leave_no_word_anywhere(kept: Kept, database: Database) -> None:
    silent = kept_in(database, kept.transcripts.parent, texts=False)
    await silent.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    log = silent.calls.log(a_call())

    log.caller_said("secret", T0, 1)
    log.agent_said("secret", T0, 2)
    log.tool_finished(REQUEST, RESULT, T0, 10)
    log.note("dtmf", T0, digit="5")
    await silent.flush()

    assert not silent.transcripts.exists()
    assert await silent.calls.turns(a_call().id) == []
    (tool_call,) = await silent.calls.tool_calls(a_call().id)
    assert (tool_call.name, tool_call.ok) == ("book_demo", True)
    assert (tool_call.args, tool_call.message) == (None, None)
    stored = await silent.calls.get(a_call().id)
    assert stored is not None
    assert stored.transcript is None
