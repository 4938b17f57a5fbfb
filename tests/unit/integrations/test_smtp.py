"""What is checked before a server is asked; the talk with servers is in tests/contract/smtp."""

import email
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.policy import compat32, default
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.host import is_loopback
from fwai.integrations.smtp import (
    MAX_BYTES,
    Attachment,
    Mail,
    Mailer,
    Security,
    SmtpOptions,
    _compose,
)

OPTIONS = SmtpOptions("mail.example.com", user="desk@example.com", password="hush")
INVITE = Attachment("invite.ics", "text/calendar; method=REQUEST", b"BEGIN:VCALENDAR\r\n")


MAIL = Mail("<job-1@example.com>", "asha@example.org", "Fees", "Hello")


def composed(one: Mail, options: SmtpOptions = OPTIONS) -> EmailMessage:
    raw = _compose(one, options)
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    return email.message_from_bytes(raw, policy=default)


def decoded(name: str, message: EmailMessage) -> str:
    """Return a header as mail programs read it; Python's new parser adds spaces to names."""
    raw = email.message_from_bytes(message.as_bytes(), policy=compat32)
    return str(make_header(decode_header(str(raw[name]).replace("\r\n", "").replace("\n", ""))))


def parts(message: EmailMessage) -> list[EmailMessage]:
    return [part for part in message.iter_parts() if isinstance(part, EmailMessage)]


def read(part: EmailMessage) -> str:
    content: str = part.get_content()
    return content.replace("\r\n", "\n")


def shape(part: Message) -> object:
    if not part.is_multipart():
        return part.get_content_type()
    return {
        part.get_content_type(): [
            shape(inner) for inner in part.get_payload() if isinstance(inner, Message)
        ]
    }


# ---- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port", "security", "from_start", "start_tls"),
    [
        ("mail.example.com", 587, "auto", False, True),
        ("mail.example.com", 25, "auto", False, True),
        ("mail.example.com", 465, "auto", True, False),
        ("localhost", 465, "auto", True, False),
        ("127.0.0.1", 1025, "auto", False, False),
        ("::1", 25, "auto", False, False),
        ("LOCALHOST", 25, "auto", False, False),
        ("localhost", 25, "starttls", False, True),
        ("mail.example.com", 2465, "tls", True, False),
        ("127.0.0.1", 25, "none", False, False),
    ],
)
def test_how_the_connection_is_secured(
    host: str, port: int, security: Security, from_start: bool, start_tls: bool
) -> None:
    options = SmtpOptions(host, port, sender="desk@example.com", security=security)

    assert (options.tls_from_start, options.start_tls) == (from_start, start_tls)


@pytest.mark.parametrize(
    "changes",
    [
        {"security": "none"},
        {"security": "ssl"},
        {"sender": "Desk <desk@example.com>"},
        {"sender": "Desk@Example.com"},
        {"sender": "", "user": "desk"},
        {"sender_name": "Desk\r\nBcc: x@example.com"},
    ],
)
def test_options_that_cannot_be_right_are_refused(changes: dict[str, Any]) -> None:
    values = {"host": "mail.example.com", "sender": "desk@example.com"}

    with pytest.raises(ValueError, match=r"TLS|security|sender|bare|@"):
        SmtpOptions(**(values | changes))


def test_the_password_is_not_shown() -> None:
    assert "hush" not in repr(OPTIONS)


def test_what_is_this_machine() -> None:
    assert is_loopback("127.1.2.3")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost.example.com")


# ---- what may be sent ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Fees\r\nBcc: x@example.com"},
        {"subject": "Fees\n"},
        {"subject": "Fees\u2028Bcc"},
        {"subject": " "},
        {"subject": "x" * 251},
        {"to": ""},
        {"to": "asha@example.org\r\nRCPT TO:<x@example.com>"},
        {"to": "asha@example.org, ravi@example.org"},
        {"to": "Asha <asha@example.org>"},
        {"to": "asha@example.org>"},
        {"reply_to": "a@example.org\nBcc: x@example.com"},
        {"message_id": "job-1@example.com"},
        {"message_id": "<job-1@example.com>\r\nBcc: x@example.com"},
        {"text": "x" * (MAX_BYTES + 1)},
        {"attachments": (Attachment("a.bin", "application/pdf", bytes(MAX_BYTES)),)},
    ],
)
def test_a_mail_that_must_not_be_sent_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(MAIL, **changes)


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("", "text/plain"),
        ("../a.txt", "text/plain"),
        ("a\\b.txt", "text/plain"),
        ("a\r\nb.txt", "text/plain"),
        ("a.txt", "text"),
        ("a.txt", "text/plain\r\nBcc: x@example.com"),
        ("a.txt", "text/plain; name=a b"),
    ],
)
def test_an_attachment_has_a_plain_name_and_type(filename: str, content_type: str) -> None:
    with pytest.raises(ValueError, match=r"name|type"):
        Attachment(filename, content_type, b"")


def test_nothing_personal_shows_in_a_mail_s_description() -> None:
    shown = repr(replace(MAIL, subject="Fees 2026", text="Hello", reply_to="ravi@example.org"))

    assert not any(word in shown for word in ("asha", "ravi", "Fees", "Hello"))


def test_a_key_always_makes_the_same_message_id() -> None:
    mailer = Mailer(OPTIONS)

    assert mailer.message_id("job-17.2") == "<job-17.2@example.com>"


@pytest.mark.parametrize("key", ["", "a b", "a@b", "a>", "a\r\nb", "a..b", "x" * 129])
def test_a_key_that_is_no_id_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        Mailer(OPTIONS).message_id(key)


# ---- what a message looks like ------------------------------------------------------------------


def test_a_plain_message_has_its_headers() -> None:
    message = composed(replace(MAIL, reply_to="ravi@example.org"))

    assert message["From"] == "desk@example.com"
    assert message["To"] == "asha@example.org"
    assert message["Reply-To"] == "ravi@example.org"
    assert message["Message-ID"] == "<job-1@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime is not None
    assert read(message) == "Hello\n"


def test_hindi_arrives_as_it_was_written() -> None:
    text = "नमस्ते आशा, फ़ीस ₹५००० है।\n" * 40
    subject = "आपकी डेमो बुकिंग की पुष्टि, और आगे की पूरी जानकारी यहाँ है"
    options = SmtpOptions(
        "mail.example.com", sender="desk@example.com", sender_name="एक्मे, अकादमी (दिल्ली)"
    )

    message = composed(replace(MAIL, subject=subject, text=text, html=f"<p>{text}</p>"), options)

    assert message["Subject"] == subject
    assert decoded("From", message) == "एक्मे, अकादमी (दिल्ली) <desk@example.com>"
    plain, html = parts(message)
    assert read(plain) == text
    assert read(html) == f"<p>{text}</p>\n"


@given(st.text('ab ,()<>"\\.?=_éदिल्ली₹😀', min_size=1, max_size=120).map(str.strip).filter(bool))
def test_subjects_and_names_of_any_script_keep_every_character(text: str) -> None:
    text = " ".join(text.split())
    options = SmtpOptions("mail.example.com", sender="desk@example.com", sender_name=text)

    raw = _compose(replace(MAIL, subject=text), options)

    headers = email.message_from_bytes(raw, policy=compat32)
    subject = str(headers["Subject"]).replace("\r\n", "")
    sender = str(headers["From"]).replace("\r\n", "")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    if text.isascii():
        assert subject == text
        assert parseaddr(sender) == (text, "desk@example.com")
    else:
        assert str(make_header(decode_header(subject))) == text
        assert str(make_header(decode_header(sender))) == f"{text} <desk@example.com>"


def test_the_longest_message_id_is_not_torn() -> None:
    mailer = Mailer(SmtpOptions("mail.example.com", sender=f"desk@{'a' * 60}.example.com"))
    message_id = mailer.message_id("k" * 128)

    raw = _compose(replace(MAIL, message_id=message_id), OPTIONS)

    assert message_id.encode() in raw


def test_an_invitation_is_both_an_alternative_and_a_file() -> None:
    message = composed(replace(MAIL, html="<p>Hello</p>", attachments=(INVITE,)))

    assert shape(message) == {
        "multipart/mixed": [
            {"multipart/alternative": ["text/plain", "text/html", "text/calendar"]},
            "text/calendar",
        ]
    }
    alternative, file = [one for one in message.walk() if one.get_content_type().endswith("dar")]
    for part in (alternative, file):
        assert part.get_param("method") == "REQUEST"
        assert part.get_param("charset") == "utf-8"
        assert part.get_payload(decode=True) == INVITE.content
    assert alternative.get_content_disposition() is None
    assert file.get_content_disposition() == "attachment"
    assert file.get_filename() == "invite.ics"


def test_other_files_are_only_attached() -> None:
    files = (Attachment("फ़ीस.pdf", "application/pdf", b"%PDF\x00"),)

    message = composed(replace(MAIL, attachments=files))

    assert shape(message) == {"multipart/mixed": ["text/plain", "application/pdf"]}
    (file,) = message.iter_attachments()
    assert isinstance(file, EmailMessage)
    assert file.get_filename() == "फ़ीस.pdf"
    assert file.get_payload(decode=True) == b"%PDF\x00"
