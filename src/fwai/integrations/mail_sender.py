"""Turns jobs of kind ``send_email`` into mail."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from fwai.domain.job import Job
from fwai.integrations.smtp import Attachment, Mail
from fwai.templates.email_templates import RenderedEmail, render

FILE_NAME: Final = "invitation.ics"


class Post(Protocol):
    """Hands mail over; a `Mailer` is one."""

    def message_id(self, key: str) -> str:
        """Return the Message-ID of the message that ``key`` stands for."""
        ...

    async def send(self, mail: Mail) -> str:
        """Hand ``mail`` over and return its Message-ID; raises ``ApiError``."""
        ...


class MailSender:
    """Writes mails from templates and hands them over.

    Args:
        mailer: Takes them.
        business_name: Who sends them, for the templates.
        organizer: E-mail address that invitations come from.
        render: Fills in a template by its name; raises ``ValueError``.
    """

    def __init__(
        self,
        mailer: Post,
        business_name: str,
        organizer: str,
        render: Callable[[str, Mapping[str, str]], RenderedEmail] = render,
    ) -> None:
        # Here and not in a call: it takes 50 ms to import.
        from fwai.integrations.invitation import CANCEL, REQUEST, invitation

        self._mailer = mailer
        self._business_name = business_name
        self._organizer = organizer
        self._domain = organizer.partition("@")[2]
        self._render = render
        self._invitation = invitation
        self._request, self._cancel = REQUEST, CANCEL

    async def send(self, job: Job) -> str:
        """Send what the payload says and return the Message-ID, the same for each attempt.

        The payload has ``to``, ``template``, ``values``, and for an appointment ``invitation`` with
        ``uid``, ``starts_at`` (ISO 8601), ``minutes``, ``summary`` and ``description``. One that
        is off has ``cancelled`` besides, and a ``sequence`` above that of its invitation, 0.

        Raises:
            ValueError: It can never be sent.
            ApiError: It was not accepted; ``ApiUnknownError`` when that cannot be known.
        """
        return await self._mailer.send(self._mail(job))

    def _mail(self, job: Job) -> Mail:
        payload = job.payload
        try:
            to, template = payload["to"], payload["template"]
            values = {**payload["values"], "business": self._business_name}
            appointment = payload.get("invitation")
            attachments = (self._appointment(appointment, to),) if appointment else ()
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(f"a mail's payload is not complete ({type(exc).__name__})") from None
        mail = self._render(template, values)
        return Mail(
            message_id=self._mailer.message_id(job.id),
            to=to,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            attachments=attachments,
        )

    def _appointment(self, wanted: Mapping[str, Any], to: str) -> Attachment:
        uid, cancelled = wanted["uid"], bool(wanted.get("cancelled"))
        content = self._invitation(
            uid if "@" in uid else f"{uid}@{self._domain}",
            datetime.fromisoformat(wanted["starts_at"]),
            wanted["minutes"],
            wanted["summary"],
            wanted["description"],
            self._organizer,
            to,
            sequence=wanted.get("sequence", 0),
            cancelled=cancelled,
        )
        return Attachment(FILE_NAME, self._cancel if cancelled else self._request, content)
