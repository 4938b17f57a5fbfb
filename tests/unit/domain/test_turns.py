import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.turns import SilencePolicy, SilenceStep, TurnTimes

NOTHING, NUDGE, GOODBYE = SilenceStep.NOTHING, SilenceStep.NUDGE, SilenceStep.GOODBYE


def test_latency_runs_from_the_callers_last_word_to_the_first_sound_sent() -> None:
    assert TurnTimes(caller_stopped=10.0, model_audio=10.4, played=10.5).latency_ms == 500.0


@pytest.mark.parametrize(
    "turn", [TurnTimes(), TurnTimes(caller_stopped=1.0), TurnTimes(asked=1.0, played=2.0)]
)
def test_what_was_not_measured_has_no_latency(turn: TurnTimes) -> None:
    assert turn.latency_ms is None


def test_silence_brings_nudges_and_then_a_goodbye() -> None:
    policy = SilencePolicy(quiet_s=20.0, nudges=2)

    steps = {second: policy.step(float(second)) for second in range(70)}

    said = {second: step for second, step in steps.items() if step is not NOTHING}
    assert said == {20: NUDGE, 40: NUDGE, 60: GOODBYE}


def test_a_word_of_the_caller_starts_it_over() -> None:
    policy = SilencePolicy(quiet_s=20.0, nudges=1)
    policy.step(20.0)

    policy.caller_spoke(25.0)

    assert [policy.step(now) for now in (44.0, 45.0, 65.0)] == [NOTHING, NUDGE, GOODBYE]


def test_the_agent_being_busy_only_delays_it() -> None:
    policy = SilencePolicy(quiet_s=20.0, nudges=1)
    policy.step(20.0)

    policy.agent_busy(30.0)

    assert [policy.step(now) for now in (49.0, 50.0)] == [NOTHING, GOODBYE]


def test_no_nudges_means_a_goodbye_at_once() -> None:
    assert SilencePolicy(quiet_s=5.0, nudges=0).step(5.0) is GOODBYE


@given(gaps=st.lists(st.floats(0.0, 30.0), max_size=60), nudges=st.integers(0, 3))
def test_nudges_are_counted_and_quiet_is_waited_for(gaps: list[float], nudges: int) -> None:
    policy, now, last = SilencePolicy(quiet_s=20.0, nudges=nudges), 0.0, 0.0
    said: list[SilenceStep] = []
    for gap in gaps:
        now += gap
        step = policy.step(now)
        if step is not NOTHING:
            assert now - last >= 20.0
            last = now
            said.append(step)

    assert said[:nudges] == [NUDGE] * len(said[:nudges])
    assert set(said[nudges:]) <= {GOODBYE}
