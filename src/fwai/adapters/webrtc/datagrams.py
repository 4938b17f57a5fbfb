"""Judges the datagrams that anybody may send to a media port, before a library sees them. PURE.

Theory of operation. The first byte tells STUN, DTLS and RTP apart (RFC 7983); all else is dropped.
Of STUN (RFC 8489) the header and every attribute must fit exactly, and a request must name our user
name fragment, which a stranger cannot know. Of DTLS (RFC 6347, RFC 9147) the records must fit.
"""

from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from typing import Final

MAX_STUN_BYTES: Final = 1_280  # a packet that no path may divide (RFC 8200)
MAX_DTLS_BYTES: Final = 2_048
MAX_RTP_BYTES: Final = 2_048
MAX_ATTRIBUTES: Final = 32
REPORT_S: Final = 60.0

_STUN_HEAD: Final = 20
_COOKIE: Final = b"\x21\x12\xa4\x42"
_BINDING: Final = 0x0001
_CLASSES: Final = 0x0110  # the two bits of a message's class
_REQUEST: Final = 0x0000
_USERNAME: Final = 0x0006
_OPTIONAL: Final = 0x8000  # from here on what is not known may be skipped (RFC 8489, section 14)
_KNOWN: Final = frozenset(
    {_USERNAME, 0x0001, 0x0008, 0x0009, 0x000A, 0x001C, 0x0020, 0x0024, 0x0025}
)
"""Attributes that checks of ICE may hold: also ERROR-CODE, UNKNOWN-ATTRIBUTES, SHA-256."""
_LENGTHS: Final = {
    0x0008: (20,),  # MESSAGE-INTEGRITY
    0x0020: (8, 20),  # XOR-MAPPED-ADDRESS
    0x0001: (8, 20),  # MAPPED-ADDRESS
    0x0024: (4,),  # PRIORITY
    0x0025: (0,),  # USE-CANDIDATE
    0x8028: (4,),  # FINGERPRINT
    0x8029: (8,),  # ICE-CONTROLLED
    0x802A: (8,),  # ICE-CONTROLLING
}
_DTLS_HEAD: Final = 13
_ALERT: Final = 21
_OLD_CONTENT: Final = range(20, 27)
_NEW_CONTENT: Final = range(32, 64)  # the unified header of DTLS 1.3, always encrypted


class Kind(IntEnum):
    """What a datagram is, by its first byte."""

    OTHER = 0
    STUN = 1
    DTLS = 2
    RTP = 3


def kind_of(data: bytes) -> Kind:
    """Tell the protocols that share a media port apart."""
    if not data:
        return Kind.OTHER
    first = data[0]
    if 128 <= first <= 191:
        return Kind.RTP
    if first <= 3:
        return Kind.STUN
    return Kind.DTLS if 20 <= first <= 63 else Kind.OTHER


def stun_fault(data: bytes, user: bytes) -> str:
    """Return what is wrong with a STUN message, in one word for a counter; empty when it is sound.

    Args:
        data: The datagram.
        user: Our user name fragment: requests must be addressed to it.
    """
    if not _STUN_HEAD <= len(data) <= MAX_STUN_BYTES:
        return "stun_size"
    kind = int.from_bytes(data[:2], "big")
    if data[4:8] != _COOKIE or int.from_bytes(data[2:4], "big") != len(data) - _STUN_HEAD:
        return "stun_header"
    if kind & ~_CLASSES != _BINDING:
        return "stun_method"
    named, at, count = b"", _STUN_HEAD, 0
    while at < len(data):
        count += 1
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 4 + length + -length % 4
        if end > len(data) or count > MAX_ATTRIBUTES:
            return "stun_attributes"
        attribute = int.from_bytes(data[at : at + 2], "big")
        if attribute < _OPTIONAL and attribute not in _KNOWN:
            return "stun_attributes"
        if length not in _LENGTHS.get(attribute, (length,)):
            return "stun_attributes"
        if attribute == _USERNAME:
            named = data[at + 4 : at + 4 + length]
        at = end
    if kind & _CLASSES == _REQUEST and named.partition(b":")[0] != user:
        return "stun_stranger"
    return ""


def dtls_fault(data: bytes) -> str:
    """Return what is wrong with a DTLS datagram, in one word; empty when it is sound.

    An alert that is not encrypted proves nothing about who sent it: it counts as unsound.
    """
    if len(data) > MAX_DTLS_BYTES:
        return "dtls_size"
    at = 0
    while at < len(data):
        content = data[at]
        if content in _NEW_CONTENT:
            return ""
        if content not in _OLD_CONTENT or at + _DTLS_HEAD > len(data) or data[at + 1] != 0xFE:
            return "dtls_record"
        if content == _ALERT and data[at + 3 : at + 5] == b"\0\0":
            return "dtls_plain_alert"
        at += _DTLS_HEAD + int.from_bytes(data[at + 11 : at + 13], "big")
    return "" if at == len(data) else "dtls_record"


class DroppedDatagrams:
    """Counts what was dropped, and reports each reason at most once a minute.

    Args:
        now: Monotonic time in seconds.
        report: Called with a reason and how many were dropped for it so far.

    Attributes:
        counts: By reason; there are few.
    """

    def __init__(
        self, now: Callable[[], float], report: Callable[[str, int], None] = lambda _, __: None
    ) -> None:
        self._now = now
        self._report = report
        self._reported: dict[str, float] = {}
        self.counts: Counter[str] = Counter()

    def add(self, reason: str) -> None:
        """Count one."""
        self.counts[reason] += 1
        now = self._now()
        if now - self._reported.get(reason, -REPORT_S) >= REPORT_S:
            self._reported[reason] = now
            self._report(reason, self.counts[reason])
