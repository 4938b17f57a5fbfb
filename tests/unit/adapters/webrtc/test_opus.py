"""Both codecs make the same of the same; the system's one can mend, too."""

import numpy as np
import pytest

from fwai.adapters.webrtc import opus
from fwai.adapters.webrtc.av_opus import AvDecoder, AvEncoder
from fwai.errors import WireError
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.recognizer import Recognizer

LIBRARY = opus.library()
RATES = (16_000, 24_000)
CODECS = ["system", "av"]
CLIPS = ClipLibrary.load()
CLIP = "book_demo"


def encoder(kind: str, rate: int) -> opus.Encoder:
    if kind == "av":
        return AvEncoder(rate, 24_000, 5)
    if LIBRARY is None:
        pytest.skip("the system has no libopus")
    return opus.LibEncoder(LIBRARY, rate, 24_000, 5, 48_000)


def decoder(kind: str, rate: int) -> opus.Decoder:
    if kind == "av":
        return AvDecoder(rate)
    if LIBRARY is None:
        pytest.skip("the system has no libopus")
    return opus.LibDecoder(LIBRARY, rate)


def packets(coder: opus.Encoder, rate: int) -> list[bytes]:
    pcm, size = CLIPS[CLIP].pcm(rate), rate // 25
    return [coder.encode(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("reader", CODECS)
@pytest.mark.parametrize("writer", CODECS)
def test_speech_survives(writer: str, reader: str, rate: int) -> None:
    sent = packets(encoder(writer, rate), rate)
    listener = decoder(reader, rate)

    heard = b"".join(map(listener.decode, sent))

    match = Recognizer(CLIPS).identify(heard, rate)
    assert match is not None
    assert match.clip.name == CLIP
    assert match.score > 0.9
    assert abs(len(heard) // 2 - len(sent) * rate // 50) <= rate // 1000


@pytest.mark.parametrize("kind", CODECS)
def test_packets_are_20_ms_and_small(kind: str) -> None:
    sent = packets(encoder(kind, 24_000), 24_000)

    assert {opus.packet_ticks(one) for one in sent} == {opus.FRAME_TICKS}
    assert sum(map(len, sent)) / len(sent) < 90


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", CODECS)
def test_concealment_has_the_length_that_is_asked_for(kind: str, rate: int) -> None:
    listener = decoder(kind, rate)
    sent = packets(encoder(kind, rate), rate)

    assert len(listener.conceal(960)) == rate // 25
    for one in sent[:20]:
        listener.decode(one)
    assert len(listener.conceal(4_800)) == rate // 5
    assert len(listener.recover(sent[22], 960)) == rate // 25
    assert len(listener.conceal(120)) == rate // 200


def test_concealment_fades_away() -> None:
    listener = decoder("av", 24_000)
    for one in packets(encoder("av", 24_000), 24_000)[:30]:
        listener.decode(one)

    loud = [np.abs(np.frombuffer(listener.conceal(960), "<i2")).max() for _ in range(4)]

    assert loud[0] > 2 * loud[2]


def test_copy_in_the_next_packet_is_better_than_a_guess() -> None:
    speaker = encoder("system", 16_000)
    speaker.expect_loss(20)
    sent = packets(speaker, 16_000)
    whole, mended, guessed = (decoder("system", 16_000) for _ in range(3))
    wrong = [0.0, 0.0]

    for at, one in enumerate(sent):
        truth = whole.decode(one)
        if at % 10 == 9 and at + 1 < len(sent):
            made = mended.recover(sent[at + 1], 960), guessed.conceal(960)
        else:
            made = mended.decode(one), guessed.decode(one)
        for which, pcm in enumerate(made):
            apart = np.frombuffer(truth, "<i2").astype(float) - np.frombuffer(pcm, "<i2")
            wrong[which] += float(np.sum(apart**2))

    assert wrong[0] < 0.5 * wrong[1]


@pytest.mark.parametrize("kind", CODECS)
def test_loss_can_be_told_to_both(kind: str) -> None:
    speaker = encoder(kind, 16_000)

    speaker.expect_loss(250)

    assert opus.packet_ticks(speaker.encode(bytes(640))) == opus.FRAME_TICKS


@pytest.mark.parametrize("kind", CODECS)
def test_garbage_is_refused(kind: str) -> None:
    listener = decoder(kind, 16_000)

    with pytest.raises(WireError, match="not Opus"):
        listener.decode(b"\xff\xff\xff")


@pytest.mark.parametrize("kind", CODECS)
def test_reset_forgets_the_stream(kind: str) -> None:
    sent = packets(encoder(kind, 16_000), 16_000)
    listener, fresh = decoder(kind, 16_000), decoder(kind, 16_000)
    for one in sent[:40]:
        listener.decode(one)

    listener.reset()

    assert listener.decode(sent[0]) == fresh.decode(sent[0])


@pytest.mark.parametrize("kind", CODECS)
def test_only_whole_frames_are_encoded(kind: str) -> None:
    with pytest.raises(ValueError, match="480 samples"):
        encoder(kind, 24_000).encode(bytes(958))


def test_rates_that_opus_does_not_know_are_refused() -> None:
    with pytest.raises(ValueError, match="44100"):
        encoder("system", 44_100)


def test_what_the_other_side_cannot_play_is_not_sent() -> None:
    if LIBRARY is None:
        pytest.skip("the system has no libopus")
    noise = np.random.default_rng(1).integers(-20_000, 20_000, 24_000).astype("<i2").tobytes()
    narrow = opus.encoder(24_000, bitrate=24_000, complexity=5, max_rate=8_000)

    configs = {narrow.encode(noise[at : at + 960])[0] >> 3 for at in range(0, 48_000, 960)}

    assert configs <= {0, 1, 2, 3, 16, 17, 18, 19}  # narrow band


def test_without_the_systems_library_pyavs_codec_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opus, "LIBRARIES", ("libnothing.so.9",))
    opus.library.cache_clear()
    try:
        writer = opus.encoder(24_000, bitrate=24_000, complexity=5, max_rate=48_000)
        reader = opus.decoder(24_000)
    finally:
        opus.library.cache_clear()

    assert isinstance(writer, AvEncoder)
    assert isinstance(reader, AvDecoder)


@pytest.mark.parametrize(
    ("payload", "ticks"),
    [
        (b"", 0),
        (bytes([0 << 3]), 480),
        (bytes([1 << 3]), 960),
        (bytes([3 << 3]), 2_880),
        (bytes([12 << 3]), 480),
        (bytes([13 << 3]), 960),
        (bytes([16 << 3]), 120),
        (bytes([31 << 3]), 960),
        (bytes([31 << 3 | 1]), 1_920),
        (bytes([31 << 3 | 2]), 1_920),
        (bytes([31 << 3 | 3, 3]), 2_880),
        (bytes([31 << 3 | 3, 6]), 5_760),
        (bytes([31 << 3 | 3, 7]), 0),  # more than 120 ms
        (bytes([31 << 3 | 3]), 0),
    ],
)
def test_packets_say_how_long_they_play(payload: bytes, ticks: int) -> None:
    assert opus.packet_ticks(payload) == ticks
