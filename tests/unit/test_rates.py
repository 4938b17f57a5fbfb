"""Counting against limits: what counts, for how long, and that memory has a bound."""

import pytest

from fwai.rates import Rate, Rates, Windows


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_in_any_stretch_and_then_one_for_each_that_is_over() -> None:
    clock = Clock()
    rates, rate = Rates(clock), Rate("things", 3, 60)

    first = [rates.count(rate, "a") for _ in range(3)]
    refused = rates.count(rate, "a")
    clock.now += 59.5
    still = rates.count(rate, "a")
    clock.now += 0.5
    again = [rates.count(rate, "a") for _ in range(4)]

    assert first == [0, 0, 0]
    assert refused == 60
    assert still == 1
    assert again == [0, 0, 0, 60]


def test_what_is_refused_does_not_count() -> None:
    """Whoever goes on asking gets in as soon as one who waits."""
    clock = Clock()
    rates, rate = Rates(clock), Rate("things", 2, 10)
    for _ in range(50):
        rates.count(rate, "a")
    clock.now += 10.0

    assert rates.count(rate, "a") == 0
    assert len(rates.windows) == 1


def test_whoever_waits_as_long_as_told_has_room() -> None:
    clock = Clock()
    rates, rate = Rates(clock), Rate("things", 1, 60)
    for step in (0.0, 7.3, 0.001, 33.3):
        clock.now += step
        wait_s = rates.count(rate, "a")
        if wait_s:
            clock.now += wait_s
            assert rates.count(rate, "a") == 0


def test_names_and_rates_do_not_touch_each_other() -> None:
    rates = Rates(Clock())
    one, other = Rate("one", 1), Rate("other", 1)

    assert rates.count(one, "a") == 0
    assert rates.count(one, "b") == 0
    assert rates.count(other, "a") == 0
    assert rates.count(one, "a") > 0


@pytest.mark.parametrize("name", ["", "/", "a/b/1/60/second", "\udcff", "é" * 300, "a\x00b"])
def test_a_name_may_be_anything(name: str) -> None:
    rates, rate = Rates(Clock()), Rate("things", 1)

    assert rates.full(rate, name) == 0
    assert rates.count(rate, name) == 0
    assert rates.full(rate, name) == 60


def test_looking_counts_nothing() -> None:
    rates, rate = Rates(Clock()), Rate("things", 1)

    assert [rates.full(rate, "a") for _ in range(5)] == [0] * 5
    assert len(rates.windows) == 0
    assert rates.windows.names == 0


def test_invented_names_cost_bounded_memory_and_forgive_only_the_oldest() -> None:
    clock = Clock()
    windows = Windows(clock, most_names=100, most_hits=1_000)
    rates, rate = Rates(clock, windows), Rate("things", 50)
    for number in range(10_000):
        rates.count(rate, f"stranger {number}")
        rates.count(rate, "insistent")

    assert windows.names <= 100
    assert len(windows) <= 1_000
    assert rates.full(rate, "insistent") > 0


def test_names_that_are_not_seen_again_do_not_push_the_moments_over_their_bound() -> None:
    clock = Clock()
    windows = Windows(clock, most_names=1_000, most_hits=200)
    rates, rate = Rates(clock, windows), Rate("things", 50)
    for name in range(40):
        for _ in range(50):
            rates.count(rate, str(name))
            assert len(windows) <= 200

    assert windows.names == 4


def test_what_is_over_is_forgotten_when_its_name_comes_again() -> None:
    clock = Clock()
    windows = Windows(clock)
    rates, rate = Rates(clock, windows), Rate("things", 50)
    for _ in range(50):
        rates.count(rate, "a")
    clock.now += 61
    rates.count(rate, "a")

    assert len(windows) == 1


def test_what_the_package_may_ask_of_a_store_besides() -> None:
    clock = Clock()
    windows = Windows(clock)
    assert windows.check()
    assert issubclass(windows.base_exceptions, Exception)
    assert windows.acquire_entry("a", 2, 60)
    assert windows.acquire_entry("b", 2, 60, amount=2)
    assert (windows.get("a"), windows.get("b"), windows.get("c")) == (1, 2, 0)
    windows.clear("b")
    assert (windows.get("b"), len(windows), windows.names) == (0, 1, 1)
    assert windows.reset() == 1
    assert (len(windows), windows.names) == (0, 0)
    with pytest.raises(NotImplementedError):
        windows.incr("a", 60)
    with pytest.raises(NotImplementedError):
        windows.get_expiry("a")
