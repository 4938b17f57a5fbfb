"""What Exotel tells of calls and messages of ours."""

import pytest

from fwai.domain.call import CallState
from unit.adapters.exotel.kit import KNOWN, OUTGOING, Exotel
from unit.adapters.handler_kit import OURS

# ---- calls of ours ------------------------------------------------------------------------------


def named(**fields: str) -> dict[str, str]:
    return {"call": OURS, "CallSid": "c1", **fields}


async def test_ringing_is_told_with_both_ids() -> None:
    exotel = Exotel()

    for _ in range(2):
        await exotel.send("status", named(EventType="ringing", Status="in-progress"))

    assert exotel.calls.rang == [(OURS, "c1")] * 2
    assert exotel.calls.endings == []


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("completed", CallState.COMPLETED),
        ("busy", CallState.BUSY),
        ("no-answer", CallState.NO_ANSWER),
        ("failed", CallState.FAILED),
        ("canceled", CallState.CANCELED),
    ],
)
@pytest.mark.parametrize("sid", ["c1", ""])
async def test_the_url_says_whose_end_it_is(status: str, state: CallState, sid: str) -> None:
    exotel = Exotel()

    await exotel.send("status", named(EventType="terminal", Status=status, CallSid=sid))

    assert exotel.calls.endings == [("exotel", sid, state, status)]
    assert exotel.calls.ended_for == [OURS]


async def test_an_end_whose_url_names_nothing_is_known_by_its_sid() -> None:
    exotel = Exotel(placed="c1")

    await exotel.send("status", {"CallSid": "c1", "Status": "busy"})
    await exotel.send("status", {"CallSid": "c2", "Status": "busy"})

    assert exotel.calls.ended_for == [OURS, ""]


async def test_that_somebody_answered_is_no_news_yet() -> None:
    """The stream says it better."""
    exotel = Exotel()

    await exotel.send("status", named(EventType="answered", Status="in-progress"))

    assert exotel.calls.untouched


async def test_a_flow_that_carries_a_call_of_ours_offers_that_call() -> None:
    exotel = Exotel(placed="c1", answer=KNOWN)

    await exotel.send("voicebot", OUTGOING)

    assert [offer.call_id for offer in exotel.calls.offers] == [OURS]


# ---- messages -----------------------------------------------------------------------------------

DELIVERED = {"SmsSid": "m1", "Status": "sent", "DetailedStatus": "DELIVERED_TO_HANDSET"}
FAILED = {"SmsSid": "m1", "Status": "failed", "DetailedStatus": "FAILED_EXPIRED"}


@pytest.mark.parametrize(
    ("fields", "report"),
    [
        ({**DELIVERED, "DetailedStatusCode": "20005"}, ("DELIVERED_TO_HANDSET", "job-7", "")),
        ({**FAILED, "DetailedStatusCode": "21010"}, ("FAILED_EXPIRED", "job-7", "21010")),
        (FAILED, ("FAILED_EXPIRED", "job-7", "FAILED_EXPIRED")),
        (
            {**FAILED, "DetailedStatus": "PENDING_SOMEHOW", "DetailedStatusCode": "21099"},
            ("failed", "job-7", "21099"),
        ),
        ({**FAILED, "DetailedStatus": "PENDING"}, ("failed", "job-7", "PENDING")),
        (
            {**FAILED, "DetailedStatus": "DELIVERED_TO_OPERATOR"},
            ("failed", "job-7", "DELIVERED_TO_OPERATOR"),
        ),
        ({"SmsSid": "m1", "Status": "failed_dnd"}, ("failed_dnd", "job-7", "failed_dnd")),
        ({"SmsSid": "m1", "Status": "queued", "CustomField": "x"}, ("queued", "job-7", "")),
    ],
)
@pytest.mark.parametrize("path", ["sms-status", "status"])
async def test_a_delivery_report_is_passed_on(
    fields: dict[str, str], report: tuple[str, str, str], path: str
) -> None:
    exotel = Exotel()

    await exotel.send(path, {**fields, "job": "job-7"})

    assert exotel.reports.heard == [("exotel", "m1", *report)]
    assert exotel.calls.untouched


async def test_the_custom_field_stands_in_for_a_url_that_names_no_job() -> None:
    exotel = Exotel()

    await exotel.send("sms-status", {**DELIVERED, "CustomField": "job-8"}, method="POST")

    assert exotel.reports.heard[0][3] == "job-8"


async def test_a_report_that_is_not_kept_yet_may_come_again() -> None:
    exotel = Exotel()
    exotel.reports.sick = True

    assert (await exotel.send("sms-status", DELIVERED)).status_code == 503
    assert (await exotel.send("status", DELIVERED)).status_code == 503
    exotel.reports.sick = False
    assert (await exotel.send("sms-status", DELIVERED)).status_code == 200


@pytest.mark.parametrize("fields", [{}, {"SmsSid": "m1"}, {"Status": "sent"}])
async def test_what_is_no_report_is_not_passed_on(fields: dict[str, str]) -> None:
    exotel = Exotel()

    assert (await exotel.send("sms-status", fields)).status_code == 200
    assert exotel.reports.heard == []
