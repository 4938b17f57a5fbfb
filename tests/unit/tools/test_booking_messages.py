"""What is taken back when a demo is canceled, and texts in registered wordings.

What else goes out with a demo: see ``test_book_demo``.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest

from fakes import CALL
from fwai.domain.booking import Booking, BookingState
from fwai.domain.job import NewJob
from fwai.domain.phone import CountryAllowList
from fwai.domain.sms_template import SmsTemplate, parse_sms_templates
from fwai.templates import email_templates
from fwai.tools.booking_messages import BookingMessages
from unit.tools.kit import INDIA, NOW, PHONE, Announced

BOOKING = Booking(
    "bk_1",
    PHONE,
    "Asha",
    "Data course",
    NOW,
    30,
    "asha@example.com",
    CALL.id,
    BookingState.BOOKED,
    NOW,
)
MAILED = "booking:bk_1:send_email"


def messages(channels: Collection[str] = ("send_email", "send_sms")) -> BookingMessages:
    return BookingMessages(Announced(), INDIA, "Acme Academy", channels)


def test_every_letter_can_be_taken_back_by_its_key() -> None:
    sent: list[NewJob] = []
    for channel in ("send_email", "send_sms", "send_whatsapp"):
        sent += messages([channel]).jobs(BOOKING, CALL)

    keys = {job.key for job in sent if job.kind != "event"}
    assert keys == set(messages(()).keys(BOOKING))
    assert len(keys) == 3


def test_an_invitation_is_revoked_where_it_went() -> None:
    (invited,) = (job for job in messages().jobs(BOOKING, CALL) if job.kind == "send_email")

    (off,) = messages().canceled(BOOKING, {MAILED})

    assert (off.kind, off.call_id, off.phone) == ("send_email", CALL.id, PHONE)
    assert off.key not in messages().keys(BOOKING)
    assert off.payload["to"] == invited.payload["to"]
    before, now = invited.payload["invitation"], off.payload["invitation"]
    assert now == before | {"cancelled": True, "sequence": 1}
    values = off.payload["values"] | {"business": "Acme Academy"}
    mail = email_templates.render_email(off.payload["template"], values)
    assert mail.subject.startswith("Canceled: your demo of Data course")


@pytest.mark.parametrize(
    ("channels", "sent"),
    [
        (("send_email", "send_sms"), ()),
        (("send_email", "send_sms"), ("booking:bk_1:send_sms",)),
        (("send_sms",), (MAILED,)),
    ],
)
def test_without_an_invitation_nothing_is_revoked(
    channels: Collection[str], sent: Collection[str]
) -> None:
    assert messages(channels).canceled(BOOKING, sent) == []


# ---- texts in registered wordings ---------------------------------------------------------------

ID = "1107160000000000001"
DUBAI = "+971500000001"
ASHA = "\u0906\u0936\u093e"
CONFIRMED = {
    "text": "Dear {#var#}, your demo of {#var#} is on {#var#}. {#var#}",
    "variables": ["name", "topic", "when", "business"],
    "template_id": ID,
}
FREE = "Acme Academy: your demo of Data course is booked for"


def templates(**raw: object) -> Mapping[str, SmsTemplate]:
    found, problems = parse_sms_templates(raw, "here")
    assert problems == []
    return found


OTHER_ONE = templates(details={"text": "Hello {#var#}"})
WITH_ONE = templates(booking_confirmed=CONFIRMED)
IN_HINDI = templates(booking_confirmed={"text": f"{ASHA} {{#var#}}", "variables": ["name"]})


def texts(
    booking: Booking,
    known: Mapping[str, SmsTemplate],
    channels: Collection[str] = ("send_sms",),
    *,
    in_call: bool = True,
) -> list[Mapping[str, Any]]:
    """Return what goes to a person's number, and check that it is what is told of it."""
    made = BookingMessages(
        Announced(),
        INDIA,
        "Acme Academy",
        channels,
        CountryAllowList(),
        {CALL.agent if in_call else "": known} if known else {},
    )
    call = CALL if in_call else None
    sent = [job for job in made.jobs(booking, call) if job.kind in ("send_sms", "send_whatsapp")]
    told = {"send_sms": "a text message", "send_whatsapp": "a WhatsApp message"}
    assert made.describe(booking, call) == [told[job.kind] for job in sent]
    return [{"kind": job.kind} | dict(job.payload) for job in sent]


@pytest.mark.parametrize("in_call", [True, False])
@pytest.mark.parametrize(
    ("changes", "known", "text", "dlt"),
    [
        ({}, {}, f"{FREE} Sunday 22 November 2026, 12:00 PM (IST).", None),
        (
            {},
            WITH_ONE,
            "Dear Asha, your demo of Data course is on Sun 22 Nov 2026, 12:00 PM. Acme Academy",
            {"template_id": ID},
        ),
        (
            {
                "name": "Asha Lakshmi Venkataraman Subramanian",
                "interest": "Data\n science & AI for all",
            },
            WITH_ONE,
            (
                "Dear Asha Lakshmi Venkataraman, your demo of Data science & AI for all is on "
                "Sun 22 Nov 2026, 12:00 PM. Acme Academy"
            ),
            {"template_id": ID},
        ),
        ({"name": ASHA}, IN_HINDI, f"{ASHA} {ASHA}", None),
        ({"phone": DUBAI}, WITH_ONE, f"{FREE} Sunday 22 November 2026, 12:00 PM (IST).", None),
        ({"phone": DUBAI}, OTHER_ONE, f"{FREE} Sunday 22 November 2026, 12:00 PM (IST).", None),
    ],
)
def test_a_confirmation_is_worded_as_it_was_registered(
    changes: dict[str, Any],
    known: Mapping[str, SmsTemplate],
    text: str,
    dlt: object,
    in_call: bool,
) -> None:
    (sent,) = texts(replace(BOOKING, email="", **changes), known, in_call=in_call)

    assert sent["text"] == text
    assert sent.get("dlt") == dlt


@pytest.mark.parametrize(
    ("changes", "known"),
    [({}, OTHER_ONE), ({"name": ASHA}, WITH_ONE), ({"name": "\U0001f600"}, WITH_ONE)],
)
@pytest.mark.parametrize("channels", [["send_sms"], ["send_sms", "send_whatsapp"]])
def test_where_no_wording_fits_nothing_is_texted_and_whatsapp_stands_in(
    changes: dict[str, Any], known: Mapping[str, SmsTemplate], channels: list[str]
) -> None:
    """It would never arrive, and the agent would have said that it was sent."""
    sent = texts(replace(BOOKING, email="", **changes), known, channels)

    assert [one["kind"] for one in sent] == channels[1:]


def test_an_agent_without_templates_is_not_held_to_those_of_another() -> None:
    made = BookingMessages(
        Announced(), INDIA, "Acme Academy", ["send_sms"], sms_templates={"Other": WITH_ONE}
    )

    (job,) = (job for job in made.jobs(BOOKING, CALL) if job.kind == "send_sms")

    assert job.payload["text"].startswith(FREE)
