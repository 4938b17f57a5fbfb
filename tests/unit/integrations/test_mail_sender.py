"""A job becomes one mail, with an invitation where there is an appointment."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from icalendar import Calendar

from fwai.domain.job import Job, JobState
from fwai.errors import ApiError
from fwai.integrations.mail_sender import MailSender
from fwai.integrations.smtp import Mail, Mailer, SmtpOptions

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MESSAGE = {
    "to": "asha@example.com",
    "template": "message",
    "values": {"subject": "Fees", "body": "One."},
}
DEMO = {
    "to": "asha@example.com",
    "template": "demo_booked",
    "values": {"name": "Asha", "when": "Monday, 5:00 PM", "topic": "Data course"},
    "invitation": {
        "uid": "bk_1",
        "starts_at": "2026-11-23T17:00:00+05:30",
        "minutes": 30,
        "summary": "Acme Academy: demo",
        "description": "For Asha",
    },
}


class Post(Mailer):
    """The real mailer, without a server."""

    def __init__(self, error: ApiError | None = None) -> None:
        super().__init__(SmtpOptions("mail.example.com", sender="desk@example.com"))
        self.error = error
        self.sent: list[Mail] = []

    async def send(self, mail: Mail) -> str:
        if self.error is not None:
            raise self.error
        self.sent.append(mail)
        return mail.message_id


def job(payload: Mapping[str, Any]) -> Job:
    return Job("job_7", "send_email", "k", payload, JobState.RUNNING, NOW, 1, NOW)


def desk(post: Post) -> MailSender:
    return MailSender(post, "Acme Academy", "sales@example.com")


async def test_a_job_becomes_a_mail_from_a_template() -> None:
    post = Post()

    ref = await desk(post).send(job(MESSAGE))

    (mail,) = post.sent
    assert ref == mail.message_id == "<job_7@example.com>"
    assert (mail.to, mail.subject) == ("asha@example.com", "Fees")
    assert mail.text.startswith("One.")
    assert "Acme Academy" in mail.text
    assert "One." in mail.html
    assert mail.attachments == ()


async def test_each_attempt_is_the_same_message() -> None:
    post = Post()

    refs = [await desk(post).send(replace(job(MESSAGE), attempts=number)) for number in (1, 2)]

    assert refs[0] == refs[1]


async def test_an_appointment_goes_along_as_an_invitation() -> None:
    post = Post()

    await desk(post).send(job(DEMO))

    ((invitation,),) = [mail.attachments for mail in post.sent]
    assert invitation.filename == "invitation.ics"
    assert invitation.content_type == "text/calendar; method=REQUEST"
    (event,) = Calendar.from_ical(invitation.content).walk("VEVENT")
    assert event["uid"] == "bk_1@example.com"
    assert event.decoded("dtstart") == datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
    assert event.decoded("dtend") == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert event["summary"] == "Acme Academy: demo"
    assert event["organizer"] == "mailto:sales@example.com"
    assert event["attendee"] == "mailto:asha@example.com"


async def test_an_id_that_is_whole_already_stays() -> None:
    post = Post()
    invitation = {**DEMO["invitation"], "uid": "bk_1@example.org"}  # type: ignore[dict-item]

    await desk(post).send(job({**DEMO, "invitation": invitation}))

    assert b"UID:bk_1@example.org" in post.sent[0].attachments[0].content


async def test_a_demo_that_is_off_revokes_its_invitation() -> None:
    post = Post()
    off = {**DEMO["invitation"], "cancelled": True, "sequence": 1}  # type: ignore[dict-item]
    await desk(post).send(job(DEMO))

    await desk(post).send(job({**DEMO, "template": "demo_canceled", "invitation": off}))

    first, second = (mail.attachments[0] for mail in post.sent)
    assert second.content_type == "text/calendar; method=CANCEL"
    calendar = Calendar.from_ical(second.content)
    assert calendar["method"] == "CANCEL"
    (invited,) = Calendar.from_ical(first.content).walk("VEVENT")
    (event,) = calendar.walk("VEVENT")
    assert event["uid"] == invited["uid"]
    assert (invited["sequence"], event["sequence"]) == (0, 1)
    assert event["status"] == "CANCELLED"
    assert post.sent[1].subject == "Canceled: your demo of Data course, Monday, 5:00 PM"


def appointment(**wrong: object) -> Mapping[str, Any]:
    whole: Mapping[str, Any] = DEMO["invitation"]  # type: ignore[assignment]
    return {**DEMO, "invitation": {**whole, **wrong}}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {**MESSAGE, "values": None},
        {**MESSAGE, "values": {"subject": "Fees"}},
        {**MESSAGE, "template": "nonsense"},
        {**MESSAGE, "to": ""},
        {**MESSAGE, "to": "Asha <asha@example.com>"},
        {**MESSAGE, "values": {"subject": "a\nBcc: x@example.com", "body": "One."}},
        {**DEMO, "invitation": {"uid": "bk_1"}},
        appointment(starts_at="soon"),
        appointment(starts_at="2026-11-23T17:00:00"),
        appointment(starts_at=None),
        appointment(minutes=0),
        appointment(uid=7),
    ],
)
async def test_what_can_never_be_sent_is_a_value_error(payload: Mapping[str, Any]) -> None:
    post = Post()

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - each has its own words
        await desk(post).send(job(payload))

    assert "asha" not in str(caught.value)
    assert post.sent == []


async def test_what_the_server_says_is_passed_on() -> None:
    error = ApiError("smtp", "recipient refused (SMTP 550)", status=550)

    with pytest.raises(ApiError) as caught:
        await desk(Post(error)).send(job(MESSAGE))

    assert caught.value is error
