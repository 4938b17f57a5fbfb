"""Transcripts and recordings."""

from pathlib import Path

import pytest

from fwai.domain.call import CallId
from unit.store.kit import T0
from unit.web.kit import House, problem

SOUND = bytes(range(200))


async def recorded(home: House, name: str = "2026-11-24/c-1.wav") -> None:
    await home.carry()
    await home.kept.calls.set_recording(CallId("c-1"), Path(name))
    path = home.kept.recordings / "2026-11-24" / "c-1.wav"
    path.parent.mkdir()
    path.write_bytes(SOUND)
    (home.kept.recordings.parent / "secret.wav").write_bytes(b"secret")
    await home.over()


async def said(home: House) -> None:
    session = await home.carry()
    log = home.kept.calls.log(session.call)
    log.caller_said("Is there", T0 + 1, 1)
    log.caller_said("a Hindi course?", T0 + 2, 1)
    log.agent_said("Yes, it", T0 + 3, 1, interrupted=True)
    await home.over()


async def test_a_transcript_is_json(home: House) -> None:
    await said(home)
    shown = (await home.get("/calls/c-1/transcript")).json()

    assert (shown["call_id"], shown["status"]) == ("c-1", "completed")
    assert [(one["role"], one["text"]) for one in shown["transcript"]] == [
        ("caller", "Is there a Hindi course?"),
        ("agent", "Yes, it"),
    ]


@pytest.mark.parametrize(
    ("accept", "wanted", "text"),
    [
        ("text/plain", "", True),
        ("text/plain;q=0.9, application/json", "", True),
        ("application/json, text/plain", "", False),
        ("*/*", "text", True),
        ("text/plain", "json", False),
    ],
)
async def test_a_transcript_is_text_for_who_prefers_it(
    home: House, accept: str, wanted: str, text: bool
) -> None:
    await said(home)
    answer = await home.client.get(
        "/api/calls/c-1/transcript",
        params={"format": wanted} if wanted else {},
        headers={"Accept": accept},
    )

    assert answer.headers["content-type"].startswith("text/plain") == text
    if text:
        assert answer.text == (
            "[09:30:01 +05:30] caller: Is there a Hindi course?\n"
            "[09:30:03 +05:30] agent: Yes, it -\n"
        )


async def test_an_unknown_form_of_a_transcript_is_refused(home: House) -> None:
    await said(home)

    problem(await home.get("/calls/c-1/transcript", format="pdf"), 422, "invalid", "format")


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("", 200, SOUND),
        ("bytes=0-9", 206, SOUND[:10]),
        ("bytes=190-", 206, SOUND[190:]),
        ("bytes=190-9999", 206, SOUND[190:]),
        ("bytes=-5", 206, SOUND[-5:]),
        ("bytes=9-3", 200, SOUND),
        ("bytes=-", 200, SOUND),
        ("bytes=0-1,4-5", 200, SOUND),
        ("pages=1-2", 200, SOUND),
    ],
)
async def test_a_recording_is_sent_whole_or_in_part(
    home: House, wanted: str, status: int, body: bytes
) -> None:
    await recorded(home)
    answer = await home.client.get("/api/calls/c-1/recording", headers={"Range": wanted})

    assert (answer.status_code, answer.content) == (status, body)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("wanted", ["bytes=200-", "bytes=500-600", "bytes=-0"])
async def test_a_part_beyond_the_end_is_refused(home: House, wanted: str) -> None:
    await recorded(home)
    answer = await home.client.get("/api/calls/c-1/recording", headers={"Range": wanted})

    problem(answer, 416, "beyond-end", "Range")
    assert answer.headers["content-range"] == "bytes */200"


@pytest.mark.parametrize("name", ["../secret.wav", "2026-11-24", "none.wav", "", "a\x00b"])
async def test_only_a_file_of_the_recordings_is_sent(home: House, name: str) -> None:
    await recorded(home, name)

    problem(await home.get("/calls/c-1/recording"), 404, "not-found")


async def test_a_call_that_was_not_recorded_has_no_recording(home: House) -> None:
    await home.carry()

    problem(await home.get("/calls/c-1/recording"), 404, "not-found")


async def test_a_recording_that_is_being_written_is_not_sent(home: House) -> None:
    await recorded(home)
    await home.carry("c-2")
    await home.kept.calls.set_recording(CallId("c-2"), Path("2026-11-24/c-1.wav"))

    problem(await home.get("/calls/c-2/recording"), 409, "not-over")
