"""Held against aiortc's reading and writing of the same packets."""

import aiortc.rtp as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.adapters.webrtc import rtcp
from fwai.adapters.webrtc.rtp import Report

SENT = rtcp.SenderInfo(
    ssrc=7, unix_s=1_790_000_000.25, timestamp=960, packets=50, payload_bytes=3_000
)
ABOUT = rtcp.ReceptionReport(
    9, Report(fraction=64, lost=5, highest=0x1FFFF, jitter=33), 0xABCD, 655
)


def test_aiortc_reads_our_report() -> None:
    sender, names = oracle.RtcpPacket.parse(rtcp.build_sender_report(SENT, "abcd", ABOUT))

    assert isinstance(sender, oracle.RtcpSrPacket)
    assert isinstance(names, oracle.RtcpSdesPacket)
    assert sender.ssrc == names.chunks[0].ssrc == 7
    assert sender.sender_info.packet_count == 50
    assert sender.sender_info.octet_count == 3_000
    assert sender.sender_info.ntp_timestamp >> 32 == 1_790_000_000 + 2_208_988_800
    assert names.chunks[0].items == [(1, b"abcd")]
    (block,) = sender.reports
    assert (block.ssrc, block.fraction_lost, block.packets_lost) == (9, 64, 5)
    assert (block.highest_sequence, block.jitter, block.lsr, block.dlsr) == (
        0x1FFFF,
        33,
        0xABCD,
        655,
    )


@pytest.mark.parametrize("length", range(1, 9))
def test_names_of_any_length_are_padded(length: int) -> None:
    packets = oracle.RtcpPacket.parse(rtcp.build_sender_report(SENT, "a" * length, None))

    assert len(packets) == 2


def test_aiortc_reads_our_goodbye() -> None:
    packets = oracle.RtcpPacket.parse(rtcp.goodbye(7))

    assert isinstance(packets[-1], oracle.RtcpByePacket)
    assert packets[-1].sources == [7]


def test_we_read_what_aiortc_writes() -> None:
    info = oracle.RtcpSenderInfo(0x1122334455667788, 1, 2, 3)
    block = oracle.RtcpReceiverInfo(7, 128, -3, 99, 11, 0x55, 77)
    data = bytes(oracle.RtcpSrPacket(ssrc=9, sender_info=info, reports=[block]))
    data += bytes(oracle.RtcpByePacket(sources=[9, 10]))

    heard = rtcp.parse(data)

    assert heard.clock == {9: 0x33445566}
    assert heard.about == (rtcp.ReceptionReport(7, Report(128, -3, 99, 11), 0x55, 77),)
    assert heard.gone == {9, 10}


def test_receiver_reports_are_read() -> None:
    block = oracle.RtcpReceiverInfo(7, 128, 3, 99, 11, 0x55, 77)

    heard = rtcp.parse(bytes(oracle.RtcpRrPacket(ssrc=9, reports=[block])))

    assert heard.about[0].report.lost == 3


@given(st.binary(max_size=120), st.integers(0, 60))
def test_garbage_is_read_as_far_as_it_goes(data: bytes, cut: int) -> None:
    rtcp.parse(data)
    rtcp.parse(rtcp.build_sender_report(SENT, "abcd", ABOUT)[:cut] + data)
