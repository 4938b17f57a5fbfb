"""The mailer against the simulated server: what is delivered, and what each failure is called."""

import asyncio
import email
import traceback
from dataclasses import replace
from email.message import Message
from email.policy import default
from typing import Literal

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from fwai.errors import ApiAuthError, ApiError, ApiUnknownError
from fwai.integrations.smtp import Attachment, Mail, Mailer, Security, SmtpOptions
from fwai.simulator.mail.fault import (
    MailFault,
    SmtpStage,
    busy,
    hang,
    lost_after_text,
    no_such_user,
    refuse_auth,
    try_later,
)
from fwai.simulator.mail.server import Mailbox

ADDRESS = "asha.secret@example.org"
MAIL = Mail("<job-1@example.com>", ADDRESS, "नमस्ते", "Hello\n.dots\n..\n.\nend", "<p>Hello</p>")


def options(
    box: Mailbox,
    *,
    security: Security = "auto",
    user: str | None = None,
    password: str | None = None,
    timeout_s: float = 5,
) -> SmtpOptions:
    return SmtpOptions(
        "127.0.0.1",
        box.port,
        user=box.user if user is None else user,
        password=box.password if password is None else password,
        sender="desk@example.com",
        sender_name="Acme Academy",
        security=security,
        timeout_s=timeout_s,
    )


def mailer(box: Mailbox, *, security: Security = "auto", timeout_s: float = 5) -> Mailer:
    return Mailer(options(box, security=security, timeout_s=timeout_s), box.trust)


def read(part: Message) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode().replace("\r\n", "\n")


async def failure(sender: Mailer) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await sender.send(MAIL)
    error = caught.value
    shown = "".join(traceback.format_exception(error))
    assert ADDRESS not in shown + repr(error.__context__) + repr(error.__cause__)
    assert error.provider == "smtp"
    return error


# ---- delivered ----------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["", "desk"])
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_mail_arrives_as_it_was_written(
    security: Literal["none", "starttls", "tls"], user: str
) -> None:
    async with Mailbox(user, "päss word" if user else "", tls=security) as box:
        sent = await mailer(box, security=security).send(MAIL)
        (mail,) = await box.wait_for(1)

    assert sent == MAIL.message_id == mail.message["Message-ID"]
    assert (mail.sender, mail.recipients) == ("desk@example.com", (ADDRESS,))
    assert (mail.user, mail.tls) == (user, security != "none")
    assert mail.message["Subject"] == "नमस्ते"
    plain, html = mail.message.iter_parts()
    assert read(plain) == MAIL.text + "\n"
    assert read(html) == "<p>Hello</p>\n"
    assert not box.violations


async def test_a_server_on_this_machine_needs_no_tls() -> None:
    async with Mailbox() as box:
        await mailer(box, security="auto").send(MAIL)

        assert not (await box.wait_for(1))[0].tls


async def test_a_large_file_arrives_whole() -> None:
    content = bytes(range(256)) * 12_000
    async with Mailbox(tls="starttls") as box:
        large = replace(MAIL, attachments=(Attachment("a.pdf", "application/pdf", content),))
        await mailer(box, security="starttls").send(large)
        (mail,) = await box.wait_for(1)

    (file,) = mail.message.iter_attachments()
    assert file.get_payload(decode=True) == content
    assert not box.violations


async def test_an_independent_server_takes_it_too() -> None:
    """aiosmtpd is the second opinion on our own server's leniency."""

    got: list[Envelope] = []

    class Keep:
        async def handle_DATA(  # noqa: N802  # aiosmtpd's name
            self, server: SMTP, session: Session, envelope: Envelope
        ) -> str:
            got.append(envelope)
            return "250 ok"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Keep(), loop=loop), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await Mailer(SmtpOptions("127.0.0.1", port, sender="desk@example.com")).send(MAIL)

    (envelope,) = got
    assert (envelope.mail_from, envelope.rcpt_tos) == ("desk@example.com", [ADDRESS])
    assert isinstance(envelope.content, bytes)
    plain, _ = email.message_from_bytes(envelope.content, policy=default).iter_parts()
    assert read(plain) == MAIL.text + "\n"


# ---- failures -----------------------------------------------------------------------------------

FAILURES: list[tuple[MailFault, type[ApiError], bool, int | None, int]] = [
    # fault, error, retryable, status, messages kept
    (busy(), ApiError, True, 421, 0),
    (MailFault("connect", then="drop"), ApiError, True, None, 0),
    (MailFault("connect", "554 no service", then="drop"), ApiError, False, 554, 0),
    (MailFault("connect", "nonsense"), ApiError, True, -1, 0),
    (MailFault("ehlo", then="drop"), ApiError, True, None, 0),
    (refuse_auth(), ApiAuthError, False, 535, 0),
    (MailFault("auth", "454 4.7.0 temporary failure", times=9), ApiError, True, 454, 0),
    (MailFault("mail", "530 5.7.0 authentication required"), ApiAuthError, False, 530, 0),
    (MailFault("mail", "550 5.7.1 {address} not yours"), ApiError, False, 550, 0),
    (MailFault("mail", "452 4.3.1 disk full"), ApiError, True, 452, 0),
    (try_later(), ApiError, True, 450, 0),
    (no_such_user(), ApiError, False, 550, 0),
    (MailFault("rcpt", "421 4.3.2 going down", then="drop"), ApiError, True, 421, 0),
    (MailFault("rcpt", then="drop"), ApiError, True, None, 0),
    (MailFault("data", "451 4.3.0 later"), ApiError, True, 451, 0),
    (MailFault("text", "554 5.7.1 spam from {address}"), ApiError, False, 554, 0),
    (MailFault("text", "451 4.3.0 later"), ApiError, True, 451, 0),
    (lost_after_text(kept=True), ApiUnknownError, False, None, 1),
    (lost_after_text(kept=False), ApiUnknownError, False, None, 0),
    (MailFault("text", "299 perhaps", kept=True), ApiUnknownError, False, None, 1),
]


@pytest.mark.parametrize(
    ("fault", "kind", "retryable", "status", "kept"),
    FAILURES,
    ids=lambda value: f"{value.at} {value.reply[:3]}" if isinstance(value, MailFault) else None,
)
async def test_a_failure_is_called_what_it_is(
    fault: MailFault, kind: type[ApiError], retryable: bool, status: int | None, kept: int
) -> None:
    async with Mailbox("desk", "word") as box:
        box.faults.append(replace(fault))
        error = await failure(mailer(box))
        assert len(box.messages) == kept

        box.faults.clear()
        await mailer(box).send(MAIL)

    assert type(error) is kind
    assert (error.retryable, error.status) == (retryable, status)
    assert len({mail.message["Message-ID"] for mail in box.messages}) == 1


@pytest.mark.parametrize("at", ["connect", "ehlo", "mail", "rcpt"])
async def test_a_server_silent_before_the_text_may_be_asked_again(at: SmtpStage) -> None:
    async with Mailbox() as box:
        box.faults.append(hang(at))
        error = await failure(mailer(box, timeout_s=0.1))

    assert type(error) is ApiError
    assert error.retryable


@pytest.mark.parametrize("at", ["data", "text"])
async def test_a_server_silent_after_the_text_may_have_taken_it(at: SmtpStage) -> None:
    async with Mailbox() as box:
        box.faults.append(hang(at))
        error = await failure(mailer(box, timeout_s=0.05))

    assert type(error) is ApiUnknownError
    assert not error.retryable


async def test_nobody_listening_may_be_tried_again() -> None:
    async with Mailbox() as box:
        sender = mailer(box)

    error = await failure(sender)
    assert type(error) is ApiError
    assert error.retryable


async def test_a_wrong_password_is_for_the_operator() -> None:
    async with Mailbox("desk", "right") as box:
        error = await failure(Mailer(options(box, password="wrong")))

    assert type(error) is ApiAuthError
    assert "wrong" not in str(error)


async def test_a_server_without_starttls_gets_neither_password_nor_mail() -> None:
    async with Mailbox("desk", "word") as box:
        error = await failure(mailer(box, security="starttls"))

    assert not error.retryable
    assert "STARTTLS" in str(error)
    assert not box.messages


async def test_a_server_without_login_is_for_the_operator() -> None:
    async with Mailbox() as box:
        error = await failure(Mailer(options(box, user="desk", password="word")))

    assert not error.retryable


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_nobody_vouches_for_is_refused(
    security: Literal["starttls", "tls"],
) -> None:
    async with Mailbox("desk", "word", tls=security) as box:
        error = await failure(Mailer(options(box, security=security)))

    assert "certificate" in str(error)
    assert error.retryable
    assert not box.messages


async def test_a_goodbye_that_fails_changes_nothing() -> None:
    """The message is accepted once its text was answered."""
    async with Mailbox() as box:
        box.faults.append(MailFault("text", "250 2.0.0 kept", then="drop", kept=True))

        assert await mailer(box).send(MAIL) == MAIL.message_id


async def test_a_cancelled_delivery_leaves_no_connection() -> None:
    async with Mailbox() as box:
        box.faults.append(hang("rcpt"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await mailer(box).send(MAIL)

        await box.wait_until_alone()

        assert box.connections == 1
