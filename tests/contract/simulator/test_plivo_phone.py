"""The simulated telephone calls a tiny server and tells the truth about the call."""

import asyncio
import base64

import pytest

from contract.simulator.plivo_agent import MULAW, AgentStream, running
from fwai.simulator.common.caller import (
    AwaitHangUp,
    BargeIn,
    Drop,
    HangUp,
    Hear,
    Press,
    Say,
    SendMalformed,
    Step,
    Wait,
)
from fwai.simulator.plivo.malformed import KINDS
from fwai.simulator.plivo.wire import FORMATS
from gaps import assert_no_problems, assert_satisfied, on_time


async def silent(stream: AgentStream) -> None:
    await stream.until_closed()


async def greet(stream: AgentStream) -> None:
    await stream.speak("time_warning")
    await stream.until_closed()


async def test_question_and_answer_in_every_format() -> None:
    async with asyncio.TaskGroup() as tasks:
        for content_type in FORMATS:
            tasks.create_task(question_and_answer(content_type))


async def question_and_answer(content_type: str) -> None:
    understood: list[str | None] = []

    async def agent(stream: AgentStream) -> None:
        await stream.speak("time_warning")
        understood.append(await stream.listen_for_speech())
        await stream.speak("ai_answer")
        await stream.listen("playedStream")

    async with running(agent, content_type=content_type) as server:
        report = await server.phone().call(
            [Hear("time_warning"), Say("ask_ai"), Hear("ai_answer"), AwaitHangUp()]
        )

    assert_satisfied(report)
    assert understood == ["ask_ai"]
    assert report.heard_clips == ["time_warning", "ai_answer"]
    assert all(one.whole and one.score > 0.8 for one in report.heard)
    assert report.greeting_ms is not None
    with on_time():
        assert report.greeting_ms < 500
        assert 300 < report.response_ms[0] < 900
    assert (report.ended_by, report.cause_code) == ("agent", "4010")
    assert report.checkpoints == ["time_warning", "ai_answer"]
    assert all(hook.signed for hook in server.hooks)
    assert server.upgrades == [True]
    assert [hook.path for hook in server.hooks].count("/hangup") == 1
    assert [fields["Event"] for fields in server.hooks_at("/status")] == [
        "StartStream",
        "PlayedStream",
        "PlayedStream",
        "StopStream",
    ]
    start = server.streams[0].start["start"]
    answer = server.hooks_at("/answer")[0]
    assert start["callId"] == answer["CallUUID"] == report.call_id
    assert (answer["From"], answer["Direction"], answer["CallStatus"]) == (
        "919999900001",
        "inbound",
        "ringing",
    )


async def test_barge_in_is_measured() -> None:
    async def agent(stream: AgentStream) -> None:
        async with asyncio.TaskGroup() as tasks:
            speech = tasks.create_task(stream.speak("sms_sent"))
            await stream.listen_for_speech(quiet_frames=-1)
            await asyncio.sleep(0.1)
            speech.cancel()
        await stream.send("clearAudio")
        await stream.listen("clearedAudio")
        await stream.until_closed()

    async with running(agent) as server:
        report = await server.phone().call([BargeIn("hmm", after_ms=500), HangUp()])

    assert_satisfied(report)
    (heard,) = report.heard
    assert (heard.clip, heard.whole) == ("sms_sent", False)
    with on_time():
        assert 100 <= report.barge_in_ms[0] < 250
        assert heard.end_ms - heard.start_ms < 900
    assert report.said[0].unheard_ms > 50
    assert "playedStream" not in [event["event"] for event in server.streams[0].events]
    assert "ClearedAudio" in [fields["Event"] for fields in server.hooks_at("/status")]


async def test_an_agent_that_does_not_stop_is_told_on() -> None:
    async with running(greet) as server:
        report = await server.phone().call([BargeIn("hmm", after_ms=200, timeout_s=0.6)])

    assert not report.ok
    assert "was not stopped" in report.steps[0].detail


async def test_media_flows_in_real_time() -> None:
    async with running(silent) as server:
        report = await server.phone(send_stop=True).call([Press("1#", gap_ms=100), Wait(800)])

    stream = server.streams[0]
    assert_satisfied(report)
    with on_time():
        assert 45 <= len(stream.caller) / 320 <= 55
    assert not any(stream.caller)
    assert [event["event"] for event in stream.events] == ["dtmf", "dtmf", "stop"]
    assert [event["dtmf"]["digit"] for event in stream.events[:2]] == ["1", "#"]


async def test_a_torn_reply_is_heard() -> None:
    async def agent(stream: AgentStream) -> None:
        frames = FORMATS[MULAW].frames(b"\x00\x10\x00\xf0" * 4000)
        for frame in frames[:20]:
            await stream.play(frame)
        await asyncio.sleep(0.6)
        for frame in frames[20:]:
            await stream.play(frame)
        await stream.until_closed()

    async with running(agent) as server:
        phone = server.phone()
        report = await phone.call([Hear(timeout_s=5)])

    with on_time():
        (gap,) = report.gaps
        assert 150 < gap.length_ms < 300
    assert any("gap" in problem for problem in report.problems)
    heard = phone.time_line.pcm(gap.at_ms - 100, gap.at_ms + gap.length_ms + 100)
    assert heard[:1600] == (b"\x00\x10\x00\xf0" * 400)[:1600] or any(heard[:1600])
    assert not any(heard[1600:-1600])


async def test_broken_rules_are_reported() -> None:
    async def agent(stream: AgentStream) -> None:
        media = {"contentType": "audio/x-l16", "sampleRate": 16000, "payload": "AAAA"}
        await stream.send("playAudio", media=media)
        await stream.listen("error")
        silence = base64.b64encode(b"\xff" * 12_000).decode()
        for _ in range(27):
            await stream.play(silence)
        await stream.listen("error")
        await stream.send("dance")
        await stream.send("sendDTMF", dtmf="42")
        await stream.listen("media")

    async with running(agent) as server:
        report = await server.phone().call([AwaitHangUp()])

    rules = " | ".join(violation.rule for violation in report.violations)
    for word in ("contentType", "buffer_overflow", "unknown event"):
        assert word in rules
    reasons = [event["reason"] for event in server.streams[0].events if event["event"] == "error"]
    assert reasons == ["invalid_content_type", "buffer_overflow"]
    assert report.dtmf == "42"
    assert len(report.problems) == len(report.violations)


async def test_malformed_messages_arrive_and_the_call_goes_on() -> None:
    received: list[str | bytes] = []

    async def agent(stream: AgentStream) -> None:
        received.extend([message async for message in stream.socket])

    steps: list[Step] = [SendMalformed(kind) for kind in KINDS]
    async with running(agent) as server:
        report = await server.phone().call(steps)

    assert_satisfied(report)
    assert {kind(server.streams[0].start["start"]["streamId"]) for kind in KINDS.values()} <= set(
        received
    )


async def test_a_dropped_line_is_not_announced() -> None:
    async with running(silent) as server:
        report = await server.phone().call([Wait(100), Drop(), Say("hmm")])

    assert report.ended_by == "dropped"
    assert server.hooks_at("/hangup") == []
    assert server.failures
    assert [outcome.ok for outcome in report.steps] == [True, True, False]


async def test_steps_after_the_end_are_not_reached() -> None:
    async def agent(stream: AgentStream) -> None:
        await stream.listen("media")

    async with running(agent) as server:
        report = await server.phone().call([Hear(timeout_s=5), Say("hmm"), HangUp()])

    assert report.ended_by == "agent"
    assert [outcome.ok for outcome in report.steps] == [False, False, True]
    assert len(report.problems) == 2


async def test_a_failing_agent_is_not_a_proper_end() -> None:
    async def agent(stream: AgentStream) -> None:
        await stream.socket.close(1011)

    async with running(agent) as server:
        report = await server.phone().call([AwaitHangUp(2)])

    assert report.ended_by == "stream_failed"
    assert server.hooks_at("/status")[-1]["Event"] == "DroppedStream"


async def test_a_refused_stream_is_tried_three_times() -> None:
    async with running(silent) as server:
        server.ws = "ws://127.0.0.1:9"  # nobody listens there
        report = await server.phone().call([Hear()])

    assert not report.answered
    assert report.ended_by == "stream_failed"
    assert server.hooks_at("/hangup")[0]["HangupCauseCode"] == "4010"


@pytest.mark.parametrize(
    ("status", "xml", "code", "by"),
    [
        (500, "<Response/>", "7011", "answer_failed"),
        (200, "<Response>&</Response>", "8011", "answer_failed"),
        (200, "<Response/>", "4010", "instructions"),
        (200, "<Response><Hangup/></Response>", "4000", "instructions"),
    ],
)
async def test_answers_without_a_stream(status: int, xml: str, code: str, by: str) -> None:
    async with running(silent, status=status) as server:
        server.answers["/answer"] = xml
        report = await server.phone().call([Hear()])

    assert (report.cause_code, report.ended_by, report.ok) == (code, by, False)
    assert server.hooks_at("/hangup")[0]["HangupCauseCode"] == code


async def test_nobody_answers_and_the_fallback_does() -> None:
    async with running(silent) as server:
        phone = server.phone(
            answer_url="http://127.0.0.1:9/answer", fallback_url=f"{server.http}/fallback?v=1"
        )
        report = await phone.call([Wait(50)])

    assert report.answered
    assert [delivery.kind for delivery in report.deliveries][:2] == ["answer", "fallback"]
    assert report.deliveries[0].error == "ConnectError"


async def test_a_call_that_is_not_kept_alive_ends_in_seconds() -> None:
    async with running(silent, attributes='bidirectional="true"') as server:
        report = await server.phone().call([AwaitHangUp(5)])

    assert 1500 < report.duration_ms < 3000
    assert any("keepCallAlive" in problem for problem in report.problems)


async def test_orders_after_the_stream_are_followed() -> None:
    async def agent(stream: AgentStream) -> None:
        await stream.listen("media")

    async with running(agent) as server:
        server.after = f"<Redirect>{server.http}/next?v=1</Redirect>"
        server.answers["/next"] = "<Response><Dial><Number>+9180</Number></Dial></Response>"
        report = await server.phone().call([AwaitHangUp(2)])

    assert_satisfied(report)
    assert report.dialled == ["+9180"]
    assert report.ended_by == "handed_over"
    assert server.hooks_at("/next")[0]["Event"] == "Redirect"


async def test_get_webhooks_are_signed_too() -> None:
    async with running(silent) as server:
        report = await server.phone(answer_method="GET", hangup_url=None).call([Wait(50)])

    assert all(hook.signed for hook in server.hooks)
    assert server.hooks_at("/answer")[0]["CallUUID"] == report.call_id
    assert server.hooks_at("/answer")[1]["Event"] == "Hangup"
    assert any("answered with <Stream>" in problem for problem in report.problems)


async def test_many_calls_at_once() -> None:
    async with running(greet) as server, asyncio.TaskGroup() as tasks:
        calls = [
            tasks.create_task(server.phone().call([Hear("time_warning", 8), HangUp()]))
            for _ in range(15)
        ]

    reports = [call.result() for call in calls]
    assert_no_problems([problem for report in reports for problem in report.problems])
    assert len({report.call_id for report in reports}) == 15


async def test_a_call_lasts_no_longer_than_allowed() -> None:
    events: list[str] = []

    async with running(silent) as server:
        phone = server.phone(max_call_s=0.5, on_event=lambda kind, **_: events.append(kind))
        before = asyncio.all_tasks()
        report = await phone.call([Wait(5000)])
        left = asyncio.all_tasks() - before

    assert report.ended_by == "time_limit"
    assert not [task for task in left if task.get_name().startswith("plivo")]
    assert {"answered", "stream_opened", "step_started", "ended", "webhook"} <= set(events)
