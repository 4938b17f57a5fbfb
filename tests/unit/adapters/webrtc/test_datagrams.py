"""Which datagrams of strangers reach a library at all."""

import os
import random
from contextlib import suppress

import pytest
from aioice import stun

from fwai.adapters.webrtc.datagrams import (
    MAX_DTLS_BYTES,
    MAX_STUN_BYTES,
    REPORT_S,
    DroppedDatagrams,
    Kind,
    dtls_fault,
    kind_of,
    stun_fault,
)
from tables import each_row

USER = b"ufrag"
COOKIE = b"\x21\x12\xa4\x42"


def request(username: str = "ufrag:theirs") -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes |= {"USERNAME": username, "PRIORITY": 1, "ICE-CONTROLLING": 7}
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(b"password")
    return bytes(message)


def answer(kind: stun.Class) -> bytes:
    message = stun.Message(stun.Method.BINDING, kind)
    if kind is stun.Class.ERROR:
        message.attributes["ERROR-CODE"] = (487, "Role Conflict")
    else:
        message.attributes["XOR-MAPPED-ADDRESS"] = ("127.0.0.1", 4)
    message.add_message_integrity(b"password")
    return bytes(message)


def attributes(*pairs: tuple[int, bytes], kind: int = 0x0101) -> bytes:
    body = b"".join(
        number.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value + bytes(-len(value) % 4)
        for number, value in pairs
    )
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + COOKIE + bytes(12) + body


def named(value: object) -> str | None:
    """Name a case without its bytes, which are new in each run."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else None


def record(content: int, payload: bytes = b"x" * 20, epoch: int = 1) -> bytes:
    head = bytes([content]) + b"\xfe\xfd" + epoch.to_bytes(2, "big") + bytes(6)
    return head + len(payload).to_bytes(2, "big") + payload


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.OTHER),
        (b"\0", Kind.STUN),
        (b"\3", Kind.STUN),
        (b"\4", Kind.OTHER),
        (b"\x13", Kind.OTHER),
        (b"\x14", Kind.DTLS),
        (b"\x3f", Kind.DTLS),
        (b"\x40", Kind.OTHER),
        (b"\x7f", Kind.OTHER),
        (b"\x80", Kind.RTP),
        (b"\xbf", Kind.RTP),
        (b"\xc0", Kind.OTHER),
        (b"\xff", Kind.OTHER),
    ],
)
def test_the_first_byte_tells_what_it_is(data: bytes, kind: Kind) -> None:
    assert kind_of(data) is kind


@pytest.mark.parametrize(
    "data", [request(), answer(stun.Class.RESPONSE), answer(stun.Class.ERROR)], ids=named
)
def test_the_checks_of_a_peer_are_sound(data: bytes) -> None:
    assert stun_fault(data, USER) == ""


@each_row(
    ("data", "fault"),
    [
        (b"\0", "stun_size"),
        (request()[:19], "stun_size"),
        (request() + bytes(MAX_STUN_BYTES), "stun_size"),
        (request()[:-4], "stun_header"),
        (request() + bytes(4), "stun_header"),
        (request().replace(COOKIE, b"\0\0\0\0", 1), "stun_header"),
        (b"\0\1\0\0" + bytes(16), "stun_header"),
        (b"\0\2\0\0" + COOKIE + bytes(12), "stun_method"),
        (b"\3\xff\0\0" + COOKIE + bytes(12), "stun_method"),
        (b"\0\3\0\0" + COOKIE + bytes(12), "stun_method"),
        (b"\0\1\0\0" + COOKIE + bytes(12), "stun_stranger"),
        (request("other:theirs"), "stun_stranger"),
        (request("ufrag2:theirs"), "stun_stranger"),
        (request(""), "stun_stranger"),
        (b"\1\1\0\2" + COOKIE + bytes(14), "stun_attributes"),
        (b"\1\1\0\4" + COOKIE + bytes(12) + b"\0\x06\xff\xff", "stun_attributes"),
        (b"\1\1\0\6" + COOKIE + bytes(12) + b"\x80\x28\0\4\0\0", "stun_attributes"),
        (attributes((0x8028, b"abc")), "stun_attributes"),
        (attributes((0x0024, b"")), "stun_attributes"),
        (attributes((0x0020, bytes(7))), "stun_attributes"),
        (attributes((0x0008, bytes(19))), "stun_attributes"),
        (attributes((0x8029, bytes(4))), "stun_attributes"),
        (attributes((0x0025, b"x")), "stun_attributes"),
        (attributes(*[(0xC057, b"")] * 33), "stun_attributes"),
        (attributes((0x0003, b"")), "stun_attributes"),
        (attributes((0x0019, b"")), "stun_attributes"),
        (attributes((0x7777, b"")), "stun_attributes"),
    ],
)
def test_a_strangers_stun_is_dropped(data: bytes, fault: str) -> None:
    assert stun_fault(data, USER) == fault


@pytest.mark.parametrize(
    "data",
    [
        record(22, epoch=0),
        record(22, epoch=0) + record(20, b"\1", epoch=0) + record(22),
        record(21),
        record(23),
        record(26),
        b"\x2c" + os.urandom(60),  # DTLS 1.3's unified header: encrypted, judged by the library
    ],
    ids=named,
)
def test_the_handshake_of_a_peer_is_sound(data: bytes) -> None:
    assert dtls_fault(data) == ""


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x16", "dtls_record"),
        (record(22)[:-1], "dtls_record"),
        (record(22) + b"\x16", "dtls_record"),
        (record(22) + b"\0", "dtls_record"),
        (b"\x16\x03\x01" + bytes(30), "dtls_record"),
        (record(27), "dtls_record"),
        (record(31), "dtls_record"),
        (record(21, b"\2\x28", epoch=0), "dtls_plain_alert"),
        (record(22, epoch=0) + record(21, b"\1\0", epoch=0), "dtls_plain_alert"),
        (record(22, bytes(MAX_DTLS_BYTES)), "dtls_size"),
    ],
    ids=named,
)
def test_a_strangers_dtls_is_dropped(data: bytes, fault: str) -> None:
    assert dtls_fault(data) == fault


def test_no_bytes_break_the_judge_and_what_it_passes_the_library_reads() -> None:
    chance = random.Random(11)
    sound = [request(), answer(stun.Class.RESPONSE), answer(stun.Class.ERROR), record(22)]
    passed = 0
    for _ in range(20_000):
        data = bytearray(chance.choice(sound))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        cut = bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.3 else data)
        if kind_of(cut) is Kind.STUN:
            if not stun_fault(cut, USER):
                passed += 1
                with suppress(ValueError):  # the one error that aioice expects
                    stun.parse_message(cut)
        else:
            dtls_fault(cut)
    assert passed > 1_000


def test_each_reason_is_reported_once_a_minute() -> None:
    now = 0.0
    told: list[tuple[str, int]] = []
    drops = DroppedDatagrams(lambda: now, lambda reason, count: told.append((reason, count)))

    for _ in range(1_000):
        drops.add("empty")
    drops.add("other")
    now = REPORT_S
    drops.add("empty")

    assert told == [("empty", 1), ("other", 1), ("empty", 1_001)]
    assert drops.counts == {"empty": 1_001, "other": 1}
