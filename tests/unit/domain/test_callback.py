from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fwai.domain.call import CallState
from fwai.domain.callback import Callback, CallbackPolicy, CallbackState
from fwai.domain.hours import CallingHours

NOW = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
POLICY = CallbackPolicy(attempts=3, gap_s=900.0, window_s=7200.0)
PROMISE = Callback(
    "cb_1", "+919999900001", "plivo", "FWAI_Core", NOW, "", CallbackState.CALLING, 1, "", "x", NOW
)


def test_a_promise_is_open_until_it_is_kept_or_given_up() -> None:
    assert {state for state in CallbackState if not state.final} == {
        CallbackState.SCHEDULED,
        CallbackState.CALLING,
    }


@pytest.mark.parametrize(
    ("late_s", "late"), [(-60, False), (0, False), (7200, False), (7201, True)]
)
def test_a_call_is_too_late_after_its_window(late_s: float, late: bool) -> None:
    until = POLICY.until(NOW, CallingHours.parse("09:00-21:00"), ZoneInfo("Asia/Kolkata"))

    assert (NOW + timedelta(seconds=late_s) > until) is late


@pytest.mark.parametrize(
    ("call", "state"),
    [(CallState.COMPLETED, CallbackState.DONE), (CallState.CANCELED, CallbackState.CANCELED)],
)
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_call_that_was_answered_or_called_off_ends_it(
    call: CallState, state: CallbackState, attempts: int
) -> None:
    assert POLICY.after(replace(PROMISE, attempts=attempts), call, NOW) == (state, None)


@pytest.mark.parametrize("call", [CallState.NO_ANSWER, CallState.BUSY, CallState.FAILED])
def test_who_was_not_reached_is_called_again_as_often_as_the_policy_says(call: CallState) -> None:
    again = (CallbackState.SCHEDULED, NOW + timedelta(seconds=900))

    assert POLICY.after(PROMISE, call, NOW) == again
    assert POLICY.after(replace(PROMISE, attempts=2), call, NOW) == again
    assert POLICY.after(replace(PROMISE, attempts=3), call, NOW) == (CallbackState.FAILED, None)


def test_a_policy_of_one_call_makes_one_call() -> None:
    policy = CallbackPolicy(attempts=1)

    assert policy.after(PROMISE, CallState.BUSY, NOW) == (CallbackState.FAILED, None)
