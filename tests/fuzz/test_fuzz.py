"""A short share of what ``make fuzz`` does: the same messages every time, a few seconds in all."""

import pytest

from fuzz.corpus import HERE, found
from fuzz.judge import Limits, run
from fuzz.wires import WIRES

SEED = 20_261_129
MESSAGES = 600
# Those behind a whole server with its database, or with a certificate for each, cost more.
FEWER = dict.fromkeys(("sdp", "plivo-forms", "exotel-forms", "meta", "api"), 128)
# Counting coverage makes everything slower, and a short run hardly warms up: what `make fuzz` holds
# to milliseconds is here held to an order of magnitude.
LENIENT = Limits(stall_ms=1_000.0, growth_kb=64 * 1024)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", WIRES)
def test_hostile_messages_do_no_harm(name: str) -> None:
    verdict = run(WIRES[name](), FEWER.get(name, MESSAGES), SEED, LENIENT)

    assert verdict.faults == []
    # Nothing is learnt from messages that are all refused at the door, nor from good ones.
    assert verdict.accepted > verdict.messages / 20
    assert verdict.refused > verdict.messages / 100


def test_every_file_of_the_corpus_belongs_to_a_wire() -> None:
    names = {path.stem for path in HERE.glob("*.seeds")}

    assert names <= set(WIRES)
    assert all(found(name) for name in names)
