"""What a stamp means once the clock was set, and that nothing gets older or younger by it."""

from datetime import timedelta

import pytest

from fwai.domain.wall_clock import LEAST_STEP_S, MAX_STEPS, MAX_WAITS, Patience
from two_clocks import STEPS_S, TwoClocks

DAY_S = 86_400.0


@pytest.mark.parametrize("step_s", STEPS_S)
def test_a_step_is_noticed_once_and_by_what_it_was(step_s: float) -> None:
    clocks = TwoClocks()
    clocks.go_on(500)
    clocks.set_wall(step_s)
    clocks.go_on(30)

    assert clocks.wall.look() == pytest.approx(step_s)
    assert clocks.wall.look() == clocks.wall.moved_s == pytest.approx(step_s)
    assert clocks.wall.unmoved() == pytest.approx(clocks.wall_s - step_s)
    assert clocks.wall.now() == clocks.wall_s
    assert clocks.wall.steady() == clocks.steady_s


def test_time_that_goes_by_and_small_corrections_are_no_step() -> None:
    clocks = TwoClocks()
    for _ in range(100):
        clocks.go_on(7200)
        clocks.set_wall(LEAST_STEP_S / 200)
        clocks.wall.look()

    assert abs(clocks.wall.moved_s) <= LEAST_STEP_S


@pytest.mark.parametrize("step_s", STEPS_S)
@pytest.mark.parametrize("age_s", [5.0, 600.0, DAY_S - 60])
def test_no_step_makes_anything_older_than_it_is(step_s: float, age_s: float) -> None:
    clocks = TwoClocks()
    stamp = clocks.wall_s
    clocks.go_on(age_s)
    clocks.set_wall(step_s)

    assert stamp >= clocks.wall.before(DAY_S)
    clocks.go_on(DAY_S * 42)
    assert stamp < clocks.wall.before(DAY_S), "and it does get old"


def test_what_was_written_behind_a_step_gets_old_in_its_time() -> None:
    clocks = TwoClocks()
    clocks.set_wall(DAY_S)
    clocks.wall.look()
    stamp = clocks.wall_s
    clocks.go_on(DAY_S + 1)

    assert clocks.wall.forward_s(DAY_S) == 0
    assert stamp < clocks.wall.before(DAY_S)


@pytest.mark.parametrize("step_s", STEPS_S)
def test_an_older_stamp_is_read_with_the_clock_of_now(step_s: float) -> None:
    clocks = TwoClocks()
    clocks.go_on(1)
    stamp = clocks.wall_s
    clocks.set_wall(step_s)
    clocks.wall.look()

    assert clocks.wall.reread(stamp) == pytest.approx(stamp + step_s)
    clocks.go_on(10)
    fresh = clocks.wall_s
    assert clocks.wall.reread(fresh) == fresh


def test_a_clock_that_never_stands_still_costs_no_memory() -> None:
    clocks = TwoClocks()
    for number in range(10 * MAX_STEPS):
        clocks.set_wall(60.0 if number % 2 else -60.0)
        clocks.wall.look()

    assert len(clocks.wall._steps) == MAX_STEPS


# ---- patience -----------------------------------------------------------------------------------


def waited(clocks: TwoClocks, patience: Patience, stamp_s: float, patience_s: float) -> float:
    """Return how long it takes until it is over, asked whenever it says, each minute at most."""
    stamp = clocks() + timedelta(seconds=stamp_s - clocks.wall_s)
    began = clocks.steady_s
    while (until := patience.until("a", stamp, patience_s)) is not None:
        assert until > clocks()
        clocks.go_on(min((until - clocks()).total_seconds(), 60.0))
    return clocks.steady_s - began


@pytest.mark.parametrize("step_s", [0.0, *STEPS_S])
@pytest.mark.parametrize("after_s", [0.0, 20.0, 59.0])
def test_patience_lasts_as_long_as_it_does_whatever_the_clock_says(
    step_s: float, after_s: float
) -> None:
    clocks = TwoClocks()
    patience = Patience(clocks, clocks.wall)
    stamp = clocks.wall_s
    clocks.go_on(after_s)
    clocks.set_wall(step_s)

    assert waited(clocks, patience, stamp, 60.0) == pytest.approx(60.0 - after_s, abs=1.0)


@pytest.mark.parametrize("step_s", [s for s in STEPS_S if s < -1])
def test_a_stamp_from_the_future_of_a_process_before_is_waited_for_once(step_s: float) -> None:
    """The clock was set back while nothing ran: nobody can know by how much."""
    clocks = TwoClocks()
    stamp = clocks.wall_s - step_s
    patience = Patience(clocks, clocks.wall)

    assert waited(clocks, patience, stamp, 60.0) == pytest.approx(60.0)
    assert patience._seen == {}


@pytest.mark.parametrize("step_s", [0.0, *STEPS_S])
def test_what_is_told_here_had_no_chance_before_the_start(step_s: float) -> None:
    clocks = TwoClocks()
    stamp = clocks.wall_s
    clocks.go_on(7200)
    patience = Patience(clocks, clocks.wall, heard_here=True)
    clocks.go_on(10)
    clocks.set_wall(step_s)

    assert waited(clocks, patience, stamp, 60.0) == pytest.approx(50.0, abs=1.0)


def test_what_is_never_asked_about_again_is_forgotten() -> None:
    clocks = TwoClocks()
    patience = Patience(clocks, clocks.wall)
    for number in range(2 * MAX_WAITS):
        assert patience.until(str(number), clocks() + timedelta(days=1), 60.0) is not None

    assert len(patience._seen) == MAX_WAITS
