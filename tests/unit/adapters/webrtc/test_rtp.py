"""Order is held against a sender that is known; packets against RFC 3550's picture of them."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.adapters.webrtc import rtp
from fwai.adapters.webrtc.rtp import Jitter, Loss, Packet, Released, Reorder

WINDOW_S = 0.040


def packet(sequence: int) -> Packet:
    return Packet(111, False, sequence & 0xFFFF, sequence * 960 & 0xFFFFFFFF, 7, b"x")


def numbers(released: list[Released]) -> list[tuple[int, int]]:
    return [(one.packet.sequence, one.lost) for one in released]


# ---- packets ------------------------------------------------------------------------------


@given(
    st.builds(
        Packet,
        st.integers(0, 127).filter(lambda kind: not 64 <= kind <= 95),
        st.booleans(),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.binary(max_size=200),
    )
)
def test_what_is_written_is_read(one: Packet) -> None:
    data = rtp.build(one)

    assert rtp.parse(data) == one
    assert not rtp.is_rtcp(data)


@given(st.binary(max_size=80))
def test_garbage_is_a_packet_or_none(data: bytes) -> None:
    found = rtp.parse(data)

    assert found is None or len(found.payload) <= len(data) - rtp.HEADER_BYTES


FIXED = struct.pack("!BBHII", 0x80, 111, 1, 2, 3)


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (FIXED + b"abc", b"abc"),
        (bytes([0x82]) + FIXED[1:] + bytes(8) + b"abc", b"abc"),  # two contributing sources
        (bytes([0x90]) + FIXED[1:] + b"\xbe\xde\x00\x01" + bytes(4) + b"abc", b"abc"),  # extension
        (bytes([0xA0]) + FIXED[1:] + b"abc\x00\x02", b"abc"),  # padding
        (bytes([0xA0]) + FIXED[1:] + b"\x01", b""),
        (FIXED, b""),
    ],
)
def test_payload_is_what_is_left_of_the_packet(data: bytes, payload: bytes) -> None:
    found = rtp.parse(data)

    assert found is not None
    assert found.payload == payload


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FIXED[:11],
        bytes([0x40]) + FIXED[1:],  # another version
        bytes([0x8F]) + FIXED[1:],  # sources that are not there
        bytes([0x90]) + FIXED[1:] + b"\xbe\xde",  # half an extension
        bytes([0x90]) + FIXED[1:] + b"\xbe\xde\x00\x09",
        bytes([0xA0]) + FIXED[1:] + b"ab\x09",  # more padding than packet
        bytes([0xA0]) + FIXED[1:] + b"ab\x00",
    ],
)
def test_broken_packets_are_none(data: bytes) -> None:
    assert rtp.parse(data) is None


def test_rtcp_is_told_from_rtp() -> None:
    assert rtp.is_rtcp(b"\x80\xc8")
    assert rtp.is_rtcp(b"\x81\xc9")
    assert not rtp.is_rtcp(b"\x80\x6f")
    assert not rtp.is_rtcp(b"\x80\xef")  # payload type 111 with the marker
    assert not rtp.is_rtcp(b"")


@pytest.mark.parametrize(
    ("later", "earlier", "apart"),
    [(5, 3, 2), (3, 5, -2), (0, 0xFFFF, 1), (0xFFFF, 0, -1), (0x7FFF, 0, 0x7FFF)],
)
def test_counters_that_wrap_are_compared_the_short_way_round(
    later: int, earlier: int, apart: int
) -> None:
    assert rtp.difference(later, earlier, 16) == apart


# ---- order --------------------------------------------------------------------------------


def test_packets_in_order_go_out_at_once() -> None:
    reorder = Reorder(WINDOW_S)

    assert [numbers(reorder.push(packet(n), n * 0.02)) for n in (1, 2, 3)] == [
        [(1, 0)],
        [(2, 0)],
        [(3, 0)],
    ]
    assert reorder.due is None


def test_swapped_packets_are_put_right_without_waiting_for_the_window() -> None:
    reorder = Reorder(WINDOW_S)
    reorder.push(packet(1), 0.0)

    assert reorder.push(packet(3), 0.02) == []
    assert reorder.due == pytest.approx(0.06)
    assert numbers(reorder.push(packet(2), 0.03)) == [(2, 0), (3, 0)]
    assert reorder.due is None
    assert reorder.lost == 0


def test_a_lost_packet_costs_one_window_and_nothing_after_it() -> None:
    reorder = Reorder(WINDOW_S)
    reorder.push(packet(1), 0.0)
    reorder.push(packet(3), 0.04)
    reorder.push(packet(4), 0.06)

    assert reorder.expire(0.079) == []
    assert numbers(reorder.expire(0.080)) == [(3, 1), (4, 0)]
    assert numbers(reorder.push(packet(5), 0.081)) == [(5, 0)]
    assert (reorder.lost, reorder.expected, reorder.received) == (1, 5, 4)


def test_each_gap_waits_for_its_own_window() -> None:
    reorder = Reorder(WINDOW_S)
    reorder.push(packet(1), 0.0)
    reorder.push(packet(3), 0.04)
    reorder.push(packet(6), 0.07)

    assert numbers(reorder.expire(0.085)) == [(3, 1)]
    assert reorder.due == pytest.approx(0.11)
    assert numbers(reorder.expire(0.2)) == [(6, 2)]


def test_a_push_also_gives_up_what_is_overdue() -> None:
    reorder = Reorder(WINDOW_S)
    reorder.push(packet(1), 0.0)
    reorder.push(packet(3), 0.02)

    assert numbers(reorder.push(packet(4), 0.5)) == [(3, 1), (4, 0)]


def test_late_and_repeated_packets_are_dropped_and_told_apart() -> None:
    reorder = Reorder(WINDOW_S)
    reorder.push(packet(1), 0.0)
    reorder.push(packet(3), 0.02)
    reorder.push(packet(3), 0.02)
    reorder.expire(0.1)

    assert reorder.push(packet(2), 0.11) == []
    assert reorder.push(packet(2), 0.12) == []
    assert reorder.push(packet(1), 0.13) == []
    assert (reorder.late, reorder.duplicates, reorder.received) == (1, 3, 3)


def test_numbers_wrap_around() -> None:
    reorder = Reorder(WINDOW_S)

    out = [numbers(reorder.push(packet(0xFFFE + n), n * 0.02)) for n in range(4)]

    assert out == [[(0xFFFE, 0)], [(0xFFFF, 0)], [(0, 0)], [(1, 0)]]
    assert reorder.expected == 4


def test_one_stray_packet_is_dropped_but_two_in_a_row_are_a_new_beginning() -> None:
    reorder = Reorder(WINDOW_S)
    reorder.push(packet(1), 0.0)

    assert reorder.push(packet(30_000), 0.02) == []
    assert numbers(reorder.push(packet(2), 0.03)) == [(2, 0)]
    assert reorder.push(packet(40_000), 0.04) == []
    assert numbers(reorder.push(packet(40_001), 0.06)) == [(40_001, 0)]
    assert reorder.restarts == 1


def test_what_is_held_is_bounded_even_when_time_stands_still() -> None:
    reorder = Reorder(WINDOW_S)
    reorder.push(packet(0), 0.0)

    out = [one for n in range(2, 2_000, 2) for one in reorder.push(packet(n), 0.0)]

    assert len(out) >= 2_000 // 2 - rtp.MAX_HELD - 2


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[int, list[tuple[float, int]]]:
    """First number, and when which number arrives: some lost, some twice, all up to 120 ms late."""
    first = draw(st.sampled_from([0, 1, 100, 0x7FFF, 0xFFF0, 0xFFFF]))
    count = draw(st.integers(1, 60))
    arrive = [(0.0, 0)]
    for number in range(1, count):
        copies = draw(st.sampled_from([0, 1, 1, 1, 1, 1, 2]))
        late = draw(st.lists(st.integers(0, 120), min_size=copies, max_size=copies))
        arrive += [(number * 0.02 + ms / 1000, number) for ms in late]
    return first, sorted(arrive)


@settings(max_examples=150)
@given(arrivals())
def test_nothing_is_lost_invented_or_swapped(made: tuple[int, list[tuple[float, int]]]) -> None:
    first, arrive = made
    reorder = Reorder(WINDOW_S)
    out: list[tuple[float, Released]] = []
    came: dict[int, float] = {}

    for now, number in arrive:
        due = reorder.due
        while due is not None and due <= now:
            out += [(due, one) for one in reorder.expire(due)]
            due = reorder.due
        came.setdefault(number, now)
        out += [(now, one) for one in reorder.push(packet(first + number), now)]
    end = 1e9
    out += [(end, one) for one in reorder.expire(end)]

    place = -1
    for when, one in out:
        place += 1 + one.lost
        assert one.packet.sequence == (first + place) & 0xFFFF  # the losses fill every gap
        if when != end:
            assert when - came[place] <= WINDOW_S + 1e-9
    assert len(out) + reorder.late == reorder.received == len(came)
    assert len(out) + reorder.lost == place + 1 == reorder.expected
    assert reorder.duplicates == len(arrive) - len(came)
    assert reorder.due is None


# ---- statistics ---------------------------------------------------------------------------


def test_jitter_of_an_even_stream_is_none_whatever_the_clocks() -> None:
    jitter = Jitter(48_000)

    for n in range(100):
        jitter.add((n * 960 + 0xFFFFFF00) & 0xFFFFFFFF, 5.0 + n * 0.02)

    assert jitter.ticks == pytest.approx(0.0, abs=0.01)


def test_jitter_grows_by_a_sixteenth_of_what_a_packet_is_off() -> None:
    jitter = Jitter(48_000)
    jitter.add(0, 0.0)

    jitter.add(960, 0.030)  # 10 ms late

    assert jitter.ticks == pytest.approx(480 / 16)


def test_report_tells_of_the_time_since_the_last_one() -> None:
    reorder, loss = Reorder(WINDOW_S), Loss()
    for n in (0, 1, 3):
        reorder.push(packet(n), n * 0.02)
    reorder.expire(9.0)

    first = loss.report(reorder, 12.4)
    for n in range(4, 14):
        reorder.push(packet(n), n * 0.02 + 9.0)
    second = loss.report(reorder, 0.0)

    assert (first.fraction, first.lost, first.jitter) == (64, 1, 12)  # one of four
    assert (second.fraction, second.lost) == (0, 1)
    assert second.highest & 0xFFFF == 13


def test_report_of_a_quiet_time_says_no_loss() -> None:
    reorder, loss = Reorder(WINDOW_S), Loss()
    reorder.push(packet(0), 0.0)

    assert [loss.report(reorder, 0.0).fraction for _ in range(2)] == [0, 0]
