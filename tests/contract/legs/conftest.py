"""One bench for each implementation of ``CallerLeg``, and for its fake."""

from functools import partial

import pytest

from contract.legs import phones, streams
from contract.legs.bench import Bench
from fwai.adapters import media_stream
from fwai.adapters.webrtc import leg as webrtc_leg
from fwai.adapters.webrtc.speech_queue import CAPACITY_MS
from fwai.interfaces.media import CallerLeg
from fwai.simulator.common.wire import L16, MULAW, StreamFormat

ON_TIME_MS = 60.0  # what a busy machine may be late
MESSAGE_MS = {8000: 200.0, 16000: 100.0, 24000: 80.0}  # of speech in one message to Exotel


def _stream(name: str, audio: StreamFormat, opens: object, silent_ms: float) -> Bench:
    # On the wire a millisecond is as long as its base64.
    wire_bytes_per_ms = audio.sample_rate / 1000 * (1 if audio.encoding == MULAW else 2) * 4 / 3
    one_message_bytes = 64 * 1024

    def held_ms(leg: CallerLeg) -> float:
        return streams.held_bytes(leg) / wire_bytes_per_ms

    return Bench(
        name=name,
        opens=opens,  # type: ignore[arg-type]
        sample_rate=audio.sample_rate,
        through=lambda pcm: audio.decode(audio.encode(pcm)),
        silent_ms=silent_ms + ON_TIME_MS,
        garbage_ends=True,
        faults=streams.faults,
        held_ms=held_ms,
        most_held_ms=(streams.HIGH_WATER_BYTES + one_message_bytes) / wire_bytes_per_ms,
        refused=streams.refused,
        over=streams.over,
    )


def _plivo(audio: StreamFormat, *, says_stop: bool) -> Bench:
    name = f"plivo-{'mulaw' if audio.encoding == MULAW else 'l16'}-{audio.sample_rate}"
    return _stream(name, audio, partial(streams.plivo, audio, says_stop=says_stop), 0.0)


def _exotel(rate: int) -> Bench:
    opens = partial(streams.exotel, rate)
    return _stream(f"exotel-{rate}", StreamFormat(L16, rate), opens, MESSAGE_MS[rate])


BENCHES = [
    _plivo(StreamFormat(MULAW, 8000), says_stop=True),
    _plivo(StreamFormat(L16, 16000), says_stop=False),
    *map(_exotel, (8000, 16000, 24000)),
    Bench(
        name="webrtc",
        opens=phones.meta,
        sample_rate=phones.RATE,
        through=None,
        silent_ms=phones.JITTER_BUFFER_S * 1000 + 40 + ON_TIME_MS,
        notices_death=True,
        faults=phones.undecipherable,
        held_ms=phones.queued_ms,
        most_held_ms=CAPACITY_MS,
        refused=phones.refused,
        over=phones.over,
    ),
    Bench(
        name="fake",
        opens=phones.fake,
        sample_rate=8000,
        through=lambda pcm: pcm,
        silent_ms=ON_TIME_MS,
        faults=lambda _: 0,
        held_ms=lambda _: 0.0,
        most_held_ms=0.0,
        refused=None,
        over=phones.fake_over,
    ),
]


@pytest.fixture(params=BENCHES, ids=lambda bench: bench.name)
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bench:
    # A far side that answers nothing is not waited for as long as on a call.
    monkeypatch.setattr(media_stream, "CLOSE_S", 0.2)
    monkeypatch.setattr(webrtc_leg, "BYE_S", 0.2)
    assert isinstance(request.param, Bench)
    return request.param
