"""Which refusals of a mail server are final, which are tried again, and which nobody can tell."""

from typing import Final

import aiosmtplib
import pytest

from fwai.domain.job import Dead, JobOutcome, Retry
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError
from fwai.integrations.smtp import _error_after_data, _error_before_data
from fwai.jobs.message_sender import MessageSender
from unit.jobs.kit import a_job, no_mark

RETRY, DEAD, OPERATOR, UNKNOWN = "retry", "dead", "operator", "unknown"

# At which command, the reply, and what it means.
CASES: Final = [
    # what the reply code alone says
    ("rcpt", 421, "closing", RETRY),
    ("rcpt", 450, "mailbox busy", RETRY),
    ("rcpt", 451, "greylisted, try again in 300 seconds", RETRY),
    ("rcpt", 452, "insufficient storage", RETRY),
    ("mail", 455, "parameters not accommodated", RETRY),
    ("rcpt", 550, "no such user", DEAD),
    ("rcpt", 551, "user not local", DEAD),
    ("rcpt", 552, "over quota", DEAD),
    ("rcpt", 553, "mailbox name not allowed", DEAD),
    ("data", 554, "spam", DEAD),
    ("mail", 501, "syntax", DEAD),
    ("mail", 503, "bad sequence", DEAD),
    ("mail", 555, "parameters not recognized", DEAD),
    ("rcpt", 571, "delivery not authorized", DEAD),
    # the enhanced code agrees
    ("rcpt", 450, "4.2.0 greylisted", RETRY),
    ("rcpt", 451, "4.7.1 greylisting in action, please come back later", RETRY),
    ("rcpt", 451, "4.7.500 server busy", RETRY),
    ("rcpt", 452, "4.2.2 mailbox full", RETRY),
    ("rcpt", 452, "4.5.3 too many recipients", RETRY),
    ("data", 451, "4.3.0 local error", RETRY),
    ("data", 452, "4.3.1 insufficient system storage", RETRY),
    ("rcpt", 550, "5.1.1 user unknown", DEAD),
    ("rcpt", 550, "5.7.1 relaying denied", DEAD),
    ("rcpt", 552, "5.2.2 mailbox full", DEAD),
    ("data", 552, "5.3.4 message too big", DEAD),
    ("data", 554, "5.7.1 blocked", DEAD),
    ("rcpt", 553, "5.1.3 bad address syntax", DEAD),
    ("mail", 550, "5.7.26 unauthenticated mail is not accepted", DEAD),
    # the enhanced code decides
    ("rcpt", 552, "4.2.2 mailbox full", RETRY),
    ("rcpt", 550, "4.2.1 mailbox disabled for now", RETRY),
    ("rcpt", 550, "4.7.1 greylisted", RETRY),
    ("data", 554, "4.7.1 try later", RETRY),
    ("data", 552, "4.3.1 mail system full", RETRY),
    ("rcpt", 450, "5.1.1 user unknown", DEAD),
    ("rcpt", 451, "5.7.1 rejected by policy", DEAD),
    ("data", 450, "5.6.0 content not accepted", DEAD),
    # a server that closes the connection has said nothing about the mail
    ("mail", 421, "4.7.0 try again later", RETRY),
    ("rcpt", 421, "5.3.2 going down", RETRY),
    ("data", 421, "4.4.2 timeout", RETRY),
    # other ways to write it, and what only looks like it
    ("rcpt", 550, "#5.1.0 address rejected", DEAD),
    ("rcpt", 552, "[4.2.2] over quota", RETRY),
    ("rcpt", 552, "4.2.2: over quota", RETRY),
    ("rcpt", 552, "over quota\n4.2.2 try later", RETRY),
    ("rcpt", 550, "4.2.2.1 is listed", DEAD),
    ("rcpt", 550, "host 4.2.2 is listed", DEAD),
    ("rcpt", 450, "2.0.0 ok", RETRY),
    ("rcpt", 550, "2.1.5 ok", DEAD),
    ("rcpt", 550, "", DEAD),
    ("rcpt", 450, "4.", RETRY),
    # credentials are the operator's
    ("login", 535, "5.7.8 bad credentials", OPERATOR),
    ("login", 535, "bad credentials", OPERATOR),
    ("login", 534, "5.7.9 application password required", OPERATOR),
    ("login", 538, "5.7.11 encryption required", OPERATOR),
    ("login", 550, "5.7.1 no", OPERATOR),
    ("login", 504, "5.5.4 mechanism not supported", OPERATOR),
    ("mail", 530, "5.7.0 authentication required", OPERATOR),
    ("mail", 530, "must issue a STARTTLS command first", OPERATOR),
    ("login", 454, "4.7.0 temporary authentication failure", RETRY),
    ("login", 421, "4.7.0 too many login attempts", RETRY),
    ("login", 535, "4.7.8 directory not reachable", RETRY),
    ("login", 432, "4.7.12 password transition needed", RETRY),
    # no SMTP at all
    ("connect", 554, "5.3.2 no service", DEAD),
    ("connect", 220, "hello", RETRY),
    ("connect", -1, "malformed", RETRY),
    ("data", -1, "malformed", UNKNOWN),
    ("data", 354, "go on", UNKNOWN),
    ("data", 250, "ok", UNKNOWN),
]


def refusal(command: str, code: int, text: str) -> ApiError:
    text = text and f"{text} asha@example.com"
    match command:
        case "rcpt":
            return _error_before_data(
                aiosmtplib.SMTPRecipientRefused(code, text, "asha@example.com")
            )
        case "mail":
            return _error_before_data(aiosmtplib.SMTPSenderRefused(code, text, "desk@example.com"))
        case "login":
            return _error_before_data(aiosmtplib.SMTPAuthenticationError(code, text))
        case "data":
            return _error_after_data(aiosmtplib.SMTPDataError(code, text))
    return _error_before_data(aiosmtplib.SMTPConnectResponseError(code, text))


@pytest.mark.parametrize(("command", "code", "text", "means"), CASES)
async def test_what_a_refusal_means(command: str, code: int, text: str, means: str) -> None:
    error = refusal(command, code, text)

    assert isinstance(error, ApiAuthError) == (means == OPERATOR)
    assert isinstance(error, ApiUnknownError) == (means == UNKNOWN)
    assert error.retryable == (means == RETRY)
    assert "example.com" not in str(error), "an address is nobody's business"
    if means == OPERATOR:
        assert "SMTP_PASSWORD" in str(error)
    outcome = await sent(error)
    assert isinstance(outcome, Retry if means in (RETRY, UNKNOWN) else Dead)
    assert outcome.why == str(error)


async def sent(error: ApiError) -> JobOutcome:
    """Return what becomes of a mail that is refused; the same one may be sent twice."""

    async def send(_: object) -> str:
        raise error

    return await MessageSender(send, repeatable=True)(a_job("send_email"), no_mark)
