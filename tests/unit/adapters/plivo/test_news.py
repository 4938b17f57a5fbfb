"""What Plivo tells of calls and messages of ours, and whom it connects to a human."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from fwai.adapters.plivo.webhook import EMPTY_XML
from fwai.domain.call import CallState, Direction
from fwai.simulator.plivo.signature import PlivoSigner
from unit.adapters.handler_kit import OURS, FakeCalls
from unit.adapters.plivo.kit import CALL, HANG_UP, HOOKS, INBOUND, PUBLIC_URL, Line

# ---- calls of ours ------------------------------------------------------------------------------

OUTBOUND = {**INBOUND, "From": "918888800000", "To": "919999900001", "Direction": "outbound"}
OUR_CALL = f"call={OURS}"
OTHER_CALL = "b7c9d013-2e5a-4f6a-8c1d-0a9e8d7c6b5f"


async def test_the_answer_of_a_call_of_ours_names_it() -> None:
    calls = FakeCalls()

    await Line(calls).send("answer", {**OUTBOUND, "CallStatus": "in-progress"}, query=OUR_CALL)

    (offer,) = calls.offers
    assert (offer.call_id, offer.direction) == (OURS, Direction.OUTBOUND)
    assert (offer.caller, offer.line) == ("+919999900001", "+918888800000")


async def test_ringing_is_told_with_both_ids_and_as_often_as_it_comes() -> None:
    calls = FakeCalls()

    for _ in range(2):
        await Line(calls).send("ring", OUTBOUND, query=OUR_CALL)

    assert calls.rang == [(OURS, CALL)] * 2


async def test_the_ringing_of_no_call_of_ours_is_nobodys_news() -> None:
    calls = FakeCalls()

    assert (await Line(calls).send("ring", OUTBOUND)).status_code == 200
    assert calls.untouched


@pytest.mark.parametrize("path", ["answer", "hangup"])
async def test_the_url_says_whose_end_it_is_whatever_ids_plivo_uses(path: str) -> None:
    calls = FakeCalls()
    form = {**OUTBOUND, "CallStatus": "busy", "CallUUID": OTHER_CALL, "RequestUUID": "r-1"}
    form |= {"HangupCauseName": "Rejected", "HangupCauseCode": "3020", "call": "not-this-one"}

    await Line(calls).send(path, form, query=OUR_CALL)

    assert calls.endings == [("plivo", OTHER_CALL, CallState.REJECTED, "Rejected")]
    assert calls.ended_for == [OURS]


async def test_a_call_named_by_nobody_but_the_form_is_not_ours() -> None:
    """Who forges a query forges the signature, too."""
    calls = FakeCalls()
    line = Line(calls)
    headers = line.signer.voice("POST", f"{PUBLIC_URL}/plivo/hangup?call=other", HANG_UP)

    response = await line.send("hangup", HANG_UP, query=OUR_CALL, headers=headers)

    assert response.status_code == 403
    assert calls.untouched


async def test_the_end_may_come_before_the_ringing() -> None:
    calls = FakeCalls()

    await Line(calls).send("hangup", HANG_UP, query=OUR_CALL)
    await Line(calls).send("ring", OUTBOUND, query=OUR_CALL)

    assert (calls.ended_for, calls.rang) == ([OURS], [(OURS, CALL)])


@pytest.mark.parametrize(("machine", "told"), [("true", 1), (None, 1), ("false", 0)])
async def test_a_machine_is_told_of(machine: str | None, told: int) -> None:
    calls = FakeCalls()
    form = {**OUTBOUND, "Event": "MachineDetection"}

    await Line(calls).send(
        "machine", form if machine is None else {**form, "Machine": machine}, query=OUR_CALL
    )

    assert calls.machines == [("plivo", CALL)] * told


# ---- a human takes over -------------------------------------------------------------------------


async def test_a_transferred_call_is_connected_to_the_human() -> None:
    hooks = replace(HOOKS, human="+919999900009", line="+918888800000")
    form = {**INBOUND, "CallStatus": "in-progress", "Event": "Redirect"}

    response = await Line(FakeCalls(), hooks).send("transfer", form)

    assert response.headers["Content-Type"].startswith("application/xml")
    dial = ET.fromstring(response.text).find("Dial")  # noqa: S314 - our own
    assert dial is not None
    assert dial.attrib == {"callerId": "918888800000"}
    assert dial.findtext("Number") == "919999900009"


@pytest.mark.parametrize("human", ["", "+919999900009"])
async def test_nobody_is_dialled_without_a_human_or_for_a_call_that_is_over(human: str) -> None:
    hooks = replace(HOOKS, human=human, line="+918888800000")

    response = await Line(FakeCalls(), hooks).send("transfer", HANG_UP if human else INBOUND)

    assert (response.status_code, response.text) == (200, EMPTY_XML)


# ---- messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "told"), [("", ""), ("000", ""), ("450", "450"), ("9" * 30, "9" * 20)]
)
async def test_a_delivery_report_is_passed_on(error: str, told: str) -> None:
    line = Line(FakeCalls())
    form = {"MessageUUID": "m-1", "Status": "undelivered", "ErrorCode": error}

    await line.send("message-status", form, query="job=job-7")

    assert line.reports.heard == [("plivo", "m-1", "undelivered", "job-7", told)]


async def test_a_report_without_a_reference_is_passed_on_and_one_without_a_message_is_not() -> None:
    line = Line(FakeCalls())

    await line.send("message-status", {"MessageUUID": "m-1", "Status": "sent"})
    await line.send("message-status", {"Status": "sent"})
    await line.send("message-status", {"MessageUUID": "m-1"})

    assert line.reports.heard == [("plivo", "m-1", "sent", "", "")]


async def test_a_report_that_is_not_kept_yet_may_come_again() -> None:
    line = Line(FakeCalls())
    line.reports.sick = True

    response = await line.send("message-status", {"MessageUUID": "m-1", "Status": "sent"})

    assert response.status_code == 503
    line.reports.sick = False
    again = await line.send("message-status", {"MessageUUID": "m-1", "Status": "sent"})
    assert again.status_code == 200


async def test_a_forged_report_is_not_heard() -> None:
    line = Line(FakeCalls(), signer=PlivoSigner("a-guess"))

    response = await line.send("message-status", {"MessageUUID": "m-1", "Status": "sent"})

    assert response.status_code == 403
    assert line.reports.heard == []
