"""Faults of the simulated mail server, and makers of the common ones."""

from dataclasses import dataclass
from typing import Literal

SmtpStage = Literal["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "text"]
"""When a fault strikes: at the connection, at a command, or after the text's final dot."""


@dataclass(slots=True)
class MailFault:
    """A fault that strikes an SMTP session on demand.

    Attributes:
        at: When.
        reply: The answer; empty answers nothing.
        then: What follows: ``go_on``, ``drop`` the connection, or ``hang`` until the client
            gives up.
        times: How often it strikes.
        kept: Whether the message is kept all the same, as when only the answer is lost; of
            ``text``.
    """

    at: SmtpStage
    reply: str = ""
    then: Literal["go_on", "drop", "hang"] = "go_on"
    times: int = 1
    kept: bool = False


def refuse_auth() -> MailFault:
    """Return the fault of a wrong password."""
    return MailFault("auth", "535 5.7.8 authentication credentials invalid", times=10)


def try_later() -> MailFault:
    """Return the fault of a server that greylists."""
    return MailFault("rcpt", "450 4.2.0 {address}: greylisted, try again later")


def no_such_user() -> MailFault:
    """Return the fault of an address that does not exist."""
    return MailFault("rcpt", "550 5.1.1 {address}: no such user here")


def busy() -> MailFault:
    """Return the fault of a server that takes no connections for now."""
    return MailFault("connect", "421 4.3.2 too many connections", then="drop")


def lost_after_text(*, kept: bool = True) -> MailFault:
    """Return the fault of a connection that breaks after the final dot."""
    return MailFault("text", then="drop", kept=kept)


def hang(at: SmtpStage) -> MailFault:
    """Return the fault of a server that does not answer."""
    return MailFault(at, then="hang")
