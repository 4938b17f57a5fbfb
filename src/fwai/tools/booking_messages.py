"""Builds the jobs of a booking: invitation, confirmation, event and cancellation. No I/O."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from fwai.domain.booking import Booking
from fwai.domain.call import Call
from fwai.domain.call_event import DEMO_BOOKED
from fwai.domain.job import SEND_EMAIL, SEND_SMS, SEND_WHATSAPP, NewJob
from fwai.domain.outbound import EVERYWHERE
from fwai.domain.phone import CountryAllowList
from fwai.domain.sms_template import (
    BOOKING_CONFIRMED,
    SmsTemplate,
    SmsTemplateError,
    needs_template,
)
from fwai.templates.whatsapp_templates import TemplateError, render
from fwai.tools.message_jobs import Announce
from fwai.tools.times import format_short_time, format_time

TEMPLATE: Final = "demo_booked"
CANCELED_TEMPLATE: Final = "demo_canceled"
MAX_TOPIC: Final = 100
_WHATSAPP: Final = "whatsapp"
_DESCRIPTIONS: Final = {
    SEND_EMAIL: "an e-mail with the invitation",
    SEND_SMS: "a text message",
    SEND_WHATSAPP: "a WhatsApp message",
}


class BookingMessages:
    """Builds the message and event jobs of a booking; the same booking has the same job keys.

    Args:
        announce: Builds the event jobs.
        zone: Time zone of the times in messages.
        business: Name of the business that gives the demo.
        channels: Kinds of messages that are configured: `SEND_EMAIL`, `SEND_SMS`, `SEND_WHATSAPP`.
        reach: Where text messages may go; others get none.
        sms_templates: Registered wordings of text messages, by agent; by an empty one those of
            bookings that were made in no call. Who has any confirms to numbers in India with
            `BOOKING_CONFIRMED`, or with no text message.
    """

    def __init__(
        self,
        announce: Announce,
        zone: ZoneInfo,
        business: str,
        channels: Collection[str],
        reach: CountryAllowList = EVERYWHERE,
        sms_templates: Mapping[str, Mapping[str, SmsTemplate]] | None = None,
    ) -> None:
        self._announce = announce
        self._zone = zone
        self._business = business
        self._channels = channels
        self._reach = reach
        self._sms_templates = sms_templates or {}

    def jobs(
        self,
        booking: Booking,
        call: Call | None,
        confirmation: Mapping[str, str] | None = None,
    ) -> list[NewJob]:
        """Build all jobs of a new booking; ``confirmation`` is of its dictated address."""
        messages = [
            NewJob(
                kind,
                _key(booking, kind),
                self._payload(kind, booking, call),
                call_id=booking.call_id,
                phone=booking.phone,
                confirmation=confirmation if kind == SEND_EMAIL else None,
            )
            for kind in self._kinds(booking, call)
        ]
        return [*messages, *self._event_jobs(booking, call)]

    def keys(self, booking: Booking) -> list[str]:
        """Return the job keys of all messages that may confirm it."""
        return [_key(booking, kind) for kind in _DESCRIPTIONS]

    def canceled(self, booking: Booking, sent: Collection[str]) -> list[NewJob]:
        """Build the e-mail job that cancels the invitation, if that may have been sent."""
        key = _key(booking, SEND_EMAIL)
        if key not in sent or not booking.email or SEND_EMAIL not in self._channels:
            return []
        payload = self._mail(booking)
        del payload["values"]["duration"]
        payload["template"] = CANCELED_TEMPLATE
        payload["invitation"] |= {"cancelled": True, "sequence": 1}
        off = NewJob(
            SEND_EMAIL, f"{key}:canceled", payload, call_id=booking.call_id, phone=booking.phone
        )
        return [off]

    def describe(self, booking: Booking, call: Call | None) -> list[str]:
        """Describe the messages to the person, in words."""
        return [_DESCRIPTIONS[kind] for kind in self._kinds(booking, call)]

    @property
    def sends_email(self) -> bool:
        """Whether e-mail is configured."""
        return SEND_EMAIL in self._channels

    def _kinds(self, booking: Booking, call: Call | None) -> list[str]:
        kinds = [SEND_EMAIL] if booking.email and self.sends_email else []
        if booking.phone:
            on_whatsapp = call is not None and call.provider == _WHATSAPP
            order = (SEND_WHATSAPP, SEND_SMS) if on_whatsapp else (SEND_SMS, SEND_WHATSAPP)
            kinds += [kind for kind in order if self._can_send(kind, booking, call)][:1]
        return kinds

    def _can_send(self, kind: str, booking: Booking, call: Call | None) -> bool:
        if kind not in self._channels:
            return False
        if kind != SEND_SMS:
            return True
        return self._reach.allows(booking.phone) and self._sms(booking, call) is not None

    def _payload(self, kind: str, booking: Booking, call: Call | None) -> dict[str, Any]:
        if kind == SEND_EMAIL:
            return self._mail(booking)
        if kind == SEND_SMS:
            return self._sms(booking, call) or {}
        at = self._local_time(booking)
        text = self._confirmation(booking)
        values = {
            "name": _single_line(booking.name),
            "topic": _topic(booking),
            "when": at,
        }
        try:
            template = render(TEMPLATE, values)
        except TemplateError:
            template = None
        return {"to": booking.phone, "text": text, "template": template}

    def _confirmation(self, booking: Booking) -> str:
        at = self._local_time(booking)
        return f"{self._business}: your demo of {_topic(booking)} is booked for {at}."

    def _sms(self, booking: Booking, call: Call | None) -> dict[str, Any] | None:
        """Build the text message; None where only a registered wording arrives and none fits."""
        templates = self._sms_templates.get(call.agent if call is not None else "", {})
        if not templates or not needs_template(booking.phone):
            return {"to": booking.phone, "text": self._confirmation(booking)}
        template = templates.get(BOOKING_CONFIRMED)
        if template is None:
            return None
        known = {
            "business": self._business,
            "name": _single_line(booking.name),
            "topic": _topic(booking),
            "when": format_short_time(booking.starts_at.astimezone(self._zone)),
        }
        try:
            payload: dict[str, Any] = {"to": booking.phone, "text": template.fill_shortened(known)}
        except SmsTemplateError:
            return None  # such as a name in letters that the wording cannot carry
        return payload | ({"dlt": dict(template.dlt)} if template.dlt else {})

    def _mail(self, booking: Booking) -> dict[str, Any]:
        topic, name = _topic(booking), _single_line(booking.name)
        return {
            "to": booking.email,
            "template": TEMPLATE,
            "values": {
                "name": name,
                "when": self._local_time(booking),
                "topic": topic,
                "duration": f"{booking.minutes} minutes",
            },
            "invitation": {
                "uid": booking.id,
                "starts_at": booking.starts_at.astimezone(self._zone).isoformat(),
                "minutes": booking.minutes,
                "summary": f"{self._business}: demo of {topic}",
                "description": f"A demo for {name}: {_single_line(booking.interest)}",
            },
        }

    def _event_jobs(self, booking: Booking, call: Call | None) -> Sequence[NewJob]:
        facts = {
            "booking_id": booking.id,
            "name": booking.name,
            "when": booking.starts_at.astimezone(self._zone).isoformat(),
            "minutes": booking.minutes,
            "interest": booking.interest,
            "email": booking.email or None,
            "phone": booking.phone or None,
            "call_id": booking.call_id or None,
        }
        return self._announce(DEMO_BOOKED, booking.id, facts, call)

    def _local_time(self, booking: Booking) -> str:
        return format_time(booking.starts_at.astimezone(self._zone))


def _key(booking: Booking, kind: str) -> str:
    return f"booking:{booking.id}:{kind}"


def _topic(booking: Booking) -> str:
    return _single_line(booking.interest)[:MAX_TOPIC].strip()


def _single_line(text: str) -> str:
    return " ".join(text.split())
