import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.job import (
    FIRST_GAP_S,
    JITTER,
    LONGEST_GAP_S,
    MAX_ATTEMPTS,
    JobState,
    action_key,
    retry_delay_s,
)


def test_only_waiting_and_running_jobs_go_on() -> None:
    assert {state for state in JobState if not state.final} == {
        JobState.WAITING,
        JobState.RUNNING,
    }


def test_the_gap_grows_to_its_longest() -> None:
    gaps = [retry_delay_s(attempt, 0.5) for attempt in range(1, MAX_ATTEMPTS + 1)]

    assert gaps[:3] == [FIRST_GAP_S, FIRST_GAP_S * 4, FIRST_GAP_S * 16]
    assert gaps == sorted(gaps)
    assert gaps[-1] == LONGEST_GAP_S


@given(attempt=st.integers(1, 500), jitter=st.floats(0.0, 0.999))
def test_the_gap_is_spread_by_a_fifth_either_way(attempt: int, jitter: float) -> None:
    middle = retry_delay_s(attempt, 0.5)

    assert middle * (1 - JITTER) <= retry_delay_s(attempt, jitter) <= middle * (1 + JITTER)


def test_the_same_action_has_the_same_key_whatever_the_order_of_its_arguments() -> None:
    one = action_key(
        "c-1", "send_sms", {"text": "नमस्ते", "to": "caller", "nested": {"b": 1, "a": 2}}
    )
    two = action_key(
        "c-1", "send_sms", {"nested": {"a": 2, "b": 1}, "to": "caller", "text": "नमस्ते"}
    )

    assert one == two
    assert one.startswith("send_sms:c-1:")
    assert len(one) <= 160


@pytest.mark.parametrize(
    "other",
    [
        action_key("c-2", "send_sms", {"text": "a"}),
        action_key("c-1", "send_email", {"text": "a"}),
        action_key("c-1", "send_sms", {"text": "b"}),
        action_key("c-1", "send_sms", {"text": "a", "more": None}),
        action_key("c-1", "send_sms", {"text": 1}),
        action_key("c-1", "send_sms", {"text": "1"}),
    ],
)
def test_another_action_has_another_key(other: str) -> None:
    assert action_key("c-1", "send_sms", {"text": "a"}) != other
    assert action_key("c-1", "send_sms", {"text": 1}) != action_key(
        "c-1", "send_sms", {"text": "1"}
    )


def test_what_was_said_cannot_be_read_from_a_key() -> None:
    assert "99999" not in action_key("c-1", "send_sms", {"to": "+919999900001"})


def test_any_text_makes_a_key() -> None:
    assert action_key("c-1", "send_sms", {"text": "\ud83d alone"})
