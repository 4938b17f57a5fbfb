"""Our pace and Exotel's rules together: what a caller hears of speech that comes in pieces."""

import asyncio
import base64
import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import virtual_time
from fwai.adapters.exotel.codec import ExotelCodec
from fwai.calls.pacer import Pacer
from fwai.calls.voice import DRY_S, MODEL_HZ, Voice
from fwai.simulator.common.playback import PlaybackBuffer

RATES = [8000, 16000, 24000]


@dataclass
class Line:
    """A leg whose carrier plays whole messages, as Exotel does, and counts holes between them."""

    codec: ExotelCodec
    max_call_s: None = None
    messages: list[tuple[float, int]] = field(default_factory=list)
    most_ahead_ms: float = 0.0
    gaps: int = 0
    marks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sample_rate = self.codec.sample_rate
        self.lead_ms = self.codec.lead_ms
        self._playback = PlaybackBuffer(self.sample_rate)

    def _send(self, messages: object) -> None:
        now = asyncio.get_running_loop().time()
        for message in messages if isinstance(messages, list | tuple) else ():
            pcm = base64.b64decode(json.loads(message)["media"]["payload"])
            self.messages.append((now, len(pcm)))
            _, gap = self._playback.push(pcm, now)
            self.gaps += gap is not None
        self.most_ahead_ms = max(self.most_ahead_ms, self._playback.queued_ms(now))

    def listen(self, hear: object) -> None: ...

    def play(self, pcm: bytes) -> None:
        self._send(self.codec.encode_audio(pcm))

    def flush(self) -> None:
        self._send(self.codec.encode_tail())

    def clear(self) -> None:
        self.codec.encode_clear()

    def mark(self, name: str) -> bool:
        self.marks.append(name)
        return False

    async def close(self) -> None: ...


def line_at(rate: int) -> Line:
    codec = ExotelCodec(rate)
    start = {"event": "start", "stream_sid": "S", "call_sid": "C"}
    codec.decode(memoryview(json.dumps(start).encode()))
    return Line(codec)


def speech(ms: float) -> bytes:
    return b"\1\0" * round(ms * MODEL_HZ / 1000)


def voice_on(line: Line) -> Voice:
    return Voice(line, Pacer(), None, lambda: None)


@settings(max_examples=300, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    piece_ms=st.sampled_from([20, 40, 100, 200, 340]),
    pieces=st.integers(1, 60),
    speed=st.sampled_from([2.0, 4.0, 50.0]),
)
def test_speech_that_comes_in_time_has_no_hole_and_no_burst(
    rate: int, piece_ms: int, pieces: int, speed: float
) -> None:
    async def reply() -> Line:
        line = line_at(rate)
        voice = voice_on(line)
        loop = asyncio.get_running_loop()
        for _ in range(pieces):
            await asyncio.sleep(piece_ms / speed / 1000)
            voice.say(speech(piece_ms), loop.time())
        voice.end_reply(loop.time())
        await voice.until_heard()
        return line

    line = virtual_time.run(reply())

    heard_bytes = sum(size for _, size in line.messages)
    said_bytes = pieces * piece_ms * rate // 500
    assert line.gaps == 0
    assert line.most_ahead_ms <= 2 * line.lead_ms
    assert 0 <= heard_bytes - said_bytes < 3840
    assert {size for _, size in line.messages[:-1]} <= {3200 if rate < 24000 else 3840}
    assert all(size % 320 == 0 and size >= 3200 for _, size in line.messages)


@pytest.mark.parametrize("rate", RATES)
def test_the_rest_of_a_reply_that_stalls_is_heard(rate: int) -> None:
    """A model that stops in the middle must not leave half a word with us."""

    async def stall() -> Line:
        line = line_at(rate)
        voice = voice_on(line)
        voice.say(speech(330), asyncio.get_running_loop().time())
        await asyncio.sleep(5)
        return line

    line = virtual_time.run(stall())

    at, size = line.messages[-1]
    assert sum(size for _, size in line.messages) >= 330 * rate // 500
    assert size >= 3200
    assert at - line.messages[0][0] <= 0.330 + DRY_S + 0.1


@pytest.mark.parametrize("rate", RATES)
def test_what_is_held_back_is_never_heard_after_a_barge_in(rate: int) -> None:
    async def cut() -> Line:
        line = line_at(rate)
        voice = voice_on(line)
        loop = asyncio.get_running_loop()
        voice.say(speech(250), loop.time())
        voice.cut(loop.time())
        sent = len(line.messages)
        await asyncio.sleep(5)
        assert len(line.messages) == sent
        assert line.codec.encode_tail() == ()
        return line

    virtual_time.run(cut())
