"""When a connection is replaced by the next one."""

from collections.abc import Callable

import pytest

from fwai.gemini.rotation import (
    CHANGE_BEFORE_S,
    LOOK_S,
    OLD_S,
    OLDEST_S,
    OPEN_BEFORE_S,
    RETRY_S,
    Rotation,
)

OPENED = 1_000.0


def first(true: Callable[[float], bool]) -> float:
    """Return the first second from the opening on at which something is true."""
    return next(after for after in range(7_200) if true(OPENED + after))


def test_a_young_connection_is_left_alone() -> None:
    rotation = Rotation(OPENED)

    assert not rotation.due(OPENED, quiet=True)
    assert not rotation.urgent(OPENED)
    assert rotation.look_again_s(OPENED + 40) == OLD_S - 40


def test_an_old_one_is_replaced_at_a_quiet_moment() -> None:
    rotation = Rotation(OPENED)

    assert first(lambda now: rotation.due(now, quiet=True)) == OLD_S
    assert first(lambda now: rotation.due(now, quiet=False)) == OLDEST_S - OPEN_BEFORE_S
    assert first(rotation.urgent) == OLDEST_S - CHANGE_BEFORE_S
    assert rotation.look_again_s(OPENED + OLD_S) == LOOK_S


def test_an_announced_end_is_waited_for_no_longer_than_the_next_needs() -> None:
    rotation = Rotation(OPENED)
    rotation.announced(OPENED + 100, 50.0)

    assert first(lambda now: rotation.due(now, quiet=True)) == 100
    assert first(lambda now: rotation.due(now, quiet=False)) == 150 - OPEN_BEFORE_S
    assert first(rotation.urgent) == 150 - CHANGE_BEFORE_S
    assert rotation.look_again_s(OPENED + 100) == LOOK_S


@pytest.mark.parametrize("left_s", [0.0, 1.0])
def test_an_end_that_is_announced_late_is_acted_on_at_once(left_s: float) -> None:
    rotation = Rotation(OPENED)
    rotation.announced(OPENED + 100, left_s)

    assert rotation.due(OPENED + 100, quiet=False)
    assert rotation.urgent(OPENED + 100)


def test_what_failed_is_not_tried_again_at_once() -> None:
    rotation = Rotation(OPENED)
    rotation.announced(OPENED + 100, 3.0)
    rotation.failed(OPENED + 100)

    assert first(lambda now: rotation.due(now, quiet=True)) == 100 + RETRY_S
    assert first(lambda now: rotation.due(now, quiet=False)) == 100 + RETRY_S
