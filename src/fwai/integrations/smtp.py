"""Sends mail through the operator's SMTP server.

Source: RFC 5321 (SMTP), RFC 6409 (submission), RFC 3463 and 2034 (enhanced status codes), RFC 6047
(invitations by mail); read 2026-11-22.

One connection for each message: mail is rare, and a connection kept open is one more thing that
dies unnoticed. A message has the Message-ID its caller chose, so that sending it again after a
doubt is the same message to every receiver.

Errors depend on when they happen: before DATA nothing was accepted and a retry does no harm; from
DATA on, only the server's reply tells. Whether a refusal is final says the enhanced code, where
there is one (``552 4.2.2`` is a mailbox that is full for now), else the reply code. A server that
closes the connection (421) has said nothing about the mail. Credentials that are refused are the
operator's to correct: servers lock accounts that go on trying.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any, Final, Literal, get_args

import aiosmtplib

from fwai.domain.email_address import address
from fwai.domain.host import is_loopback
from fwai.domain.plain_text import fault
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError

Security = Literal["auto", "starttls", "tls", "none"]

MAX_BYTES: Final = 5_000_000
MAX_SUBJECT_CHARS: Final = 250
TLS_PORT: Final = 465
# A server may scan a message for viruses before it answers; the rest answers at once.
_DATA_TIMEOUTS: Final = 4
_ENVELOPE_TIMEOUTS: Final = 3
_QUIT_LIMIT_S: Final = 2.0
_NAME: Final = "smtp"
_AUTH_CODES: Final = frozenset({530, 534, 535, 538})
_CLOSING: Final = 421
# At the start of a line, as RFC 2034 has it; some servers put it into brackets, or behind a "#".
_ENHANCED: Final = re.compile(r"^[\[(#]?([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])", re.MULTILINE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_MESSAGE_ID: Final = re.compile(r"<[A-Za-z0-9_.-]{1,128}@[a-z0-9.-]{1,253}>")
_CONTENT_TYPE: Final = re.compile(r"([a-z]+)/([a-z0-9.+-]+)((?:; ?[a-z-]+=[A-Za-z0-9._-]+)*)")


class _HeaderPolicy(EmailPolicy):
    """E-mail policy that encodes names and subjects with `Header`.

    The newer encoder of Python 3.11 loses spaces where it breaks a line of Hindi.
    """

    def fold_binary(self, name: str, value: Any) -> bytes:  # noqa: ANN401  # as the base has it
        """Encode one header for the wire."""
        lower = name.lower()
        if str(value).isascii() or lower not in {"from", "subject"}:
            return super().fold_binary(name, value)
        if lower == "subject":
            return f"{name}: {_encoded(name, str(value))}\r\n".encode()
        (sender,) = value.addresses
        display_name = _encoded(name, sender.display_name)
        return f"{name}: {display_name}\r\n <{sender.addr_spec}>\r\n".encode()


def _encoded(name: str, text: str) -> str:
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")


# Everything becomes ASCII, so that no relay on the way has to know 8BITMIME.
_POLICY: Final = _HeaderPolicy(linesep="\r\n", max_line_length=78, cte_type="7bit")


@dataclass(frozen=True, slots=True)
class SmtpOptions:
    """Address, credentials and sender of the mail server.

    Attributes:
        host: Its name; the certificate must be for it.
        port: 587 for submission, 465 for TLS from the start.
        user: To log in with; empty does not log in.
        password: Of the user.
        sender: Address the mail comes from; empty is the user, which then is an address.
        sender_name: What receivers see beside it.
        security: ``auto`` is TLS on port 465, nothing on this machine, STARTTLS everywhere else;
            ``none`` is only for this machine.
        timeout_s: Longest wait for one reply; four times as long after the text, and a whole
            delivery is given up after less than eight times as long.
    """

    host: str
    port: int = 587
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    sender_name: str = ""
    security: Security = "auto"
    timeout_s: float = 15.0

    def __post_init__(self) -> None:
        if self.security not in get_args(Security):
            raise ValueError(f"security is one of {', '.join(get_args(Security))}")
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError("mail without TLS is only for a server on this machine")
        if address(self.mail_from) != self.mail_from:
            raise ValueError("write the sender as a bare e-mail address in lower case")
        if _CONTROL.search(self.sender_name):
            raise ValueError("the sender's name is one line without control characters")

    @property
    def mail_from(self) -> str:
        """The sender's address."""
        return self.sender or self.user

    @property
    def domain(self) -> str:
        """The domain of the sender's address."""
        return self.mail_from.partition("@")[2]

    @property
    def tls_from_start(self) -> bool:
        """Whether to use implicit TLS."""
        return self.security == "tls" or (self.security == "auto" and self.port == TLS_PORT)

    @property
    def start_tls(self) -> bool:
        """Whether to require STARTTLS."""
        if self.security == "auto":
            return self.port != TLS_PORT and not is_loopback(self.host)
        return self.security == "starttls"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a mail.

    Attributes:
        filename: Without folders.
        content_type: Such as ``application/pdf``. A ``text/calendar; method=REQUEST`` is also
            given as an alternative of the text, which is where most programs look for it.
        content: The file.
    """

    filename: str
    content_type: str
    content: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.filename or re.search(r"[/\\]", self.filename):
            raise ValueError("an attachment has a file name without folders")
        if _CONTROL.search(self.filename):
            raise ValueError("a file name has no control characters")
        if not _CONTENT_TYPE.fullmatch(self.content_type):
            raise ValueError("a content type is written like text/calendar; method=REQUEST")

    @property
    def calendar(self) -> bool:
        """Whether it is a calendar invitation."""
        return self.content_type.startswith("text/calendar")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one address.

    Attributes:
        message_id: From `Mailer.message_id`; the same for a retry.
        to: As `address` returns it.
        subject: One line of any script.
        text: Its body.
        html: The same for programs that show HTML; may be empty.
        attachments: At most 5 MB with the texts, before encoding.
        reply_to: Where answers go when that is not the sender.

    Raises:
        ValueError: A header cannot be right, or it is too large.
    """

    message_id: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(default="", repr=False)
    attachments: tuple[Attachment, ...] = ()
    reply_to: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not _MESSAGE_ID.fullmatch(self.message_id):
            raise ValueError("take the message id from Mailer.message_id")
        for one in (self.to, self.reply_to):
            if one and address(one) != one:
                raise ValueError("pass e-mail addresses through address() first")
        if not self.to:
            raise ValueError("a mail needs an address to go to")
        if not self.subject.strip() or len(self.subject) > MAX_SUBJECT_CHARS:
            raise ValueError(f"a subject has 1 to {MAX_SUBJECT_CHARS} characters")
        if _CONTROL.search(self.subject) or fault(self.subject):
            raise ValueError("a subject is one line without control characters")
        if words := fault(self.text) or fault(self.html):
            raise ValueError(f"a mail is text: {words}")
        files = sum(len(one.content) for one in self.attachments)
        if len(self.text.encode()) + len(self.html.encode()) + files > MAX_BYTES:
            raise ValueError(f"a mail has at most {MAX_BYTES} bytes")


class Mailer:
    """Sends mail through one SMTP server.

    Args:
        options: Server, credentials and sender.
        tls: Trusted certificates; the system's when absent.
    """

    def __init__(self, options: SmtpOptions, tls: ssl.SSLContext | None = None) -> None:
        self._options = options
        self._tls = tls

    def message_id(self, key: str) -> str:
        """Return the Message-ID for ``key``, such as a job's id.

        Raises:
            ValueError: ``key`` is not of letters, digits, ``.``, ``_`` and ``-``, or is longer
                than 128.
        """
        message_id = f"<{key}@{self._options.domain}>"
        if not _KEY.fullmatch(key) or not _MESSAGE_ID.fullmatch(message_id):
            raise ValueError("a key has 1 to 128 letters, digits, dots, dashes and underscores")
        return message_id

    async def send(self, mail: Mail) -> str:
        """Send ``mail`` and return its Message-ID; accepted is not yet delivered.

        Raises:
            ApiError: It was not accepted; ``retryable`` says whether it may be later.
            ApiAuthError: The server wants other credentials.
            ApiUnknownError: No reply came after DATA. A retry with the same Message-ID does little
                harm: most receivers show it once.
        """
        message = await asyncio.to_thread(_compose, mail, self._options)
        client = self._client()
        options, wait_s = self._options, self._options.timeout_s
        try:
            failure = await _attempt(
                self._send_envelope(client, mail.to, len(message)),
                _ENVELOPE_TIMEOUTS * wait_s,
                _error_before_data,
            )
            if failure is None:
                limit_s = _DATA_TIMEOUTS * options.timeout_s
                data = client.data(message, timeout=limit_s)
                failure = await _attempt(data, limit_s, _error_after_data)
            if failure is None:
                await _quit(client)
        finally:
            client.close()
        if failure is not None:
            raise failure
        return mail.message_id

    def _client(self) -> aiosmtplib.SMTP:
        options = self._options
        return aiosmtplib.SMTP(
            hostname=options.host,
            port=options.port,
            # The name of this machine is nobody's business, and looking it up may block.
            local_hostname=options.domain,
            timeout=options.timeout_s,
            use_tls=options.tls_from_start,
            start_tls=options.start_tls,
            tls_context=self._tls,
        )

    async def _send_envelope(self, client: aiosmtplib.SMTP, to: str, size: int) -> None:
        """Connect, log in and send MAIL and RCPT: everything before DATA."""
        await client.connect()
        if self._options.user:
            await client.login(self._options.user, self._options.password)
        else:
            await client.ehlo()
        sized = [f"SIZE={size}"] if client.supports_extension("size") else []
        await client.mail(self._options.mail_from, options=sized)
        await client.rcpt(to)


async def _attempt(
    work: Awaitable[object], limit_s: float, to_error: Callable[[Exception], ApiError]
) -> ApiError | None:
    """Await ``work`` and return its error instead of raising it.

    The error is raised later, outside of any handler: servers repeat addresses in their answers,
    and a chained exception would bring them into a log.
    """
    try:
        async with asyncio.timeout(limit_s):
            await work
    except (aiosmtplib.SMTPException, OSError) as exc:  # timeouts are OSErrors
        return to_error(exc)
    return None


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Send QUIT and ignore errors: the message is accepted already."""
    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_QUIT_LIMIT_S):
            await client.quit()


def _error_before_data(exc: Exception) -> ApiError:
    """Convert an error before DATA."""
    if isinstance(exc, aiosmtplib.SMTPResponseException):
        return _error_of_reply(exc)
    if type(exc) is aiosmtplib.SMTPException:
        return ApiError(_NAME, "the server offers no STARTTLS or no login that we know")
    if isinstance(exc.__cause__ or exc, ssl.SSLCertVerificationError):
        return ApiError(_NAME, "the server's certificate is not trusted", retryable=True)
    return ApiError(_NAME, f"no connection ({type(exc).__name__})", retryable=True)


def _error_after_data(exc: Exception) -> ApiError:
    """Convert an error from DATA on."""
    if isinstance(exc, aiosmtplib.SMTPDataError) and 400 <= exc.code < 600:
        return _error_of_reply(exc)
    return ApiUnknownError(_NAME, f"no answer to the text ({type(exc).__name__})")


def _error_of_reply(exc: aiosmtplib.SMTPResponseException) -> ApiError:
    """Convert an error reply: its code only, because its text may hold an address."""
    what = {
        aiosmtplib.SMTPSenderRefused: "sender",
        aiosmtplib.SMTPRecipientRefused: "recipient",
        aiosmtplib.SMTPDataError: "text",
        aiosmtplib.SMTPAuthenticationError: "login",
    }.get(type(exc), "connection")
    enhanced = _ENHANCED.search(exc.message)
    code = f"{exc.code} {'.'.join(enhanced.groups())}" if enhanced else str(exc.code)
    text = f"{what} refused (SMTP {code})"
    final = 500 <= exc.code < 600
    if exc.code == _CLOSING:
        final = False
    elif enhanced is not None and exc.code >= 400:
        final = enhanced[1] == "5"
    if final and (exc.code in _AUTH_CODES or what == "login"):
        fix = f"{text}; correct SMTP_USER, SMTP_PASSWORD or SMTP_SECURITY, then retry the job"
        return ApiAuthError(_NAME, fix, status=exc.code)
    return ApiError(_NAME, text, status=exc.code, retryable=not final)


def _compose(mail: Mail, options: SmtpOptions) -> bytes:
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(options.sender_name, addr_spec=options.mail_from)
    message["To"] = Address(addr_spec=mail.to)
    if mail.reply_to:
        message["Reply-To"] = Address(addr_spec=mail.reply_to)
    message["Subject"] = mail.subject
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"  # keeps out-of-office replies away (RFC 3834)
    message.set_content(mail.text)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    for one in mail.attachments:
        if one.calendar:
            maintype, subtype, params = _parse_content_type(one.content_type)
            message.add_alternative(
                one.content, maintype=maintype, subtype=subtype, params=params, disposition=None
            )
    for one in mail.attachments:
        maintype, subtype, params = _parse_content_type(one.content_type)
        message.add_attachment(
            one.content,
            maintype=maintype,
            subtype=subtype,
            params=params,
            filename=one.filename,
        )
    return message.as_bytes()


def _parse_content_type(content_type: str) -> tuple[str, str, dict[str, str]]:
    maintype, _, rest = content_type.partition("/")
    subtype, *parameters = (part.strip() for part in rest.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    params = {"charset": "utf-8"} if maintype == "text" else {}
    return maintype, subtype, params | {name: value for name, _, value in pairs}
