"""Which settings of tools, outbound calls and events cannot be right."""

from typing import Any

import pytest

from fwai.config.loading import load_settings
from fwai.config.outbound_checks import invalid_outbound, mail_sender
from fwai.domain.sentence import Fallback
from fwai.errors import ConfigError
from tables import each_row
from unit.config.test_values import GOOD

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"
MAIL = {"smtp_host": "mail.example.com", "smtp_sender": "desk@example.com"}
EVENTS = {
    "events_webhook_url": "https://n8n.example.com/webhook/events",
    "events_webhook_secret": SECRET,
}


def problems(**values: Any) -> list[str]:  # noqa: ANN401 - settings
    """Return what is said of work alone, of settings with nothing else in them."""
    try:
        return invalid_outbound(load_settings(values, environment=False))
    except ConfigError as exc:
        return list(exc.problems)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"calling_hours": "00:00-24:00"},
        {"human_handoff_number": "+91 99999 00009"},
        MAIL,
        MAIL | {"smtp_sender": " Desk@Example.com "},
        *(
            MAIL | {"smtp_host": host}
            for host in ("localhost", "192.0.2.1", "2001:db8::1", "a_b.lan")
        ),
        *({"calling_countries": codes} for codes in ("91", "+91, 1", "*", "971,44,7,800")),
        {"smtp_host": "mail.example.com", "smtp_user": "desk@example.com"},
        EVENTS,
        {"events_webhook_secret": SECRET, "webhook_allowed_hosts": "n8n.example.com"},
    ],
)
def test_what_is_right_is_not_objected_to(values: dict[str, Any]) -> None:
    assert problems(**values) == []


@each_row(
    ("values", "names"),
    [
        ({"calling_hours": "9-21"}, "CALLING_HOURS"),
        ({"calling_hours": "21:00-09:00"}, "CALLING_HOURS"),
        ({"human_handoff_number": "12345"}, "HUMAN_HANDOFF_NUMBER"),
        ({"ai_down": "transfer"}, "AI_DOWN, HUMAN_HANDOFF_NUMBER: a transfer needs a number"),
        ({"ai_down": "music"}, "AI_DOWN: must be 'transfer', 'voicemail' or"),
        ({"smtp_host": "mail.example.com"}, "SMTP_SENDER: missing"),
        ({"smtp_host": "mail.example.com", "smtp_user": "desk"}, "SMTP_SENDER: missing"),
        (MAIL | {"smtp_sender": "Desk <desk@example.com>, x"}, "SMTP_SENDER: must be one"),
        (MAIL | {"smtp_sender": "Desk <desk@example.com>"}, "SMTP_SENDER: must be one"),
        (MAIL | {"smtp_sender": "a at b dot com"}, "SMTP_SENDER: must be one"),
        (MAIL | {"smtp_sender": "", "smtp_user": "a at b@dot com"}, "SMTP_SENDER: must be one"),
        (MAIL | {"smtp_security": "none"}, "SMTP_SECURITY: mail without TLS"),
        *(
            (MAIL | {"smtp_host": host}, "SMTP_HOST: must be the mail server's name alone")
            for host in (
                "smtp://mail.example.com",
                "mail.example.com:587",
                "mail x",
                "desk@example.com",
                "mail.example.com/",
                "-mail.example.com",
                "mail..example.com",
                "[::1]",
            )
        ),
        *(
            ({"calling_countries": code}, f"CALLING_COUNTRIES: '{code}' is no country code")
            for code in ("919", "9", "999", "0", "091", "india", "+", "9199", "210")
        ),
        (EVENTS | {"events_webhook_secret": ""}, "EVENTS_WEBHOOK_SECRET: missing"),
        ({"webhook_allowed_hosts": "n8n.example.com"}, "EVENTS_WEBHOOK_SECRET: missing"),
        (EVENTS | {"events_webhook_secret": "short"}, "EVENTS_WEBHOOK_SECRET"),
        (EVENTS | {"events_webhook_url": "ftp://n8n.example.com/"}, "EVENTS_WEBHOOK_URL"),
    ],
)
def test_what_cannot_be_right_is_named_with_its_fix(values: dict[str, Any], names: str) -> None:
    found = problems(**values)

    assert len(found) == 1, found
    assert names in found[0]
    assert len(found[0]) > len(names) + 10


def test_all_problems_are_told_at_once_and_no_secret_is() -> None:
    found = problems(
        calling_hours="never",
        human_handoff_number="x",
        smtp_host="mail.example.com",
        events_webhook_url="https://n8n.example.com/x",
        events_webhook_secret="not-a-good-secret",
    )

    assert len(found) == 4
    assert "not-a-good-secret" not in " ".join(found)


@pytest.mark.parametrize(
    ("sender", "user", "found"),
    [
        ("desk@example.com", "user@example.com", "desk@example.com"),
        ("", "user@example.com", "user@example.com"),
        ("", "user", ""),
        ("", "", ""),
    ],
)
def test_mails_come_from_the_sender_or_the_user(sender: str, user: str, found: str) -> None:
    settings = load_settings({"smtp_sender": sender, "smtp_user": user}, environment=False)

    assert mail_sender(settings) == found


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, Fallback.APOLOGY),
        ({"human_handoff_number": "+919999900001"}, Fallback.TRANSFER),
        ({"human_handoff_number": "+919999900001", "ai_down": "Apology"}, Fallback.APOLOGY),
        ({"human_handoff_number": "+919999900001", "ai_down": "transfer"}, Fallback.TRANSFER),
        ({"ai_down": "VOICEMAIL"}, Fallback.VOICEMAIL),
    ],
)
def test_what_callers_get_without_a_model(values: dict[str, Any], kind: Fallback) -> None:
    assert load_settings({**GOOD, **values}, environment=False).fallback is kind
