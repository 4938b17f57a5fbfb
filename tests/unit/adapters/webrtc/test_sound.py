"""Packets out, packets in: what one half makes, the other one hears."""

import pytest

from fwai.adapters.webrtc import rtp
from fwai.adapters.webrtc.audio_receiver import AudioReceiver
from fwai.adapters.webrtc.audio_sender import ENCODED_SILENCE, AudioSender, Identity
from fwai.adapters.webrtc.sdp import Sound
from fwai.domain.events import CallerAudio, CallerEvent, DtmfPressed
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.recognizer import Recognizer

RATE = 24_000
FRAME = 960  # bytes
SOUND = Sound(fec=True)
US = Identity(ssrc=7, name="us", sequence=0x7FFF, timestamp=0xFFFFF000)
CLIPS = ClipLibrary.load()


def speaker() -> AudioSender:
    return AudioSender(RATE, SOUND, US)


def listener() -> tuple[AudioReceiver, list[CallerEvent]]:
    told: list[CallerEvent] = []
    return AudioReceiver(RATE, SOUND, told.append), told


def heard(told: list[CallerEvent]) -> bytes:
    return b"".join(event.pcm for event in told if isinstance(event, CallerAudio))


def parsed(data: bytes) -> rtp.Packet:
    packet = rtp.parse(data)
    assert packet is not None
    return packet


def test_numbers_and_timestamps_go_on_through_speech_and_silence() -> None:
    out = speaker()
    out.queue.push(bytes(3 * FRAME))

    sent = [parsed(out.packet()) for _ in range(6)]

    assert [one.sequence for one in sent] == [0x7FFF + n for n in range(6)]
    assert [one.timestamp for one in sent] == [0xFFFFF000 + n * 960 & 0xFFFFFFFF for n in range(6)]
    assert [one.marker for one in sent] == [True] + [False] * 5
    assert {(one.ssrc, one.payload_type) for one in sent} == {(7, 111)}


def test_left_out_frames_show_in_the_timestamps_only() -> None:
    out = speaker()
    first = parsed(out.packet())

    out.skip(5)
    second = parsed(out.packet())

    assert rtp.difference(second.timestamp, first.timestamp, 32) == 6 * 960
    assert second.sequence == first.sequence + 1


def test_lasting_silence_is_the_same_packet_again() -> None:
    out = speaker()

    payloads = [parsed(out.packet()).payload for _ in range(ENCODED_SILENCE + 20)]

    assert len(set(payloads[ENCODED_SILENCE:])) == 1
    assert out.packets == len(payloads)
    assert out.payload_bytes == sum(map(len, payloads))


def test_speech_after_lasting_silence_is_intelligible() -> None:
    out, (ear, told) = speaker(), listener()
    speech = CLIPS["book_demo"].pcm(RATE)

    for number in range(500 + len(speech) // FRAME):
        if number == 500:
            out.queue.push(speech[: 2 * RATE * 2])  # as much as it takes
        ear.receive(out.packet(), number * 0.02)

    match = Recognizer(CLIPS).identify(heard(told), RATE)
    assert match is not None
    assert match.clip.name == "book_demo"
    assert match.score > 0.9


def test_frames_are_sent_twice_to_a_side_that_loses_many_and_for_a_while() -> None:
    told: list[int] = []

    def expect_loss(percent: int) -> None:
        told.append(percent)

    out = speaker()
    out._encoder.expect_loss = expect_loss  # type: ignore[method-assign]

    for share in (0.01, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0):
        out.report_loss(share)

    assert told == [0, 10, 7, 5, 3, 2, 2, 0]


def test_frames_are_never_sent_twice_to_a_side_that_cannot_use_it() -> None:
    out = AudioSender(RATE, Sound(fec=False), US)
    del out._encoder

    out.report_loss(0.5)


def test_sound_is_handed_on_in_runs_of_40_ms() -> None:
    out, (ear, told) = speaker(), listener()

    for number in range(4):
        ear.receive(out.packet(), number * 0.02)

    assert [len(event.pcm) for event in told if isinstance(event, CallerAudio)] == [2 * FRAME] * 2


def test_half_a_run_goes_on_alone_when_nothing_follows() -> None:
    out, (ear, told) = speaker(), listener()
    ear.receive(out.packet(), 0.0)

    ear.beat()
    assert told == []
    ear.beat()

    assert len(heard(told)) == FRAME


def test_nothing_waits_with_what_is_missing() -> None:
    out, (ear, told) = speaker(), listener()
    packets = [out.packet() for _ in range(4)]
    ear.receive(packets[0], 0.0)
    assert told == []

    ear.receive(packets[2], 0.04)
    assert len(heard(told)) == FRAME
    ear.give_up_missing(0.081)

    assert len(heard(told)) == 3 * FRAME
    assert ear.inbound.recovered_ticks == 960


def test_keys_come_behind_the_sound_before_them() -> None:
    out, (ear, told) = speaker(), listener()
    ear.receive(out.packet(), 0.0)
    press = rtp.Packet(126, False, 0x8000, 5, 7, bytes([1, 0x8A, 0, 160]))

    ear.receive(rtp.build(press), 0.02)

    assert [type(event) for event in told] == [CallerAudio, DtmfPressed]
    assert told[1] == DtmfPressed("1")


def test_a_packet_that_is_not_opus_is_concealed() -> None:
    ear, told = listener()
    broken = rtp.Packet(111, False, 1, 0, 7, bytes([9 << 3 | 3, 0x42, 0xFF]))  # two frames

    ear.receive(rtp.build(broken), 0.0)
    ear.hand_on()

    assert ear.undecodable == 1
    assert len(heard(told)) == 2 * FRAME


def test_another_source_is_decoded_afresh() -> None:
    first, (ear, told) = speaker(), listener()
    second = AudioSender(RATE, SOUND, Identity(8, "other", 1, 1))

    ear.receive(first.packet(), 0.0)
    ear.receive(second.packet(), 0.5)

    assert len(heard(told)) == 2 * FRAME


@pytest.mark.parametrize("data", [b"", b"\x80", bytes(12)])
def test_what_is_no_packet_is_no_sign_of_life(data: bytes) -> None:
    ear, _ = listener()

    assert not ear.receive(data, 0.0)
