"""Keys are told to the agent once they are complete, and in any case after a while."""

from itertools import pairwise

import pytest

from fwai.calls.dtmf import LATEST_S, LONGEST_S, MAX_KEYS, QUIET_S, KeyCollector

NEVER = 1e9


def told(
    keys: str, gap_s: float, *, talking_until: float = -1.0, asked_until: float = 60.0
) -> list[tuple[float, str]]:
    """Press keys so far apart, ask once a second as a call does; return what was told and when."""
    collector = KeyCollector()
    presses = [(gap_s * number, key) for number, key in enumerate(keys)]
    told: list[tuple[float, str]] = []
    now = 0.0
    while now <= asked_until:
        while presses and presses[0][0] <= now:
            at, key = presses.pop(0)
            collector.press(key, at)
        if digits := collector.take(now, talking=now < talking_until):
            told.append((now, digits))
        now += 1.0
    return told


@pytest.mark.parametrize("gap_s", [0.0, 0.2, 0.9, 1.0, 1.2, 1.4])
@pytest.mark.parametrize("keys", ["1", "42", "123456789012"])
def test_a_number_is_told_whole_at_its_end(keys: str, gap_s: float) -> None:
    ((at, digits),) = told(keys, gap_s)

    assert digits == keys
    last_s = gap_s * (len(keys) - 1)
    assert QUIET_S <= at - last_s <= QUIET_S + 1.0


@pytest.mark.parametrize("gap_s", [0.1, 1.0])
@pytest.mark.parametrize("talking_until", [-1.0, NEVER])
def test_a_hash_ends_it_at_once(gap_s: float, talking_until: float) -> None:
    first, *_ = told("1234#", gap_s, talking_until=talking_until)

    at, digits = first
    assert digits == "1234#"
    assert at - 4 * gap_s <= 1.0


@pytest.mark.parametrize("gap_s", [1.0, 1.4])
@pytest.mark.parametrize(("talking_until", "bound_s"), [(-1.0, LONGEST_S), (NEVER, LATEST_S)])
def test_whoever_never_stops_pressing_is_heard(
    gap_s: float, talking_until: float, bound_s: float
) -> None:
    heard = told("5" * 200, gap_s, talking_until=talking_until, asked_until=100)

    times = [0.0, *(at for at, _ in heard)]
    gaps = [later - at for at, later in pairwise(times)]
    assert len(heard) >= 4
    assert max(gaps) <= bound_s + gap_s + 1.0


@pytest.mark.parametrize("keys", ["1", "123"])
def test_what_is_pressed_while_somebody_talks_waits_for_a_pause_but_not_for_ever(keys: str) -> None:
    assert told(keys, 0.5, talking_until=5.0) == [(5.0, keys)]
    assert told(keys, 0.5, talking_until=NEVER) == [(LATEST_S, keys)]


def test_a_flood_of_keys_is_bounded() -> None:
    collector = KeyCollector()
    for number in range(100_000):
        collector.press("7", number / 1e6)

    assert collector.take(0.1, talking=True) == "7" * MAX_KEYS
    assert collector.take(60.0, talking=False) == ""


def test_two_numbers_with_a_pause_between_them_are_two() -> None:
    collector = KeyCollector()
    collector.press("1", 0.0)
    assert collector.take(QUIET_S, talking=False) == "1"
    collector.press("2", 50.0)
    assert collector.take(50.5, talking=False) == ""
    assert collector.take(50.0 + QUIET_S, talking=False) == "2"
