"""Tool registry set-up: which tools are configured, what each is built of, who does their work."""

import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fwai.config.outbound_checks import mail_sender
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.availability import Availability
from fwai.domain.email_address import address
from fwai.domain.failure import UNWATCHED, Area
from fwai.domain.hours import CallingHours
from fwai.domain.job import (
    ASK_CALL_PERMISSION,
    REPLACE_WHATSAPP,
    SEND_EMAIL,
    SEND_SMS,
    SEND_WHATSAPP,
    Job,
    JobHandler,
)
from fwai.domain.phone import dialable
from fwai.domain.quota import UNLIMITED
from fwai.domain.sms_template import SmsTemplate
from fwai.http.api_watch import ApiWatch
from fwai.interfaces.calls import CallTransfer
from fwai.interfaces.failures import Failures
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.messages import (
    CallPermissionAsker,
    InvitedBookings,
    MessageQuotas,
    SmsSender,
    WhatsAppSender,
)
from fwai.jobs.invitations import noting_invitations
from fwai.jobs.message_sender import MessageSender
from fwai.jobs.unconfigured import Unconfigured
from fwai.store.open import Store
from fwai.tools.ask_call_permission import ask_call_permission
from fwai.tools.base import Tool
from fwai.tools.book_demo import book_demo
from fwai.tools.booking_messages import BookingMessages
from fwai.tools.callbacks import cancel_callback, do_not_call, schedule_callback
from fwai.tools.end_call import end_call
from fwai.tools.message_jobs import Announce, DayLimit, Outbox
from fwai.tools.recipient import RecipientRules
from fwai.tools.registry import ToolRegistry
from fwai.tools.send_email import email_limit, email_outbox, send_email
from fwai.tools.send_sms import send_sms, sms_outbox
from fwai.tools.send_whatsapp import send_whatsapp
from fwai.tools.transfer_call import transfer_call
from fwai.tools.workflow import workflow_tool
from fwai.wiring.providers import Provider
from fwai.wiring.webhooks import OutgoingWebhooks

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

_NEEDS: Final[Mapping[str, str]] = {
    SEND_SMS: "CALL_PROVIDER: plivo or exotel",
    SEND_EMAIL: "SMTP_HOST and SMTP_SENDER",
    SEND_WHATSAPP: "CALL_PROVIDER: whatsapp",
    REPLACE_WHATSAPP: "CALL_PROVIDER: whatsapp",
    ASK_CALL_PERMISSION: "CALL_PROVIDER: whatsapp",
}


def message_channels(settings: Settings, providers: Sequence[Provider]) -> Collection[str]:
    """Return the kinds of messages that are configured."""
    found = []
    if any(one.sms is not None for one in providers):
        found.append(SEND_SMS)
    if settings.smtp_host:
        found.append(SEND_EMAIL)
    if "whatsapp" in settings.call_provider:
        found += [SEND_WHATSAPP, REPLACE_WHATSAPP, ASK_CALL_PERMISSION]
    return found


def booking_messages(
    settings: Settings,
    agents: Mapping[str, AgentProfile],
    channels: Collection[str],
    announce: Announce,
) -> BookingMessages:
    """Build what makes the messages about a booking."""
    return BookingMessages(
        announce,
        settings.zone,
        _business(settings),
        channels,
        settings.reach,
        sms_templates(agents),
    )


def sms_templates(
    agents: Mapping[str, AgentProfile],
) -> Mapping[str, Mapping[str, SmsTemplate]]:
    """Return the registered wordings by agent; by an empty one those for what is in no call.

    Those are the wordings of all agents, but for names that mean different ones.
    """
    found = {agent.id: agent.sms_templates for agent in agents.values() if agent.sms_templates}
    everybody: dict[str, SmsTemplate] = {}
    ambiguous = set()
    for templates in found.values():
        for name, one in templates.items():
            if everybody.setdefault(name, one) != one:
                ambiguous.add(name)
    unambiguous = {name: one for name, one in everybody.items() if name not in ambiguous}
    return {**found, "": unambiguous} if found else {}


@dataclass(frozen=True, slots=True)
class ToolParts:
    """What tools are built of.

    Attributes:
        providers: Those of telephony, in the order of ``CALL_PROVIDER``.
        channels: Kinds of messages that are configured.
        jobs: Takes the jobs of messages.
        announce: Makes the jobs that tell others of what a tool did.
        bookings: Makes the messages about a booking.
        availability: The rules of bookings as they are now.
        webhooks: Calls the agents' workflows; None when nothing can be signed.
        quotas: The server's daily limits of what callers can have sent.
    """

    providers: Sequence[Provider]
    channels: Collection[str]
    jobs: JobSubmitter
    announce: Announce
    bookings: BookingMessages
    availability: Callable[[], Availability]
    webhooks: OutgoingWebhooks | None
    quotas: MessageQuotas = UNLIMITED


def recipient_rules(settings: Settings) -> RecipientRules:
    """Return to whom agents may write, and who the owner is."""
    return RecipientRules(
        settings.reach,
        frozenset(map(dialable, settings.owner_phones)),
        frozenset(map(address, settings.owner_emails)),
        keep_words=settings.enable_transcripts,
    )


def call_transfers(providers: Sequence[Provider]) -> Mapping[str, CallTransfer]:
    """Return who can connect callers with a human, by provider."""
    return {one.name: one.transfer for one in providers if one.transfer is not None}


def tool_registry(
    settings: Settings, agents: Mapping[str, AgentProfile], store: Store, parts: ToolParts
) -> ToolRegistry:
    """Build all tools that are configured, the agents' own ones with them."""
    own: dict[str, list[Tool[Any]]] = {}
    if parts.webhooks is not None:
        workflows = parts.webhooks.workflows
        own = {
            agent.id: [workflow_tool(hook, workflows) for hook in agent.webhooks]
            for agent in agents.values()
            if agent.webhooks
        }
    rules = recipient_rules(settings)
    outbox = sms_outbox(parts.jobs, parts.quotas)
    if SEND_SMS in parts.channels:
        for agent_id, texts in sms_templates(agents).items():
            tool = send_sms(parts.jobs, rules, texts, outbox=outbox)
            own.setdefault(agent_id, []).append(tool)
    limit = email_limit(parts.jobs)
    mails = email_outbox(parts.jobs, limit, parts.quotas)
    if SEND_EMAIL in parts.channels:
        for agent in agents.values():
            if agent.email_templates:
                letters = send_email(parts.jobs, agent.email_templates, rules, outbox=mails)
                own.setdefault(agent.id, []).append(letters)
    transfers = call_transfers(parts.providers)
    unconfigured = _missing(parts.channels)
    if not transfers:
        unconfigured["transfer_call"] = "HUMAN_HANDOFF_NUMBER, with plivo or exotel"
    allowed = {agent.id: agent.tools for agent in agents.values()}
    tools = _shared_tools(settings, next(iter(agents)), store, parts, rules, (outbox, mails), limit)
    if transfers:
        tools.append(transfer_call(transfers))
    return ToolRegistry(tools, own, unconfigured, allowed)


def _shared_tools(
    settings: Settings,
    default_agent: str,
    store: Store,
    parts: ToolParts,
    rules: RecipientRules,
    outboxes: tuple[Outbox, Outbox],
    mails: DayLimit,
) -> list[Tool[Any]]:
    zone, jobs, quotas = settings.zone, parts.jobs, parts.quotas
    texts, letters = outboxes
    tools: list[Tool[Any]] = [
        end_call(),
        schedule_callback(
            store.callbacks,
            store.contacts,
            parts.announce,
            zone=zone,
            hours=CallingHours.parse(settings.calling_hours),
            dials=settings.call_provider,
            agent=default_agent,
            rules=rules,
            quotas=quotas,
        ),
        cancel_callback(store.callbacks),
        do_not_call(store.callbacks, store.contacts),
        book_demo(
            store.bookings,
            parts.availability,
            parts.bookings,
            zone=zone,
            mails=mails,
            rules=rules,
            quotas=quotas,
        ),
    ]
    if SEND_SMS in parts.channels:
        tools.append(send_sms(jobs, rules, outbox=texts))
    if SEND_EMAIL in parts.channels:
        tools.append(send_email(jobs, None, rules, outbox=letters))
    if SEND_WHATSAPP in parts.channels:
        tools.append(send_whatsapp(jobs, rules=rules, quotas=quotas))
        tools.append(ask_call_permission(jobs, rules, quotas))
    return tools


def message_handlers(
    settings: Settings,
    channels: Collection[str],
    sms: SmsSender | None,
    whatsapp: tuple[WhatsAppSender, CallPermissionAsker] | None,
    tls: ssl.SSLContext,
    bookings: InvitedBookings,
    failures: Failures = UNWATCHED,
) -> dict[str, JobHandler]:
    """Build the handlers of messages, by kind; kinds that are not configured give their jobs up."""
    handlers: dict[str, JobHandler] = {
        kind: Unconfigured(needs) for kind, needs in _missing(channels).items()
    }
    if sms is not None:
        handlers[SEND_SMS] = _sms_handler(sms)
    if SEND_EMAIL in channels:
        handlers[SEND_EMAIL] = _mail_handler(settings, tls, bookings, failures)
    if whatsapp is not None:
        handlers |= _whatsapp_handlers(*whatsapp)
    return handlers


def _sms_handler(sms: SmsSender) -> JobHandler:
    async def send(job: Job) -> str:
        said = job.payload
        return await sms.send_sms(said["to"], said["text"], job.id, said.get("dlt"))

    return MessageSender(send)


def _whatsapp_handlers(sender: WhatsAppSender, asker: CallPermissionAsker) -> dict[str, JobHandler]:
    async def send(job: Job) -> str:
        said = job.payload
        return await sender.send_text(said["to"], said["text"], said["template"], job.id)

    async def ask(job: Job) -> str:
        asked = job.payload
        return await asker.ask_permission(asked["to"], asked["name"], asked["topic"])

    return {
        SEND_WHATSAPP: MessageSender(send),
        REPLACE_WHATSAPP: MessageSender(send),
        ASK_CALL_PERMISSION: MessageSender(ask),
    }


def _mail_handler(
    settings: Settings, tls: ssl.SSLContext, bookings: InvitedBookings, failures: Failures
) -> JobHandler:
    from fwai.integrations.mail_sender import MailSender
    from fwai.integrations.smtp import Mailer, SmtpOptions

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
    mails = MailSender(Mailer(options, tls), _business(settings), sender)
    watch = ApiWatch(
        failures,
        Area.MAIL,
        "smtp",
        "check SMTP_USER and SMTP_PASSWORD (some providers want a password for apps)",
        "check SMTP_HOST, SMTP_PORT and SMTP_SECURITY, and that the firewall lets the port out",
        http=False,
    )

    async def send(job: Job) -> str:
        with watch.watched():
            return await mails.send(job)

    return MessageSender(noting_invitations(send, bookings), repeatable=True)


def _missing(channels: Collection[str]) -> dict[str, str]:
    """Return what is missing, by the kind of message that needs it."""
    return {kind: needs for kind, needs in _NEEDS.items() if kind not in channels}


def _business(settings: Settings) -> str:
    return settings.business_name or DEFAULT_BUSINESS
