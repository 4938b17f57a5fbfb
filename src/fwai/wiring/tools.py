"""The tools of this server: which are configured, what each is built of, and who does its work."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from fwai.config.outbound_checks import mail_sender
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.availability import Availability
from fwai.domain.email_address import address
from fwai.domain.job import ASK_CALL_PERMISSION, SEND_EMAIL, SEND_SMS, SEND_WHATSAPP, Job
from fwai.integrations.workflow import WorkflowClient
from fwai.interfaces.media import CallTransfer, SmsSender
from fwai.store.open import Store
from fwai.tools.ask_call_permission import ask_call_permission
from fwai.tools.base import Tool
from fwai.tools.book_demo import book_demo
from fwai.tools.booking_messages import BookingMessages
from fwai.tools.callbacks import cancel_callback, do_not_call, schedule_callback
from fwai.tools.end_call import end_call
from fwai.tools.registry import ToolRegistry
from fwai.tools.send_email import email_limit, send_email
from fwai.tools.send_sms import send_sms
from fwai.tools.send_whatsapp import send_whatsapp
from fwai.tools.transfer_call import transfer_call
from fwai.tools.workflow import workflow_tool
from fwai.wiring.jobs import Office
from fwai.wiring.providers import Provider

# Every tool there is; which are offered depends on settings and on the agent.
TOOL_NAMES: Final = (
    "end_call",
    "send_sms",
    "send_email",
    "send_whatsapp",
    "ask_call_permission",
    "schedule_callback",
    "cancel_callback",
    "do_not_call",
    "book_demo",
    "transfer_call",
)
DEFAULT_BUSINESS: Final = "FWAI"


class PermissionAsker(Protocol):
    """Asks WhatsApp users whether they may be called."""

    async def ask_permission(self, to: str, name: str = ..., topic: str = ...) -> str:
        """Ask and return the message's id; raises ``ApiError``."""
        ...


class WhatsAppSender(Protocol):
    """Writes on WhatsApp."""

    async def send_text(
        self, to: str, text: str, template: Mapping[str, Any] | None, reference: str
    ) -> str:
        """Send a text, or the template where a text may not be sent; raises ``ApiError``."""
        ...


class Toolbox:
    """Builds the tools.

    Args:
        providers: Those of telephony, in the order of ``CALL_PROVIDER``.
        availability: The rules of bookings as they are now.
        tls: For mail.
    """

    def __init__(
        self,
        settings: Settings,
        office: Office,
        store: Store,
        providers: Sequence[Provider],
        availability: Callable[[], Availability],
        tls: ssl.SSLContext,
    ) -> None:
        self._settings = settings
        self._office = office
        self._store = store
        self._availability = availability
        self.transfers: Mapping[str, CallTransfer] = {
            one.name: one.transfer for one in providers if one.transfer is not None
        }
        self._channels: list[str] = []
        sms = next((one.sms for one in providers if one.sms is not None), None)
        if sms is not None:
            self._sms(sms)
        if settings.smtp_host:
            self._mail(tls)
        if "whatsapp" in settings.call_provider:
            self._channels += [SEND_WHATSAPP, ASK_CALL_PERMISSION]
        for kind, needs in self._unsent().items():
            office.gave_up(kind, needs)

    def whatsapp(self, sender: WhatsAppSender, asker: PermissionAsker) -> None:
        """Send WhatsApp messages through what is there only once calls are."""

        async def send(job: Job) -> str:
            said = job.payload
            return await sender.send_text(said["to"], said["text"], said["template"], job.id)

        async def ask(job: Job) -> str:
            asked = job.payload
            return await asker.ask_permission(asked["to"], asked["name"], asked["topic"])

        self._office.sends(SEND_WHATSAPP, send)
        self._office.sends(ASK_CALL_PERMISSION, ask)

    def registry(
        self, agents: Mapping[str, AgentProfile], workflows: WorkflowClient | None
    ) -> ToolRegistry:
        """Return all tools that are configured, the agents' own ones with them."""
        own: dict[str, list[Tool[Any]]] = {}
        if workflows is not None:
            own = {
                agent.id: [workflow_tool(hook, workflows) for hook in agent.webhooks]
                for agent in agents.values()
                if agent.webhooks
            }
        allowed = {agent.id: agent.tools for agent in agents.values()}
        return ToolRegistry(self._tools(next(iter(agents))), own, self._unconfigured(), allowed)

    def _tools(self, agent: str) -> list[Tool[Any]]:
        office, store, zone = self._office, self._store, self._settings.zone
        reach = self._settings.reach
        mails = email_limit(office.orders)
        letters = BookingMessages(office.announce, zone, self._business, self._channels, reach)
        store.bookings.letters = letters
        tools: list[Tool[Any]] = [
            end_call(),
            schedule_callback(
                store.callbacks,
                store.contacts,
                office.announce,
                zone=zone,
                hours=office.hours,
                dials=self._settings.call_provider,
                agent=agent,
                reach=reach,
            ),
            cancel_callback(store.callbacks),
            do_not_call(store.callbacks, store.contacts),
            book_demo(store.bookings, self._availability, letters, zone=zone, mails=mails),
        ]
        if self._has(SEND_SMS):
            tools.append(send_sms(office.orders, reach))
        if self._has(SEND_EMAIL):
            tools.append(send_email(office.orders, mails))
        if self._has(SEND_WHATSAPP):
            tools.append(send_whatsapp(office.orders))
            tools.append(ask_call_permission(office.orders))
        if self.transfers:
            tools.append(transfer_call(self.transfers))
        return tools

    def _unconfigured(self) -> dict[str, str]:
        """Return what is missing, by the tool that needs it."""
        found = self._unsent()
        if not self.transfers:
            found["transfer_call"] = "HUMAN_HANDOFF_NUMBER, with plivo or exotel"
        return found

    def _unsent(self) -> dict[str, str]:
        """Return what is missing, by the kind of message that needs it."""
        missing = {
            SEND_SMS: "CALL_PROVIDER: plivo or exotel",
            SEND_EMAIL: "SMTP_HOST and SMTP_SENDER",
            SEND_WHATSAPP: "CALL_PROVIDER: whatsapp",
            ASK_CALL_PERMISSION: "CALL_PROVIDER: whatsapp",
        }
        return {kind: what for kind, what in missing.items() if not self._has(kind)}

    def _has(self, kind: str) -> bool:
        return kind in self._channels

    @property
    def _business(self) -> str:
        return self._settings.business_name or DEFAULT_BUSINESS

    def _sms(self, sms: SmsSender) -> None:
        async def send(job: Job) -> str:
            return await sms.send_sms(job.payload["to"], job.payload["text"], job.id)

        self._office.sends(SEND_SMS, send)
        self._channels.append(SEND_SMS)

    def _mail(self, tls: ssl.SSLContext) -> None:
        from fwai.integrations.mail_sender import MailSender
        from fwai.integrations.smtp import Mailer, SmtpOptions

        settings = self._settings
        sender = address(mail_sender(settings))
        options = SmtpOptions(
            settings.smtp_host,
            settings.smtp_port,
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value(),
            sender=sender,
            sender_name=settings.business_name,
            security=settings.smtp_security,
        )
        mails = MailSender(Mailer(options, tls), self._business, sender)
        self._office.sends(SEND_EMAIL, mails.send, repeatable=True)
        self._channels.append(SEND_EMAIL)
