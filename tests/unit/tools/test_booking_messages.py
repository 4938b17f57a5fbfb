"""What is taken back when a demo is canceled; what goes out with one: see ``test_book_demo``."""

from collections.abc import Collection

import pytest

from fakes import CALL
from fwai.domain.booking import Booking, BookingState
from fwai.domain.job import NewJob
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
