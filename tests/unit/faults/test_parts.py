from dataclasses import replace

import pytest

from fwai.domain.call import Call, CallId, Direction
from fwai.domain.sentence import Fallback
from fwai.errors import AgentError
from fwai.faults.call import CallTrace, run_call
from fwai.faults.matrix import plans
from fwai.faults.parts import LabFallback, LabWatch
from fwai.faults.verdict import judge

CALL = Call(CallId("c"), "lab", Direction.INBOUND, "", "", "asha")


@pytest.mark.parametrize(
    ("human", "voicemail", "kind"),
    [
        (True, True, Fallback.TRANSFER),
        (False, True, Fallback.VOICEMAIL),
        (False, False, Fallback.APOLOGY),
    ],
)
async def test_the_fallback_counts_what_it_did(
    human: bool, voicemail: bool, kind: Fallback
) -> None:
    fallback = LabFallback(human, voicemail)

    assert fallback.kind(CALL) is kind
    assert await fallback.transfer(CALL) is human
    assert await fallback.keep_message(CALL, bytes(16_000), 8_000)
    assert (fallback.transfers, fallback.messages) == (1, [1.0])


def test_the_watch_keeps_no_call_from_trying() -> None:
    watch = LabWatch()
    watch.opened("m")
    watch.failed("m", AgentError("x", fault="quota"))

    assert watch.down("m") == ""
    assert watch.failures == ["quota"]


def test_what_went_wrong_around_a_call_is_told() -> None:
    (plan,) = plans("no fault: short")
    trace: CallTrace = run_call(plan)
    trace.caller.gave_up = True
    trace = replace(trace, broke="KeyError('x')", tasks_left=("tool:x",))

    assert judge(trace).problems == (
        "the caller gave up",
        "broke: KeyError('x')",
        "tasks left: tool:x",
    )
