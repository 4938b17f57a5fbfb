"""The demo as a newcomer starts it, and WhatsApp calls as scripted as those on a telephone."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from e2e.house import House, running
from e2e.process import ROOT
from e2e.test_whatsapp import whatsapp
from fwai.cli.main import main
from fwai.domain.call import EndReason
from fwai.simulator.common.caller import (
    AwaitHangUp,
    BargeIn,
    CallReport,
    HangUp,
    Hear,
    Press,
    Say,
    SendMalformed,
    Step,
    Wait,
)
from fwai.simulator.meta.media import MALFORMED, NetworkConditions
from fwai.simulator.meta.phone import MetaCall
from gaps import assert_no_problems, assert_satisfied, on_time

KEY_AFTER_S = 0.6  # in the middle of a question
BAD = NetworkConditions(loss=0.02, jitter_ms=60.0, lost=frozenset({310}))


@pytest.mark.timeout(240)
async def test_the_demo_plays_a_good_call_with_every_provider(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "run.py"), "demo"),
        *("--provider", "all", "--json", "--keep", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    told = json.loads(printed)

    assert list(told["calls"]) == ["plivo", "exotel", "whatsapp"]
    assert_no_problems([problem for call in told["calls"].values() for problem in call["problems"]])
    assert told["ok"]
    assert process.returncode == 0
    call = told["calls"]["whatsapp"]
    assert [turn["name"] for turn in call["turns"]] == [
        "ask_courses",
        "barge_in",
        "ask_ai",
        "goodbye",
    ]
    with on_time():
        assert call["barge_in_ms"] < 500
    assert call["network"]["lost"] == call["network"]["dropped"] == 0
    assert told["calls"]["plivo"]["network"] is None
    assert Path(call["recording"]).is_relative_to(tmp_path / "whatsapp")


def test_help_names_every_provider(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["demo", "--help"])

    assert exited.value.code == 0
    assert "{plivo,exotel,whatsapp,all}" in capsys.readouterr().out


async def follow(
    house: House, script: list[Step], network: NetworkConditions | None = None
) -> CallReport:
    """Have a user call; a question about the agent is asked with a finger on a key."""
    loop = asyncio.get_running_loop()

    def press() -> None:
        if user.placed is not None:
            user.placed.media.press("5")

    def watch(kind: str, **facts: object) -> None:
        if kind == "caller_says" and facts["clip"] == "ask_ai":
            loop.call_later(KEY_AFTER_S, press)

    user = house.world.whatsapp_user(watch, network=network)
    async with asyncio.timeout(50):
        return await user.call(script)


async def test_bad_weather(tmp_path: Path) -> None:
    """A lost packet, 2 % loss, 60 ms of jitter, a key in a question: all is heard, none later."""
    async with running(tmp_path, call_provider="whatsapp") as house:
        script: list[Step] = [
            Hear("greeting"),
            Say("ask_courses"),
            Hear("courses_answer"),
            Say("ask_ai"),
            Hear("ai_answer"),
            Wait(5000),  # what the agent says to the key
            Say("goodbye"),
            Hear("goodbye_answer"),
            AwaitHangUp(),
        ]
        report = await follow(house, script, BAD)
        await house.quiet()

        (model,) = house.world.model.sessions
        network = report.network
        assert network is not None
        print(network, [round(ms) for ms in report.response_ms], model.scores)
        assert_satisfied(report)
        assert report.ended_by == "api"
        assert model.heard == ["ask_courses", "ask_ai", "goodbye"]
        assert "The caller pressed these keys: 5." in model.texts
        assert 0.01 < network.dropped / network.sent < 0.03
        assert network.server_lost == pytest.approx(network.dropped, abs=5)
        assert network.server_jitter_ms is not None
        assert 10 < network.server_jitter_ms < 60
        first, *_, last = report.response_ms
        with on_time():
            assert abs(network.drift_ms) < 10
            assert last == pytest.approx(first, abs=150), "nothing was buffered more and more"
    (transcript,) = house.transcripts()
    assert "keys_pressed" in transcript


async def test_what_is_no_sound_does_no_harm(tmp_path: Path) -> None:
    async with running(tmp_path, call_provider="whatsapp") as house:
        rude: list[Step] = [SendMalformed(kind) for kind in MALFORMED]
        script = [Hear("greeting"), *rude, Say("ask_ai"), *rude, Hear("ai_answer"), HangUp()]
        report = await follow(house, script)
        await house.quiet()

        assert_satisfied(report)
        assert report.ended_by == "caller"
        ((_, ending),) = house.over
        assert ending.reason is EndReason.CALLER_HUNG_UP


async def test_a_user_who_is_called_follows_a_script_too(tmp_path: Path) -> None:
    async with whatsapp(tmp_path) as world:
        reports: list[CallReport] = []

        async def user(call: MetaCall) -> None:
            script: list[Step] = [
                BargeIn("ask_courses", after_ms=1500),
                Hear("courses_answer"),
                Press("1"),
                HangUp(),
            ]
            reports.append(await world.meta.answer(call, script))

        world.meta._on_call = user
        await world.place()
        async with asyncio.timeout(40):
            while not reports:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await world.quiet()

        (report,) = reports
        assert_satisfied(report)
        assert report.barge_in_ms
        assert report.heard_clips == ["greeting", "courses_answer"]
        assert [one.kind for one in report.deliveries] == [
            *("connect", "ringing", "accepted", "terminate")
        ]
