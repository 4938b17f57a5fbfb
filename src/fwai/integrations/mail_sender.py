"""Handles jobs of kind ``send_email``: renders the template and sends the mail."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from fwai.domain.job import Job
from fwai.integrations.smtp import Attachment, Mail
from fwai.templates.email_templates import RenderedEmail, render_email

FILE_NAME: Final = "invitation.ics"


class MailTransport(Protocol):
    """Sends a mail; a `Mailer` is one."""

    def message_id(self, key: str) -> str:
        """Return the Message-ID for ``key``."""
        ...

    async def send(self, mail: Mail) -> str:
        """Send ``mail`` and return its Message-ID; raises ``ApiError``."""
        ...


class MailSender:
    """Renders e-mail templates and sends them.

    Args:
        mailer: Sends the mails.
        business_name: Sender named in the templates.
        organizer: E-mail address that invitations come from.
        render: Fills in a template by its name; raises ``ValueError``.
    """

    def __init__(
        self,
        mailer: MailTransport,
        business_name: str,
        organizer: str,
        render: Callable[[str, Mapping[str, str]], RenderedEmail] = render_email,
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
        """Send a job's mail and return its Message-ID, which is the same for each attempt.

        The payload has ``to``, ``template``, ``values``, and for an appointment ``invitation`` with
        ``uid``, ``starts_at`` (ISO 8601), ``minutes``, ``summary`` and ``description``. One that
        is cancelled has ``cancelled`` besides, and a ``sequence`` above that of its invitation, 0.

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
            invitation = payload.get("invitation")
            attachments = (self._invitation_attachment(invitation, to),) if invitation else ()
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

    def _invitation_attachment(self, appointment: Mapping[str, Any], to: str) -> Attachment:
        uid, cancelled = appointment["uid"], bool(appointment.get("cancelled"))
        content = self._invitation(
            uid if "@" in uid else f"{uid}@{self._domain}",
            datetime.fromisoformat(appointment["starts_at"]),
            appointment["minutes"],
            appointment["summary"],
            appointment["description"],
            self._organizer,
            to,
            sequence=appointment.get("sequence", 0),
            cancelled=cancelled,
        )
        return Attachment(FILE_NAME, self._cancel if cancelled else self._request, content)
