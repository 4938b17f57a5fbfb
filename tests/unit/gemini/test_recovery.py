"""What is tried after a Live connection was lost, as a table."""

from itertools import pairwise

import pytest

from fwai.errors import AgentError
from fwai.gemini.connection import close_error
from fwai.gemini.faults import QUOTA
from fwai.gemini.recovery import BACKOFF_S, THROTTLED_S, WAIT_S, Attempt, Recovery

NETWORK = AgentError("x", resumable=True, fresh=True)
DENIED = AgentError("x", code=403)
THROTTLED = AgentError("x", code=429, resumable=True, fresh=True, fault=QUOTA.name)
DOWN = AgentError("x", code=503, resumable=True, fresh=True)
RESUME = Attempt(0.0, resume=True)
FRESH = Attempt(0.0, resume=False)


@pytest.mark.parametrize(
    ("error", "lived_s", "handle", "resumed", "attempt"),
    [
        # A link that broke or a service that failed in the middle: by handle if there is one.
        pytest.param(close_error(1011, ""), 30.0, True, False, RESUME, id="1011"),
        pytest.param(close_error(1011, ""), 2.0, True, False, RESUME, id="1011-soon"),
        pytest.param(close_error(1006, ""), 30.0, True, True, RESUME, id="1006"),
        pytest.param(close_error(1000, ""), 30.0, True, True, RESUME, id="1000"),
        pytest.param(close_error(1008, ""), 30.0, True, True, RESUME, id="1008-in-a-call"),
        pytest.param(close_error(1011, ""), 30.0, False, False, FRESH, id="1011-no-handle"),
        # The conversation itself is rejected: never the same thing again.
        pytest.param(close_error(1007, ""), 30.0, True, True, FRESH, id="1007-in-a-call"),
        # The answer to a handle: it is no good. Without one: the set-up is no good.
        pytest.param(close_error(1007, ""), None, True, True, FRESH, id="1007-handle"),
        pytest.param(close_error(1008, ""), None, True, True, FRESH, id="1008-handle"),
        pytest.param(close_error(1007, ""), None, False, False, None, id="1007-setup"),
        pytest.param(close_error(1008, ""), None, False, False, None, id="1008-setup"),
        # No answer, or none that speaks of the handle.
        pytest.param(NETWORK, None, True, True, RESUME, id="network-handle"),
        pytest.param(NETWORK, None, False, False, FRESH, id="network"),
        pytest.param(DOWN, None, True, True, RESUME, id="503-handle"),
        pytest.param(close_error(1011, ""), None, True, True, RESUME, id="1011-handle"),
        pytest.param(close_error(1011, ""), None, False, False, FRESH, id="1011-setup"),
        pytest.param(THROTTLED, None, True, True, Attempt(1.0, resume=True), id="429"),
        # Nothing helps.
        pytest.param(DENIED, None, False, False, None, id="403"),
        # The quota may be there again in a moment; a session that was served is served again.
        pytest.param(
            close_error(1011, "quota"), 30.0, True, True, Attempt(1.0, resume=True), id="quota"
        ),
        pytest.param(close_error(1008, "api key"), 30.0, True, True, FRESH, id="key-in-a-call"),
        # Errors that allow one way only.
        pytest.param(AgentError("x", resumable=True), 30.0, False, False, FRESH, id="resume-only"),
        pytest.param(AgentError("x", fresh=True), 30.0, True, True, FRESH, id="fresh-only"),
    ],
)
def test_the_first_try_after_an_error(
    error: AgentError, lived_s: float | None, handle: bool, resumed: bool, attempt: Attempt | None
) -> None:
    found = Recovery().after(error, now=0.0, lived_s=lived_s, handle=handle, resumed=resumed)

    assert found == attempt


def outage(recovery: Recovery, error: AgentError, now: float = 0.0) -> list[float]:
    """Let every try fail at once; return when they were made, from the loss on."""
    tries: list[float] = []
    at = now
    while (
        again := recovery.after(error, now=at, lived_s=None, handle=True, resumed=True)
    ) is not None:
        at += again.delay_s
        tries.append(at - now)
        assert len(tries) < 100
    return tries


def test_tries_are_spread_over_the_time_a_caller_waits() -> None:
    tries = outage(Recovery(), NETWORK)

    assert tries[:5] == [0.0, 0.25, 0.75, 1.75, 3.75]
    assert WAIT_S - BACKOFF_S[-1] < tries[-1] <= WAIT_S
    assert max(b - a for a, b in pairwise(tries)) == BACKOFF_S[-1]


def test_a_used_up_quota_is_waited_out() -> None:
    tries = outage(Recovery(), THROTTLED)

    assert tries[:4] == [1.0, 3.0, 7.0, 11.0]
    assert tries[-1] > WAIT_S - THROTTLED_S[-1]


@pytest.mark.parametrize("useful", ["it spoke", "it was stable"])
def test_each_outage_has_its_own_time(useful: str) -> None:
    recovery = Recovery()
    first = outage(recovery, NETWORK)
    if useful == "it spoke":
        recovery.of_use()
        lived_s = 4.0
    else:
        lived_s = 10.0
    again = recovery.after(NETWORK, now=100.0, lived_s=lived_s, handle=True, resumed=False)

    assert again == RESUME
    assert outage(recovery, NETWORK, 100.0) == pytest.approx(first[1:], abs=0.01)


def test_a_link_that_keeps_dying_and_never_serves_is_given_up() -> None:
    recovery, at = Recovery(), 0.0
    while recovery.after(NETWORK, now=at, lived_s=4.0, handle=True, resumed=True) is not None:
        at += 4.0
        assert at < 100.0

    assert WAIT_S <= at <= WAIT_S + 8.0


def test_one_refusal_of_a_set_up_that_was_accepted_before_is_not_final() -> None:
    recovery = Recovery()
    refusal = close_error(1007, "invalid argument", opening=True)

    assert recovery.after(NETWORK, now=0.0, lived_s=30.0, handle=False, resumed=False) == FRESH
    again = recovery.after(refusal, now=0.5, lived_s=None, handle=False, resumed=False)

    assert again is not None
    assert not again.resume


def test_a_refused_handle_costs_the_fresh_session_no_time() -> None:
    recovery = Recovery()
    for at in (0.0, 2.0, 6.0):
        recovery.after(DOWN, now=at, lived_s=None, handle=True, resumed=True)
    refusal = close_error(1008, "session not found", opening=True)

    assert recovery.after(refusal, now=8.0, lived_s=None, handle=True, resumed=True) == FRESH


def test_a_handle_whose_session_dies_again_at_once_is_given_up() -> None:
    recovery = Recovery()
    first = recovery.after(DOWN, now=0.0, lived_s=1.0, handle=True, resumed=True)
    second = recovery.after(DOWN, now=1.0, lived_s=1.0, handle=True, resumed=True)

    assert first is not None
    assert second is not None
    assert (first.resume, second.resume) == (True, False)


def test_a_first_session_that_dies_soon_says_nothing_of_its_handle() -> None:
    recovery, again = Recovery(), None
    for at in (0.0, 1.0, 2.0):
        again = recovery.after(NETWORK, now=at, lived_s=1.0, handle=True, resumed=False)

    assert again is not None
    assert again.resume


def test_a_link_without_a_word_says_nothing_of_the_handle() -> None:
    recovery, again = Recovery(), None
    for at in (0.0, 1.0, 2.0):
        again = recovery.after(NETWORK, now=at, lived_s=None, handle=True, resumed=True)

    assert again is not None
    assert again.resume
