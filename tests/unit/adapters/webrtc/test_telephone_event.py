import pytest

from fwai.adapters.webrtc.telephone_event import TelephoneEvents


def event(code: int, *, end: bool = False, duration: int = 160) -> bytes:
    return bytes([code, 0x8A if end else 0x0A]) + duration.to_bytes(2, "big")


@pytest.mark.parametrize(("code", "key"), [(0, "0"), (9, "9"), (10, "*"), (11, "#"), (15, "D")])
def test_key_is_told_at_its_end(code: int, key: str) -> None:
    events = TelephoneEvents()

    assert events.feed(event(code), 100) == []
    assert events.feed(event(code, duration=320), 100) == []
    assert events.feed(event(code, end=True), 100) == [key]


def test_the_end_is_sent_three_times_and_told_once() -> None:
    events = TelephoneEvents()

    told = [events.feed(event(5, end=True), 100) for _ in range(3)]

    assert told == [["5"], [], []]


def test_the_same_key_again_has_another_timestamp() -> None:
    events = TelephoneEvents()

    assert events.feed(event(5, end=True), 100) == ["5"]
    assert events.feed(event(5, end=True), 9_000) == ["5"]


def test_key_without_an_end_is_told_when_the_next_begins() -> None:
    events = TelephoneEvents()
    events.feed(event(1), 100)

    assert events.feed(event(2), 9_000) == ["1"]
    assert events.feed(event(2, end=True), 9_000) == ["2"]


def test_key_whose_end_is_lost_is_told_once_when_sound_goes_on() -> None:
    events = TelephoneEvents()
    events.feed(event(1), 100)

    assert events.interrupt() == ["1"]
    assert events.interrupt() == []
    assert events.feed(event(1, end=True), 100) == []  # it was only late


@pytest.mark.parametrize("payload", [b"", b"\x05\x8a\x00", bytes([16, 0x8A, 0, 160]), b"\xff" * 4])
def test_other_events_and_garbage_are_no_keys(payload: bytes) -> None:
    assert TelephoneEvents().feed(payload, 100) == []
