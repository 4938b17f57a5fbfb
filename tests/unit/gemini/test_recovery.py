"""What is tried after a Live connection was lost, as a table."""

import pytest

from fwai.errors import AgentError
from fwai.gemini.connection import close_error
from fwai.gemini.recovery import BACKOFF_S, MAX_TRIES, Attempt, Recovery

NETWORK = AgentError("x", resumable=True, fresh=True)
DENIED = AgentError("x", code=403)
THROTTLED = AgentError("x", code=429, resumable=True, fresh=True)
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
        pytest.param(close_error(1011, "quota"), 30.0, True, True, None, id="quota"),
        # Errors that allow one way only.
        pytest.param(AgentError("x", resumable=True), 30.0, False, False, None, id="resume-only"),
        pytest.param(AgentError("x", fresh=True), 30.0, True, True, FRESH, id="fresh-only"),
    ],
)
def test_the_first_try_after_an_error(
    error: AgentError, lived_s: float | None, handle: bool, resumed: bool, attempt: Attempt | None
) -> None:
    assert Recovery().after(error, lived_s=lived_s, handle=handle, resumed=resumed) == attempt


def test_pauses_grow_and_tries_end() -> None:
    recovery = Recovery()
    tries = [
        recovery.after(NETWORK, lived_s=None, handle=True, resumed=True)
        for _ in range(MAX_TRIES + 1)
    ]

    assert [attempt.delay_s for attempt in tries if attempt] == [*BACKOFF_S, BACKOFF_S[-1]]
    assert tries[-1] is None
    assert all(attempt.resume for attempt in tries if attempt)


def test_a_stable_link_earns_back_its_tries() -> None:
    recovery = Recovery()
    for _ in range(MAX_TRIES):
        recovery.after(NETWORK, lived_s=None, handle=True, resumed=True)

    assert recovery.after(NETWORK, lived_s=10.0, handle=True, resumed=True) == RESUME


def test_a_link_that_keeps_dying_at_once_is_given_up() -> None:
    recovery = Recovery()
    for _ in range(MAX_TRIES):
        recovery.after(NETWORK, lived_s=9.9, handle=True, resumed=True)

    assert recovery.after(NETWORK, lived_s=9.9, handle=True, resumed=True) is None


@pytest.mark.parametrize("lived_s", [3.0, None])
def test_a_handle_that_dies_twice_at_once_is_given_up(lived_s: float | None) -> None:
    recovery, error = Recovery(), close_error(1011, "")
    resumes = [
        attempt.resume
        for _ in range(3)
        if (attempt := recovery.after(error, lived_s=lived_s, handle=True, resumed=True))
    ]

    assert resumes == [True, False, False]


def test_fresh_sessions_that_die_say_nothing_about_a_handle() -> None:
    recovery, error = Recovery(), close_error(1011, "")
    resumes = [
        attempt.resume
        for _ in range(3)
        if (attempt := recovery.after(error, lived_s=3.0, handle=True, resumed=False))
    ]

    assert resumes == [True, True, True]


def test_a_stable_link_clears_the_name_of_its_handle() -> None:
    recovery, error = Recovery(), close_error(1011, "")
    recovery.after(error, lived_s=3.0, handle=True, resumed=True)
    recovery.after(error, lived_s=60.0, handle=True, resumed=True)

    attempt = recovery.after(error, lived_s=3.0, handle=True, resumed=True)

    assert attempt is not None
    assert attempt.resume


def test_too_many_requests_are_borne_once_between_stable_times() -> None:
    recovery = Recovery()
    first = recovery.after(THROTTLED, lived_s=None, handle=True, resumed=True)
    second = recovery.after(THROTTLED, lived_s=None, handle=True, resumed=True)
    recovery.after(close_error(1011, ""), lived_s=60.0, handle=True, resumed=True)
    later = recovery.after(THROTTLED, lived_s=None, handle=True, resumed=True)

    assert first == later == Attempt(1.0, resume=True)
    assert second is None
