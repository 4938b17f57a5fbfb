import json
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.domain.call import CallId, CallState
from fwai.errors import StoreError
from fwai.store.file_writer import FileWriter
from fwai.store.transcript_files import (
    TranscriptFile,
    append_ending,
    call_path,
    clean,
    encode,
    first_line,
    last_line,
    read_transcript,
    stamp,
)
from unit.store.kit import DAY, ENDING, KOLKATA, T0, a_call

FIRST = first_line(a_call(), stamp(T0, KOLKATA))
LAST = last_line(stamp(T0 + 9, KOLKATA), CallState.FAILED, "server_crashed")


async def test_a_file_begins_with_the_call_and_ends_with_its_ending(tmp_path: Path) -> None:
    files = FileWriter()
    file = TranscriptFile(tmp_path / "c.jsonl", KOLKATA, files)

    file.begin(a_call(), T0)
    file.add("caller", "नमस्ते\nजी", T0 + 1.5)
    file.add("agent", "Hello", T0 + 2, interrupted=True)
    file.end(CallState.COMPLETED, T0 + 3, ENDING)
    file.add("tool", "too late", T0 + 4)
    file.end(CallState.FAILED, T0 + 5, None)
    await files.flush()

    lines = [json.loads(line) for line in (tmp_path / "c.jsonl").read_bytes().splitlines()]
    assert lines == [
        {
            "type": "call",
            "at": "2026-11-24T09:30:00.000+05:30",
            "call_id": "c-1",
            "provider": "plivo",
            "provider_call_id": "uuid-c-1",
            "direction": "inbound",
            "from": "+919999900001",
            "to": "+912200000000",
            "agent": "FWAI_Core",
            "context": {"customer_name": "Asha"},
        },
        {"at": "2026-11-24T09:30:01.500+05:30", "role": "caller", "text": "नमस्ते\nजी"},
        {
            "at": "2026-11-24T09:30:02.000+05:30",
            "role": "agent",
            "text": "Hello",
            "interrupted": True,
        },
        {
            "type": "ending",
            "at": "2026-11-24T09:30:03.000+05:30",
            "status": "completed",
            "end_reason": "agent_hung_up",
            "usage": {
                "audio_in_s": 12.5,
                "audio_out_s": 7.25,
                "tokens": {"prompt": 10, "response": 4},
            },
            "latency_ms": [410.0, 520.5],
        },
    ]


def test_the_day_is_the_zone_s() -> None:
    late_evening_utc = datetime.fromisoformat("2026-11-23T20:00:00+00:00").timestamp()

    assert call_path(CallId("c"), late_evening_utc, KOLKATA, ".jsonl") == Path(DAY) / "c.jsonl"
    assert call_path(CallId("c"), late_evening_utc, ZoneInfo("UTC"), ".wav") == Path(
        "2026-11-23/c.wav"
    )


@pytest.mark.parametrize(
    ("call_id", "day"),
    [
        ("20261122-ab12", "2026-11-22"),
        ("20261122-", "2026-11-22"),
        ("20261322-ab12", DAY),
        ("20260230-ab12", DAY),
        ("00000000-ab12", DAY),
        ("20261122ab12", DAY),
        ("202611222-ab12", DAY),
        ("cb_20261122-1", DAY),
    ],
)
def test_files_are_in_the_folder_of_the_day_that_the_id_begins_with(call_id: str, day: str) -> None:
    """A call that rings before midnight and is recorded after it has one day."""
    for zone in (KOLKATA, ZoneInfo("UTC")):
        assert call_path(CallId(call_id), T0, zone, ".wav") == Path(day) / f"{call_id}.wav"


@pytest.mark.parametrize("bad", ["", "../x", "a/b", "a\\b", ".hidden", "a.b", "x" * 65, "a\n", "é"])
def test_an_id_that_could_leave_the_directory_is_refused(bad: str) -> None:
    with pytest.raises(StoreError, match="call id"):
        call_path(CallId(bad), T0, KOLKATA, ".jsonl")


@pytest.mark.parametrize(
    "tail", [b'{"at": "2026-11-24T09:3', b"\xff\xfe", b"[1]\n", b'"text"\n', b"\0\0\0\0"]
)
def test_a_torn_last_line_is_skipped(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(encode(FIRST) + encode({"at": "x", "role": "caller", "text": "hi"}) + tail)

    transcript = read_transcript(path)

    assert transcript.call == FIRST
    assert [line["text"] for line in transcript.lines] == ["hi"]
    assert transcript.ending is None
    assert transcript.torn == 1


def test_a_missing_file_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        read_transcript(tmp_path / "none.jsonl")


@pytest.mark.parametrize("left", [None, b"", encode(FIRST), encode(FIRST) + b'{"at": "torn'])
def test_an_ending_is_appended_after_whatever_a_crash_left(
    tmp_path: Path, left: bytes | None
) -> None:
    path = tmp_path / "day" / "c.jsonl"
    if left is not None:
        path.parent.mkdir()
        path.write_bytes(left)

    append_ending(path, FIRST, LAST)
    append_ending(path, FIRST, LAST)

    transcript = read_transcript(path)
    assert transcript.call == FIRST
    assert transcript.ending == LAST
    assert path.read_bytes().endswith(b"\n" + encode(LAST))
    assert path.read_bytes().count(b"ending") == 1


def test_an_ending_that_cannot_be_appended_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")

    with pytest.raises(StoreError, match="transcript"):
        append_ending(tmp_path / "in the way" / "c.jsonl", FIRST, LAST)


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    )
)
def test_any_value_becomes_one_line_of_valid_json(value: object) -> None:
    line = encode({"value": clean(value)})

    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    json.loads(line.decode(), parse_constant=pytest.fail)


def test_a_value_that_contains_itself_ends() -> None:
    value: dict[str, object] = {}
    value["self"] = value

    assert "null" in json.dumps(clean(value))
