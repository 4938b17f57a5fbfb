"""How packets travelled, told from their numbers, timestamps and times."""

import pytest

from fwai.simulator.meta.ear import Travel


def travelled(
    count: int, late_ms: dict[int, float] | None = None, lost: set[int] | None = None
) -> Travel:
    travel = Travel()
    for number in range(count):
        if number not in (lost or set()):
            at = 5.0 + number * 0.020 + (late_ms or {}).get(number, 0.0) / 1000
            travel.add((0xFFF0 + number) & 0xFFFF, number * 960, at)
    return travel


def test_punctual_packets_have_neither_jitter_nor_delay() -> None:
    travel = travelled(1000)

    assert (travel.received, travel.lost) == (1000, 0)
    assert travel.jitter_ms == pytest.approx(0, abs=1e-6)
    assert travel.late_ms == pytest.approx(0, abs=1e-6)
    assert travel.drift_ms == pytest.approx(0, abs=1e-6)


def test_what_is_missing_is_counted_across_the_wrap_of_numbers() -> None:
    travel = travelled(100, lost={3, 20, 21})

    assert (travel.received, travel.lost) == (97, 3)


def test_one_late_packet_is_late_and_no_drift() -> None:
    travel = travelled(1000, late_ms={500: 80.0})

    assert travel.late_ms == pytest.approx(80)
    assert travel.drift_ms == pytest.approx(0, abs=1e-6)


def test_a_delay_that_stays_is_drift() -> None:
    travel = travelled(1000, late_ms=dict.fromkeys(range(500, 1000), 60.0))

    assert travel.drift_ms == pytest.approx(60)


def test_packets_that_are_late_in_turn_have_jitter() -> None:
    travel = travelled(1000, late_ms=dict.fromkeys(range(0, 1000, 2), 10.0))

    assert travel.jitter_ms == pytest.approx(10, rel=0.01)


def test_nothing_received_is_no_error() -> None:
    travel = Travel()

    assert (travel.lost, travel.late_ms, travel.drift_ms) == (0, 0.0, 0.0)
