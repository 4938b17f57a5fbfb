"""Builds and parses RTCP sender reports, reception reports and BYE. PURE.

Source: RFC 3550, section 6.
"""

import struct
from dataclasses import dataclass
from typing import Final

from fwai.adapters.webrtc.rtp import Report

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
DESCRIPTION: Final = 202
BYE: Final = 203
_CNAME: Final = 1
_NTP_UNIX_OFFSET_S: Final = 2_208_988_800  # 1900 to 1970

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_WORD = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """Sender info of our stream; ``unix_s`` and ``timestamp`` are the same instant."""

    ssrc: int
    unix_s: float
    timestamp: int
    packets: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class ReceptionReport:
    """A reception report about the source ``ssrc``.

    ``last_sr`` and ``since_sr`` are the middle of the other side's clock in its last sender report
    and the time since then, in 1/65536 s.
    """

    ssrc: int
    report: Report
    last_sr: int = 0
    since_sr: int = 0


@dataclass(frozen=True, slots=True)
class RtcpInfo:
    """Parsed content of a compound packet.

    Attributes:
        clock: Middle 32 bits of the sender's clock, by source.
        about: Reports about sources.
        gone: Sources that have ended.
    """

    clock: dict[int, int]
    about: tuple[ReceptionReport, ...]
    gone: frozenset[int]


def ntp_middle(unix_s: float) -> int:
    """Return the middle 32 bits of an NTP timestamp."""
    return _ntp(unix_s) >> 16 & 0xFFFFFFFF


def build_sender_report(sent: SenderInfo, name: str, about: ReceptionReport | None) -> bytes:
    """Build a compound packet: sender report and CNAME."""
    block = b"" if about is None else _report_block(about)
    body = _SENDER.pack(
        sent.ssrc,
        _ntp(sent.unix_s),
        sent.timestamp,
        sent.packets & 0xFFFFFFFF,
        sent.payload_bytes & 0xFFFFFFFF,
    )
    item = bytes((_CNAME, len(name))) + name.encode("ascii")
    item += bytes(4 - len(item) % 4)
    return _packet(SENDER_REPORT, 1 if block else 0, body + block) + _packet(
        DESCRIPTION, 1, _WORD.pack(sent.ssrc) + item
    )


def goodbye(ssrc: int) -> bytes:
    """Build a BYE packet."""
    return _packet(RECEIVER_REPORT, 0, _WORD.pack(ssrc)) + _packet(BYE, 1, _WORD.pack(ssrc))


def parse(data: bytes) -> RtcpInfo:
    """Parse a compound packet as far as possible."""
    clock: dict[int, int] = {}
    about: list[ReceptionReport] = []
    gone: set[int] = set()
    at = 0
    while at + 4 <= len(data):
        first, kind, words = _HEADER.unpack_from(data, at)
        body = data[at + 4 : at + 4 + 4 * words]
        if first >> 6 != 2 or len(body) < 4 * words:
            break
        count = first & 0x1F
        if kind == SENDER_REPORT and len(body) >= _SENDER.size:
            ssrc, ntp, *_ = _SENDER.unpack_from(body)
            clock[ssrc] = ntp >> 16 & 0xFFFFFFFF
            about += _parse_report_blocks(body[_SENDER.size :], count)
        elif kind == RECEIVER_REPORT:
            about += _parse_report_blocks(body[4:], count)
        elif kind == BYE:
            gone.update(source for (source,) in _WORD.iter_unpack(body[: 4 * min(count, words)]))
        at += 4 + 4 * words
    return RtcpInfo(clock, tuple(about), frozenset(gone))


def _parse_report_blocks(data: bytes, count: int) -> list[ReceptionReport]:
    found = []
    for at in range(0, min(len(data) // _BLOCK.size, count) * _BLOCK.size, _BLOCK.size):
        ssrc, losses, highest, jitter, last_sr, since_sr = _BLOCK.unpack_from(data, at)
        lost = losses & 0xFFFFFF
        if lost & 0x800000:
            lost -= 1 << 24
        found.append(
            ReceptionReport(ssrc, Report(losses >> 24, lost, highest, jitter), last_sr, since_sr)
        )
    return found


def _report_block(about: ReceptionReport) -> bytes:
    report = about.report
    losses = report.fraction << 24 | min(max(report.lost, -0x800000), 0x7FFFFF) & 0xFFFFFF
    return _BLOCK.pack(
        about.ssrc, losses, report.highest, report.jitter, about.last_sr, about.since_sr
    )


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def _ntp(unix_s: float) -> int:
    return int((unix_s + _NTP_UNIX_OFFSET_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
