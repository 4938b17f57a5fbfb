"""Whose fault it is that something came late."""

import pytest

from fwai.demo.standstill import StandstillWatch


@pytest.mark.parametrize(
    ("slept_s", "computed_s", "longest_ms"),
    [
        (0.010, 0.001, 0.0),
        (0.035, 0.0, 0.0),
        (0.090, 0.002, 80.0),
        (0.090, 0.085, 0.0),
        (0.510, 0.240, 500.0),
        (0.510, 0.260, 0.0),
    ],
)
def test_only_what_others_computed_is_the_machines(
    slept_s: float, computed_s: float, longest_ms: float
) -> None:
    watch = StandstillWatch()
    watch.woke(slept_s, computed_s)
    assert watch.longest_ms == pytest.approx(longest_ms)


def test_the_longest_is_told() -> None:
    watch = StandstillWatch()
    for slept_s in (0.05, 0.2, 0.1):
        watch.woke(slept_s, 0.0)
    assert watch.longest_ms == pytest.approx(190.0)
