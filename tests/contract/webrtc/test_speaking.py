"""What a caller hears of us."""

import asyncio
from fractions import Fraction
from itertools import pairwise
from typing import cast

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from contract.webrtc.lab import CLIPS, RATE, RECOGNIZER, Ear, Lab
from fwai.adapters.webrtc import opus, peer
from fwai.adapters.webrtc.leg import HEARD_S
from fwai.adapters.webrtc.rtp import difference
from fwai.domain.events import MarkReached
from gaps import on_time

CLIP = "ask_ai"
CHUNK = 2 * RATE * 80 // 1000


async def play(ear: Ear, clip: str) -> None:
    """Hand over a clip as the session does: 80 ms at a time, 200 ms ahead."""
    pcm = CLIPS[clip].pcm(RATE)
    loop = asyncio.get_running_loop()
    due = loop.time() - 0.2
    for at in range(0, len(pcm), CHUNK):
        await asyncio.sleep(max(due - loop.time(), 0))
        due += 0.08
        ear.leg.play(pcm[at : at + CHUNK])
    ear.leg.flush()


async def test_the_caller_hears_what_is_played_and_then_the_mark_comes(lab: Lab) -> None:
    phone, ear = await lab.call()

    await play(ear, CLIP)
    assert ear.leg.mark("end")
    await asyncio.sleep(0.7)

    match = RECOGNIZER.identify(phone.pcm(), RATE)
    assert match is not None
    assert match.clip.name == CLIP
    assert match.score > 0.9
    assert ear.events[-1][1] == MarkReached("end")
    spoken_s = CLIPS[CLIP].duration_ms / 1000
    began = next(at for at, packet in phone.heard if len(packet.payload) > 20)
    with on_time():
        assert abs(ear.events[-1][0] - began - spoken_s - HEARD_S) < 0.1


async def test_packets_flow_evenly_whether_or_not_anything_is_said(lab: Lab) -> None:
    phone, ear = await lab.call()

    await asyncio.sleep(0.3)
    ear.leg.play(CLIPS[CLIP].pcm(RATE)[:CHUNK])
    await asyncio.sleep(0.5)

    packets = [packet for _, packet in phone.heard]
    steps = {
        (
            difference(later.sequence_number, earlier.sequence_number, 16),
            difference(later.timestamp, earlier.timestamp, 32),
        )
        for earlier, later in pairwise(packets)
    }
    elapsed = phone.heard[-1][0] - phone.heard[0][0]
    assert steps == {(1, 960)}
    with on_time():
        assert abs(len(packets) - 1 - elapsed / 0.02) <= 3
    assert {packet.payload_type for packet in packets} == {111}
    assert {opus.packet_ticks(packet.payload) for packet in packets} == {960}


async def test_an_interruption_is_heard_within_two_frames(lab: Lab) -> None:
    phone, ear = await lab.call()
    tone = (8_000 * np.sin(np.arange(RATE) * 2 * np.pi * 300 / RATE)).astype("<i2").tobytes()
    ear.leg.play(tone)
    ear.leg.mark("never")
    await asyncio.sleep(0.3)

    cut = asyncio.get_running_loop().time()
    ear.leg.clear()
    await asyncio.sleep(0.3)

    before = [packet for at, packet in phone.heard if at <= cut]
    samples = np.abs(np.frombuffer(phone.pcm(), "<i2").astype(int))
    after = samples[480 * (len(before) + 2) :]
    with on_time():
        assert samples[480 * (len(before) - 5) : 480 * len(before)].max() > 4_000
        assert after.max() < 200
    assert not any(isinstance(event, MarkReached) for _, event in ear.events)


async def test_nothing_is_heard_before_the_call_is_accepted(lab: Lab) -> None:
    phone = lab.phone()
    leg, answer = await peer.answer(await phone.offer(), lab.options)
    lab.legs.append(leg)
    await phone.accept(answer)
    await leg.connect()
    await phone.ready()
    leg.play(CLIPS[CLIP].pcm(RATE))

    await asyncio.sleep(0.3)
    assert phone.heard == []
    leg.release()
    await asyncio.sleep(0.3)

    assert phone.heard


async def test_a_call_that_we_make(lab: Lab) -> None:
    phone = lab.phone()
    pending, offer = await peer.offer(lab.options)
    answer = await phone.answer(offer)
    leg = pending.accept(answer)
    lab.legs.append(leg)
    await leg.connect()
    await phone.ready()
    leg.release()

    await play(Ear(leg), CLIP)
    await asyncio.sleep(0.3)

    match = RECOGNIZER.identify(phone.pcm(), RATE)
    assert match is not None
    assert match.clip.name == CLIP


class _Reader(MediaStreamTrack):
    """A clip, 20 ms at a time, as applications of aiortc give it."""

    kind = "audio"

    def __init__(self, clip: str) -> None:
        super().__init__()
        self._pcm = CLIPS[clip].pcm(48_000)
        self._at = 0
        self._began: float | None = None

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(max(self._began + self._at * 0.02 - loop.time(), 0))
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        pcm = self._pcm[1_920 * self._at : 1_920 * (self._at + 1)]
        frame.planes[0].update(pcm.ljust(1_920, b"\0"))
        frame.sample_rate, frame.pts = 48_000, self._at * 960
        frame.time_base = Fraction(1, 48_000)
        self._at += 1
        return frame


async def test_aiortcs_own_sender_and_receiver_understand_us(lab: Lab) -> None:
    """Nothing of the other side is ours: its encoder (stereo, 96 kb/s), its jitter buffer."""
    other = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    other.addTrack(_Reader(CLIP))
    await other.setLocalDescription(await other.createOffer())
    leg, answer = await peer.answer(other.localDescription.sdp, lab.options)
    lab.legs.append(leg)
    await other.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await leg.connect()
    leg.release()
    ear = Ear(leg)
    track = other.getReceivers()[0].track

    talking = asyncio.create_task(play(ear, CLIP))
    frames = [cast("av.AudioFrame", await track.recv()) for _ in range(75)]
    await talking
    await other.close()

    heard = b"".join(bytes(frame.planes[0])[: 4 * frame.samples] for frame in frames)
    left = np.frombuffer(heard, "<i2")[::2].tobytes()
    for pcm, rate in ((left, 48_000), (ear.pcm, RATE)):
        match = RECOGNIZER.identify(pcm, rate)
        assert match is not None
        assert match.clip.name == CLIP
