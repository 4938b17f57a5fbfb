"""Validates the settings of outbound calls, mail, tools and events."""

import ipaddress
import re

from fwai.config.own_numbers import own_number_problems
from fwai.config.settings import Settings
from fwai.domain.email_address import address
from fwai.domain.hours import CallingHours
from fwai.domain.phone import dialable, island_of
from fwai.domain.phone_plan import is_country_code
from fwai.domain.sentence import Fallback
from fwai.integrations.signing import check_secret
from fwai.integrations.url_guard import UrlGuard


def invalid_outbound(settings: Settings) -> list[str]:
    """Return the invalid settings of tools, outbound calls, mail and events."""
    problems = []
    try:
        CallingHours.parse(settings.calling_hours)
    except ValueError as exc:
        problems.append(f"CALLING_HOURS: {exc}")
    problems += [
        f"CALLING_COUNTRIES: {code!r} is no country code; such as 91"
        for code in settings.calling_countries
        if code != "*" and not is_country_code(code.removeprefix("+")) and not _is_island(code)
    ]
    problems += own_number_problems(settings)
    if settings.fallback is Fallback.TRANSFER and not settings.human_handoff_number:
        problems.append(
            "AI_DOWN, HUMAN_HANDOFF_NUMBER: a transfer needs a number; set HUMAN_HANDOFF_NUMBER, "
            "or AI_DOWN to voicemail or apology"
        )
    problems += _invalid_owners(settings)
    return [*problems, *_invalid_mail(settings), *_invalid_events(settings)]


def _invalid_owners(settings: Settings) -> list[str]:
    problems = []
    for name, read, values in (
        ("OWNER_PHONES", dialable, settings.owner_phones),
        ("OWNER_EMAILS", address, settings.owner_emails),
    ):
        for place, one in enumerate(values, 1):
            try:
                read(one)
            except ValueError as exc:
                problems.append(f"{name}: number {place} of {len(values)}: {exc}")
    return problems


def _is_island(code: str) -> bool:
    return bool(re.fullmatch(r"\+?1\d{3}", code, re.ASCII) and island_of(code))


def mail_sender(settings: Settings) -> str:
    """Return the sender address of mails; empty when none is set."""
    return settings.smtp_sender or (settings.smtp_user if "@" in settings.smtp_user else "")


def _invalid_mail(settings: Settings) -> list[str]:
    if not settings.smtp_host:
        return []
    sender = mail_sender(settings)
    if not sender:
        return ["SMTP_SENDER: missing; set it to the address your mails come from"]
    from fwai.integrations.smtp import SmtpOptions

    problems = []
    if not _is_host(settings.smtp_host):
        problems.append(
            "SMTP_HOST: must be the mail server's name alone, such as mail.example.com; its port "
            "is SMTP_PORT"
        )
    plain = sender.strip().lower()
    if not _is_address(plain):
        problems.append("SMTP_SENDER: must be one plain address, such as desk@example.com")
    if problems:
        return problems
    try:
        SmtpOptions(
            settings.smtp_host, settings.smtp_port, sender=plain, security=settings.smtp_security
        )
    except ValueError as exc:
        return [f"SMTP_SECURITY: {exc}"]
    return []


def _is_address(text: str) -> bool:
    """Whether a text is an address as it stands, not only when it is heard as one."""
    try:
        return address(text) == text
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    """Whether a text is a host's name or address and nothing more."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return re.fullmatch(r"\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)*\.?", text) is not None
    return True


def _invalid_events(settings: Settings) -> list[str]:
    problems = []
    url, secrets = settings.events_webhook_url, settings.event_secrets
    try:
        guard = UrlGuard(settings.webhook_allowed_hosts, own=[url] if url else [])
        if url:
            guard.check(url)
    except ValueError as exc:
        problems.append(f"EVENTS_WEBHOOK_URL, WEBHOOK_ALLOWED_HOSTS: {exc}")
    if (url or settings.webhook_allowed_hosts) and not secrets:
        problems.append(
            "EVENTS_WEBHOOK_SECRET: missing; without it nobody can tell that an event is ours"
        )
    for secret in secrets:
        try:
            check_secret(secret)
        except ValueError as exc:
            problems.append(f"EVENTS_WEBHOOK_SECRET: {exc}")
    return problems
