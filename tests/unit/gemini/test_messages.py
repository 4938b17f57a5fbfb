"""Live messages at their edges; what they mean is held against the SDK in tests/contract/gemini."""

import base64
import json

import pytest

from fwai.domain.events import AgentAudio, AgentSaid, CallerSaid, ToolCall, ToolResult, TurnEnded
from fwai.errors import WireError
from fwai.gemini import messages


def test_audio_and_words_of_one_message_are_all_read() -> None:
    data = base64.b64encode(b"\1\0").decode()
    part = {"inlineData": {"data": data, "mimeType": "audio/pcm"}}
    body = {"modelTurn": {"parts": [part, part]}, "outputTranscription": {"text": "Hi"}}

    events = messages.read(json.dumps({"serverContent": body}).encode())

    assert events == [AgentSaid("Hi"), AgentAudio(b"\1\0"), AgentAudio(b"\1\0")]


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b'{"\x80": 1}',
        b"{",
        b'{"future":{},"goAway":7}',
        b'{"error":{"code":1},"serverContent":[]}',
        b"[1]",
        b'"error"',
        b"[" * 100_000,
        b'{"toolCall":{"functionCalls":"x"}}',
    ],
)
def test_what_is_no_live_message_is_a_wire_error_without_its_content(raw: bytes) -> None:
    with pytest.raises(WireError) as caught:
        messages.read(raw)

    assert "error" not in str(caught.value).replace("Error", "")
    assert "future" not in str(caught.value)


def test_a_wire_error_says_where_it_is() -> None:
    parts = {"parts": [{"text": "x"}, {"inlineData": {"data": "@"}}]}
    raw = json.dumps({"serverContent": {"modelTurn": parts}}).encode()

    with pytest.raises(WireError, match=r"serverContent\.modelTurn\.parts\.1\.inlineData\.data: "):
        messages.read(raw)


def test_half_a_surrogate_pair_is_replaced_before_anyone_writes_it_down() -> None:
    words = rb'{"serverContent":{"inputTranscription":{"text":"a\ud83d"},"turnComplete":true}}'
    call = (
        rb'{"toolCall":{"functionCalls":[{"id":"1","name":"f","args":{"x":"\ud83d\ude00\ud83d"}}]}}'
    )

    assert messages.read(words) == [CallerSaid("a?"), TurnEnded()]
    assert messages.read(call) == [ToolCall("1", "f", {"x": "😀?"})]


def test_half_a_surrogate_pair_of_ours_is_replaced_too() -> None:
    result = ToolResult("1", "f", True, "x\ud83d", {"y": "\ud83d"})

    assert json.loads(messages.text("a\ud83d")) == {"realtimeInput": {"text": "a?"}}
    assert b'"x?"' in messages.tool_response(result, scheduling=False)
    assert b'"a?"' in messages.history([("user", "a\ud83d")])


def test_a_reason_that_nobody_knows_yet_is_told_as_it_stands() -> None:
    events = messages.read(b'{"serverContent":{"turnCompleteReason":"NOT_TODAY"}}')

    assert events == [messages.TurnRefused("NOT_TODAY")]


@pytest.mark.parametrize(
    ("left", "seconds"), [("9.5s", 9.5), ("60s", 60.0), ("", 0.0), (None, 0.0), ("x", 0.0)]
)
def test_a_duration_that_cannot_be_read_is_over(left: str | None, seconds: float) -> None:
    assert messages._seconds(left) == seconds


@pytest.mark.parametrize("left", ["nans", "infs", "-infs"])
def test_a_duration_that_is_no_number_is_over(left: str) -> None:
    assert messages._seconds(left) == 0.0


def test_a_tool_call_that_stands_only_among_the_parts_is_one() -> None:
    call = {"id": "c1", "name": "send_sms", "args": {"text": "x"}}
    turn = {"parts": [{"functionCall": call}, {"functionCall": call}, {"functionCall": {}}]}
    both = {"toolCall": {"functionCalls": [call]}, "serverContent": {"modelTurn": turn}}
    wanted = [ToolCall("c1", "send_sms", {"text": "x"})]

    assert messages.read(json.dumps({"serverContent": {"modelTurn": turn}}).encode()) == wanted
    assert messages.read(json.dumps(both).encode()) == wanted
