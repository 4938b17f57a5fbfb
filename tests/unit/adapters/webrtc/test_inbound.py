"""Sound keeps its length and its place, whatever the network does to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.adapters.webrtc.inbound import (
    Conceal,
    Decode,
    InboundStream,
    Key,
    Recover,
    Restart,
    Silence,
    Step,
)
from fwai.adapters.webrtc.opus import packet_ticks
from fwai.adapters.webrtc.rtp import Packet

SOUND, EVENTS = 111, 126
MS = 48
FRAME = bytes([9 << 3])  # SILK, wide band, 20 ms


def sound(number: int, ticks: int | None = None, ssrc: int = 7) -> Packet:
    at = number * 960 if ticks is None else ticks
    return Packet(SOUND, False, number & 0xFFFF, at & 0xFFFFFFFF, ssrc, FRAME)


def key(number: int, at: int, *, end: bool = False) -> Packet:
    payload = bytes([5, 0x8A if end else 0x0A, 0, 160])
    return Packet(EVENTS, False, number & 0xFFFF, at, 7, payload)


def inbound() -> InboundStream:
    return InboundStream(SOUND, {EVENTS: 8_000})


def receive(one: InboundStream, packets: list[Packet]) -> list[Step]:
    """Give packets 20 ms apart and let everything overdue go at the end."""
    steps = []
    for number, packet in enumerate(packets):
        steps += one.receive(packet, number * 0.02)
    return steps + one.expire(1e9)


def length(steps: list[Step]) -> int:
    return sum(
        packet_ticks(step.payload)
        if isinstance(step, Decode)
        else 0
        if isinstance(step, Key | Restart)
        else step.ticks
        for step in steps
    )


DECODE = Decode(FRAME)


@pytest.mark.parametrize(
    ("packets", "steps"),
    [
        ([sound(0), sound(1)], [DECODE, DECODE]),
        ([sound(0), sound(2)], [DECODE, Recover(FRAME, 960), DECODE]),
        ([sound(0), sound(3)], [DECODE, Conceal(960), Recover(FRAME, 960), DECODE]),
        # Beyond 100 ms nothing is made up.
        (
            [sound(0), sound(11)],
            [DECODE, Conceal(100 * MS), Silence(80 * MS), Recover(FRAME, 960), DECODE],
        ),
        # The sender paused without a loss.
        ([sound(0), sound(1, 960 + 400 * MS)], [DECODE, Silence(400 * MS), DECODE]),
        # Nobody waits for longer pauses to be filled.
        ([sound(0), sound(1, 960 + 1_001 * MS)], [DECODE, DECODE]),
        # A key, and the sound that it replaced.
        (
            [sound(0), key(1, 960), key(2, 960, end=True), sound(3, 3 * 960)],
            [DECODE, Key("5"), Silence(40 * MS), DECODE],
        ),
        # A key beside the sound.
        ([sound(0), key(1, 960, end=True), sound(2, 960)], [DECODE, Key("5"), DECODE]),
        # A lost key is no lost sound.
        ([sound(0), sound(2, 960)], [DECODE, DECODE]),
        # A key of which only the start arrived.
        ([sound(0), key(1, 960), sound(3, 960)], [DECODE, Key("5"), DECODE]),
        # Timestamps that go back: take what comes.
        ([sound(0), sound(1, 0), sound(2, 960)], [DECODE, DECODE, DECODE]),
    ],
)
def test_what_is_done_with_packets(packets: list[Packet], steps: list[Step]) -> None:
    assert receive(inbound(), packets) == steps


def test_longer_packets_are_followed_by_their_own_length() -> None:
    long = bytes([11 << 3])  # 60 ms
    packets = [Packet(SOUND, False, n, n * 2_880, 7, long) for n in (0, 2)]

    assert receive(inbound(), packets) == [
        Decode(long),
        Conceal(40 * MS),
        Recover(long, 960),
        Decode(long),
    ]


@settings(max_examples=150)
@given(
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.sampled_from([0, 1, 1, 1, 2]), st.integers(0, 80)), max_size=60),
)
def test_sound_is_as_long_as_what_was_sent(
    base: int, first: int, fates: list[tuple[int, int]]
) -> None:
    """However packets are lost, delayed, swapped and repeated, no sample is lost or invented."""
    fates = [(1, 0), *fates, (1, 0)]
    sent = [
        (number * 0.02 + late / 1000, number)
        for number, (copies, late) in enumerate(fates)
        for _ in range(copies)
    ]
    one, steps = inbound(), []

    for now, number in sorted(sent):
        while one.due is not None and one.due <= now:
            steps += one.expire(one.due)
        packet = Packet(
            *(SOUND, False, first + number & 0xFFFF, base + number * 960 & 0xFFFFFFFF, 7, FRAME)
        )
        steps += one.receive(packet, now)
    steps += one.expire(1e9)

    # Up to a second in a row is filled; here at most 60 packets can be lost in a row.
    runs = "".join("x" if copies else "." for copies, _ in fates).split("x")
    if max(map(len, runs)) <= 50:
        assert length(steps) == len(fates) * 960
    assert sum(isinstance(step, Decode) for step in steps) <= len(fates)


def test_other_payload_types_are_refused() -> None:
    one = inbound()

    assert one.receive(Packet(0, False, 1, 0, 7, FRAME), 0.0) == []
    assert one.receive(Packet(SOUND, False, 1, 0, 7, b""), 0.0) == []
    assert one.refused == 2


def test_another_source_takes_over_when_the_old_one_is_quiet() -> None:
    one = inbound()
    one.receive(sound(0), 0.0)

    assert one.receive(sound(500, ssrc=8), 0.02) == []
    assert one.receive(sound(1), 0.02) == [DECODE]
    assert one.receive(sound(501, ssrc=8), 0.2) == [Restart(), DECODE]
    assert one.receive(sound(502, ssrc=8), 0.22) == [DECODE]
    assert (one.ssrc, one.refused) == (8, 1)


def test_report_is_there_once_there_is_sound() -> None:
    one = inbound()

    assert one.report() is None
    receive(one, [sound(0), sound(2)])
    report = one.report()

    assert report is not None
    assert report.lost == 1
    assert one.jitter_ms > 0
    assert one.recovered_ticks == 960
