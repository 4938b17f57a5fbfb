import itertools

from fwai.domain.call import FINAL_STATES, CallState
from tables import each_row

STEPS = ["queued", "scheduled", "dialing", "ringing", "in_progress"]
ENDINGS = ["completed", "no_answer", "busy", "failed", "canceled", "rejected"]


def test_the_states_are_those_of_the_contract() -> None:
    assert [state.value for state in CallState] == [*STEPS, *ENDINGS]
    assert {state.value for state in FINAL_STATES} == set(ENDINGS)


@each_row(("old", "new"), list(itertools.product(ENDINGS, [*STEPS, *ENDINGS])))
def test_a_final_state_never_changes(old: str, new: str) -> None:
    assert CallState(old).final
    assert not CallState(old).may_become(CallState(new))


@each_row(("old", "new"), list(itertools.product(STEPS, STEPS)))
def test_a_call_only_moves_forward(old: str, new: str) -> None:
    forward = STEPS.index(new) > STEPS.index(old)

    assert CallState(old).may_become(CallState(new)) is forward


@each_row(("old", "new"), list(itertools.product(STEPS, ENDINGS)))
def test_a_call_may_end_at_any_time(old: str, new: str) -> None:
    assert not CallState(old).final
    assert CallState(old).may_become(CallState(new))
