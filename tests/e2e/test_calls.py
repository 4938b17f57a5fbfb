"""Whole calls over loopback: the real server between a simulated phone and a simulated model."""

import asyncio
import json
import wave
from pathlib import Path

import pytest

from e2e.house import House, running
from fwai.demo.runner import SCRIPT
from fwai.simulator.common.caller import (
    AwaitHangUp,
    CallReport,
    Drop,
    HangUp,
    Hear,
    Press,
    Say,
    SendMalformed,
    Step,
    Wait,
)
from gaps import assert_satisfied, besides_gaps, on_time

ASK_AND_LEAVE: list[Step] = [Hear("greeting"), Say("ask_ai"), Hear("ai_answer"), HangUp()]


async def place(house: House, script: list[Step], caller: str = "+919999900001") -> CallReport:
    async with asyncio.timeout(60):
        return await house.world.phone(number=caller).call(script)


async def test_the_demo_call_satisfies_its_caller_and_leaves_nothing(tmp_path: Path) -> None:
    """Greeting, question, barge-in, SMS, goodbye; then what was kept of it."""
    async with running(tmp_path, record_calls=True) as house:
        report = await place(house, list(SCRIPT))
        await house.quiet()

        assert_satisfied(report)
        assert report.ended_by == "api"
        (message,) = house.world.provider.messages
        assert message.dst == "919999900001"
        ((session, ending),) = house.over
        assert ending.usage["total"] > 0
        assert len(ending.latency_ms) == 4
        with on_time():
            assert session.voice.underruns == 0
        assert house.world.model.sessions[0].violations == []

    lines = [json.loads(line) for line in house.transcripts()[0].splitlines()]
    said = [(line["role"], line["text"]) for line in lines if line.get("role") == "caller"]
    assert [text for _, text in said] == [
        "Which courses do you offer?",
        "Sorry, one moment. What does it cost?",
        "Please send me the details by SMS.",
        "Thank you, that is all. Goodbye.",
    ]
    (cut_turn,) = {line["turn"] for line in lines if line.get("interrupted")}
    cut = " ".join(line["text"] for line in lines if line.get("turn") == cut_turn)
    assert cut.startswith("We have three courses.")
    assert "weekend" not in cut, "words after the barge-in were never heard"
    assert [line["name"] for line in lines if line.get("role") == "tool"] == [
        "send_sms",
        "end_call",
    ]
    (recording,) = tmp_path.rglob("*.wav")
    with wave.open(str(recording)) as wav:
        assert (wav.getnchannels(), wav.getframerate()) == (2, 8000)
        assert wav.getnframes() / 8000 == pytest.approx(report.duration_ms / 1000, abs=1.0)


async def test_both_audio_formats_are_intelligible_both_ways(tmp_path: Path) -> None:
    async def in_format(audio: str) -> tuple[CallReport, list[str | None]]:
        async with running(tmp_path / audio, plivo_audio=audio) as house:
            report = await place(house, ASK_AND_LEAVE)
            await house.quiet()
            return report, house.world.model.sessions[0].heard

    for report, heard_by_model in await asyncio.gather(in_format("mulaw8k"), in_format("l16_16k")):
        assert_satisfied(report)
        assert heard_by_model == ["ask_ai"]
        assert report.heard_clips == ["greeting", "ai_answer"]


async def test_calls_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Good calls run beside ones that break in every way; the good ones stay perfect."""
    async with running(tmp_path) as house:
        good = [place(house, ASK_AND_LEAVE, f"+9199999001{n:02}") for n in range(6)]
        bad = [
            place(house, [Hear("greeting"), Drop()]),
            place(
                house,
                [Wait(500), *[SendMalformed("not_json")] * 3],
            ),
            place(house, [Wait(300), HangUp()]),
            place(house, [Wait(0), Drop()]),
        ]
        reports = await asyncio.gather(*good, *bad)
        await house.quiet()

        for report in reports[: len(good)]:
            assert_satisfied(report)
        assert house.server.calls.active == 0


async def test_keys_are_passed_to_the_model_as_words(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        await place(house, [Hear("greeting"), Press("42#"), Wait(3500), HangUp()])
        await house.quiet()

        assert "The caller pressed these keys: 4 2 #." in house.world.model.sessions[0].texts
    assert "4 2" not in house.transcripts()[0]


async def test_the_time_limit_is_announced_and_kept(tmp_path: Path) -> None:
    async with running(tmp_path, max_call_seconds=36) as house:
        report = await place(house, [Hear("greeting"), Hear("time_warning"), AwaitHangUp(40)])
        await house.quiet()

        assert report.ended_by in ("api", "agent")
        assert report.duration_ms == pytest.approx(36_000, abs=1500)


async def test_transcripts_disabled_writes_no_word_anywhere(tmp_path: Path) -> None:
    async with running(tmp_path, enable_transcripts=False) as house:
        report = await place(house, [Hear("greeting"), Say("ask_sms"), Hear("sms_sent"), HangUp()])
        await house.quiet()
        assert besides_gaps(report.problems) == []

    assert list(tmp_path.rglob("*.jsonl")) == []
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for words in (b"three courses", b"send me the details", b"FWAI Academy:", b"AI assistant"):
        assert words not in kept
