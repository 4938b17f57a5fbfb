"""Fates are used up in order, by number, and know how long it rings."""

import math

import pytest

from fwai.simulator.common.caller import HangUp
from fwai.simulator.common.fate import (
    DEFAULT_SCRIPT,
    MACHINE_SCRIPT,
    Fate,
    Fates,
    MessageFate,
    Refusal,
)
from fwai.simulator.common.rest import ApiAnswer

BUSY, GONE = Fate(outcome="busy"), Fate(outcome="no_answer")
REFUSALS: dict[Refusal, ApiAnswer] = {"no_credit": ApiAnswer(402, "no")}
LOST = ApiAnswer(500, "lost")


def test_the_last_fate_stays() -> None:
    fates: Fates[Fate] = Fates()
    fates.set("+919999900001", BUSY, GONE)

    assert [fates.next("09999900001") for _ in range(3)] == [BUSY, GONE, GONE]


def test_a_number_may_have_none_and_lose_its_own() -> None:
    fates: Fates[Fate] = Fates()
    fates.set("1", BUSY)
    fates.set("1")

    assert (fates.next("1"), fates.peek("2"), fates.next("")) == (None, None, None)


def test_numbers_are_forgotten_when_there_are_too_many() -> None:
    fates: Fates[Fate] = Fates()
    for number in range(1001):
        fates.set(str(number), BUSY)

    assert fates.peek("0") is None
    assert fates.peek("1000") is BUSY


def test_a_refusal_uses_the_fate_up_and_a_loss_leaves_that_to_the_request() -> None:
    fates: Fates[MessageFate] = Fates()
    fates.set("1", MessageFate(refused="no_credit"), MessageFate(lost="hang"), MessageFate())

    refused, lost, again = (fates.fault("1", REFUSALS, LOST) for _ in range(3))

    assert refused is not None
    assert lost is not None
    assert again is not None
    assert (refused.status, refused.carried_out) == (402, False)
    assert (lost.status, lost.carried_out, lost.hang_s) == (500, True, 60.0)
    assert fates.next("1") == MessageFate(lost="hang")
    assert fates.fault("1", REFUSALS, LOST) is None
    assert fates.fault("2", REFUSALS, LOST) is None


@pytest.mark.parametrize(
    ("fate", "ring_s", "timed_out"),
    [
        (Fate(), 0.2, False),
        (Fate(ring_s=2), 2, False),
        (Fate(ring_s=50), 3, True),
        (GONE, 3, True),
        (Fate(outcome="no_answer", ring_s=1), 1, False),
        (Fate(ring_s=0), 0, False),
    ],
)
def test_how_long_it_rings(fate: Fate, ring_s: float, timed_out: bool) -> None:
    found_s, found = fate.ringing(30, scale=10)

    assert math.isclose(found_s, ring_s)
    assert found is timed_out


def test_whoever_answers_has_a_script() -> None:
    assert Fate().steps is DEFAULT_SCRIPT
    assert Fate(outcome="machine").steps is MACHINE_SCRIPT
    assert Fate(script=[HangUp()]).steps == [HangUp()]
    assert [BUSY.is_answered, Fate(outcome="machine").is_answered] == [False, True]
